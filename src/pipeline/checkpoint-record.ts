/**
 * One peer's checkpoint in the site's state. Every save follows the record that was seen last: one that comes late, from
 * a gateway that is dead or a run that is over, is refused and cannot put back what was saved since. Whoever is refused
 * looks what is there. In one life of the peer's log the higher one is true for both, because both applied to the same
 * bucket; of another life ours counts, since we have just asked that log.
 */
import { type Checkpoint, isCheckpoint } from "../core/checkpoint.js";
import { GatewayError } from "../core/errors.js";
import type { Revision, Sequence } from "../core/ids.js";
import { STATE_SAVES_MAX } from "../core/limits.js";
import type { SiteState } from "../core/ports.js";

export interface CheckpointRecord {
  /** Null where nothing readable was saved. KVGW_STATE_UNAVAILABLE. */
  load(): Promise<Checkpoint | null>;
  /** Whether nothing is to be saved, as far as is known. */
  covers(next: Checkpoint): boolean;
  /** Makes it durable, or finds that what is durable covers it. KVGW_STATE_UNAVAILABLE, KVGW_STATE_CHANGED. */
  save(next: Checkpoint): Promise<void>;
  /** The log was put back to an older copy that ends at `end`: what was durable beyond is not true any more. */
  rewound(end: Sequence): void;
  /** What is durable, as far as is known. */
  known(): Checkpoint | null;
}

export function createCheckpointRecord(state: SiteState, key: string): CheckpointRecord {
  let durable: Checkpoint | null = null;
  // Null: not known, since the last save had no answer, or nothing was loaded yet.
  let revision: Revision | null = null;
  // What was rewound cannot be told from what was saved since then by another gateway: the lower one does no harm.
  let rewoundTo: Sequence = Infinity;
  let isBelieved = true;
  let saving: Promise<void> = Promise.resolve();

  async function load(): Promise<Checkpoint | null> {
    const found = await state.load(key);
    durable = isCheckpoint(found.value) ? found.value : null;
    revision = found.revision;
    isBelieved = (durable?.sequence ?? 0) <= rewoundTo;
    return durable;
  }

  function covers({ created, sequence }: Checkpoint): boolean {
    if (revision === null) return false;
    if (durable === null) return sequence === 0;
    return isBelieved && durable.created === created && durable.sequence >= sequence;
  }

  async function saveNow(next: Checkpoint): Promise<void> {
    for (let saves = 1; ; saves++) {
      if (revision === null) await load();
      if (covers(next)) return;
      const follows = revision ?? 0;
      revision = null;
      try {
        revision = await state.save(key, next, follows);
        durable = next;
        isBelieved = true;
        return;
      } catch (thrown) {
        const isChanged = thrown instanceof GatewayError && thrown.code === "KVGW_STATE_CHANGED";
        if (!isChanged || saves >= STATE_SAVES_MAX) throw thrown;
      }
    }
  }

  return {
    load,
    covers,
    save: (next) => (saving = saving.catch(() => undefined).then(() => saveNow(next))),
    rewound(end) {
      rewoundTo = Math.min(rewoundTo, end);
      isBelieved = (durable?.sequence ?? 0) <= rewoundTo;
    },
    known: () => durable,
  };
}
