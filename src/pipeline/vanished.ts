/**
 * Finds what has gone from the local bucket without a message: a client's clean-up, an operator's purge. Absence is never a
 * delete (I8), and no event tells of it, so before every round the bucket's number of keys is compared with what should be
 * there; only where some are missing the keys themselves are read. What is missing is confirmed one by one, because a
 * reading may miss what changes under it.
 *
 * A tombstone stays known without its message. A value is not known any more, else equal digests would lie: whoever has it
 * gives it back, and an own one comes back from the own log.
 */
import type { Key } from "../core/ids.js";
import { EXPIRY_GRACE_MS, VANISHED_READS_MAX } from "../core/limits.js";
import { type Operation, isTombstone } from "../core/operation.js";
import type { BucketStore, Clock } from "../core/ports.js";
import type { Replica } from "../core/replica.js";

export interface Vanished {
  /** What is found missing is told to `onMissing`. Several calls at once are one look. KVGW_UNREACHABLE, KVGW_TIMEOUT. */
  look(): Promise<void>;
  /** A key of the bucket that does not take part: it is there, and nobody knows it. */
  exclude(key: string): void;
}

export interface VanishedDeps {
  readonly store: Pick<BucketStore, "count" | "scan" | "read">;
  readonly replica: Replica;
  /** Servers and gateways may see a deadline pass a little apart: what is missing then has ended. */
  readonly clock: Clock;
  readonly isBusy: (key: Key) => boolean;
  readonly includes: (key: string) => boolean;
  /** Values that were there, without their bytes. */
  readonly onMissing: (values: readonly Operation[]) => void;
}

export function createVanished(deps: VanishedDeps): Vanished {
  const { store, replica } = deps;
  let excluded = new Set<string>();
  let looking: Promise<void> | null = null;

  async function look(): Promise<void> {
    // Before it is counted: what comes later can only make the bucket larger.
    const expected = replica.messages() + excluded.size;
    if ((await store.count()) >= expected) return;
    const suspects = await unseen();
    const missing: Operation[] = [];
    const next = suspects.entries();
    const confirm = async () => {
      for (const [key, revision] of next) {
        if (deps.isBusy(key) || (await store.read(key)) !== null) continue;
        const lost = replica.recordMissing(key, revision, deps.clock.nowMs() * 1_000 + EXPIRY_GRACE_MS * 1_000);
        if (lost !== null && !isTombstone(lost)) missing.push(lost);
      }
    };
    const ends = await Promise.allSettled(Array.from({ length: VANISHED_READS_MAX }, confirm));
    // Also where the look breaks off: what has been found is not known any more, and no other look finds it again.
    if (missing.length > 0) deps.onMissing(missing);
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }

  /** Keys that should be in the bucket and were not seen in it, with the revision at which they should stand. */
  async function unseen(): Promise<ReadonlyMap<Key, number>> {
    const suspects = new Map(replica.standing());
    const others = new Set<string>();
    await store.scan((key) => {
      if (!suspects.delete(key as Key) && !deps.includes(key)) others.add(key);
    });
    excluded = others;
    return suspects;
  }

  return {
    look: () => (looking ??= look().finally(() => (looking = null))),
    exclude: (key) => void excluded.add(key),
  };
}
