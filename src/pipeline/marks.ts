/**
 * What this site remembers of its peers' buckets, and of its own: see `core/seen.ts`. Made durable whenever tombstones are
 * about to be swept, and only then: so whoever loses a delete that others have forgotten is recognised, and a site that
 * sweeps nothing writes nothing.
 */
import { type Checkpoint, isCheckpoint } from "../core/checkpoint.js";
import type { BucketName, SiteId } from "../core/ids.js";
import type { SiteState } from "../core/ports.js";
import type { Hello } from "../core/question.js";
import { NOT_SEEN, type Seen, isSeen } from "../core/seen.js";

/** How far the own bucket had come, and the own log; null where an earlier release has not said it. */
export interface OwnMark extends Seen {
  readonly log: Checkpoint | null;
}

export interface Marks {
  /** Of every site that takes part. */
  seen(): ReadonlyMap<SiteId, Seen>;
  /** How far the own bucket had come when an earlier run swept last, or this one. */
  own(): OwnMark | null;
  /** Both sites are equal as of this hello. */
  note(peer: SiteId, hello: Hello): void;
  /** Of every peer what has been noted last, and how far the own bucket has come now. KVGW_STATE_UNAVAILABLE. */
  makeDurable(own: OwnMark): Promise<void>;
}

export interface MarksDeps {
  readonly bucket: BucketName;
  readonly state: SiteState;
  readonly peers: ReadonlySet<SiteId>;
  readonly nowUs: () => number;
}

/** Also notes which sites have come and left since the last run. KVGW_STATE_UNAVAILABLE. */
export async function loadMarks({ bucket, state, peers, nowUs }: MarksDeps): Promise<Marks> {
  const prefix = `seen.${bucket}`;
  const seen = new Map<SiteId, Seen>();
  const gone: [string, Seen][] = [];
  await state.scan(prefix, (key, value) => {
    const site = key.slice(prefix.length + 1) as SiteId;
    if (!isSeen(value)) return;
    if (peers.has(site)) seen.set(site, value);
    else if (!value.left) gone.push([key, value]);
  });
  const ownKey = `captured.${bucket}`;
  const { value: stored } = await state.load(ownKey);
  let own: OwnMark | null = isSeen(stored) ? { ...stored, log: logOf(stored) } : null;
  const due = new Set<SiteId>();
  for (const [key, value] of gone) await state.save(key, { ...value, atUs: nowUs(), left: true });
  for (const peer of peers) {
    if (seen.has(peer)) continue;
    await state.save(`${prefix}.${peer}`, NOT_SEEN);
    seen.set(peer, NOT_SEEN);
  }
  return {
    seen: () => seen,
    own: () => own,
    note(peer, { bucket: mark, nowUs: atUs, moment: { run } }) {
      const before = seen.get(peer);
      if (before?.run === run && before.created === mark.created && before.sequence === mark.sequence) return;
      const next: Seen = { created: mark.created, sequence: mark.sequence, run, atUs, left: false };
      seen.set(peer, next);
      due.add(peer);
    },
    async makeDurable(mark) {
      for (const peer of due) {
        await state.save(`${prefix}.${peer}`, seen.get(peer));
        due.delete(peer);
      }
      if (own?.created === mark.created && own.sequence === mark.sequence && own.run === mark.run) return;
      await state.save(ownKey, mark);
      own = mark;
    },
  };
}

function logOf(stored: Seen): Checkpoint | null {
  const { log } = stored as Partial<OwnMark>;
  return isCheckpoint(log) ? log : null;
}
