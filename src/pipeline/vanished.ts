/**
 * Finds where the local bucket is not what it is known to be, and no message tells. Before every round the bucket's number of
 * keys is compared with what should be there; only where it is another one the keys themselves are read, and what is
 * found is confirmed one by one, because a reading may miss what changes under it.
 *
 * Gone: a client's clean-up, an operator's purge. Absence is never a delete (I8). A tombstone stays known without its message.
 * A value is not known any more, else equal digests would lie: whoever has it gives it back, and an own one comes back
 * from the own log.
 *
 * Unseen: entries that the tail has passed and never brought, because they stood behind a later one that has ended while the
 * tail began, or because a server has left them out. A tail that begins anew brings them.
 */
import { GatewayError } from "../core/errors.js";
import { type Key, type Revision, isKey } from "../core/ids.js";
import { EXPIRY_GRACE_MS, VANISHED_READS_MAX } from "../core/limits.js";
import { type Operation, isTombstone } from "../core/operation.js";
import type { BucketStore, Clock } from "../core/ports.js";
import type { Replica } from "../core/replica.js";
import type { TailPosition } from "./tail-position.js";

export interface Vanished {
  /** What is found missing is told to `onMissing`, and what was never seen to `onUnseen`. Several calls at once are one look.
   *  KVGW_UNREACHABLE, KVGW_TIMEOUT. */
  look(): Promise<void>;
  /** A key of the bucket that does not take part: it is there, and nobody knows it. */
  exclude(key: string): void;
}

export interface VanishedDeps {
  readonly store: Pick<BucketStore, "count" | "scan" | "read">;
  readonly replica: Replica;
  /** What the tail has passed it does not bring any more. */
  readonly position: Pick<TailPosition, "passed" | "whenPassed">;
  /** Servers and gateways may see a deadline pass a little apart: what is missing then has ended. */
  readonly clock: Clock;
  readonly isBusy: (key: Key) => boolean;
  readonly includes: (key: string) => boolean;
  /** Values that were there, without their bytes. */
  readonly onMissing: (values: readonly Operation[]) => void;
  /** KVGW_READER_LOST: the bucket has entries that no tail of this run will bring. */
  readonly onUnseen: (error: GatewayError) => void;
}

/** Keys, each with a revision. */
type Found = ReadonlyMap<Key, Revision>;

export function createVanished(deps: VanishedDeps): Vanished {
  const { store, replica, position } = deps;
  let excluded = new Set<string>();
  let looking: Promise<void> | null = null;

  // Keys that stand there besides, for which the last look has found no other reason: ended ones whose server is late, other subjects.
  let surplus = 0;

  const expected = () => replica.messages() + excluded.size;
  // Also one of which only a tombstone is known, without a message.
  const isUnknown = (key: Key) => replica.revision(key) === 0;

  async function look(): Promise<void> {
    // Before it is counted: what comes later can only make the bucket larger.
    const atLeast = expected();
    const { keys, lastSequence } = await store.count();
    if (keys >= atLeast && !(await isTooMany(keys, lastSequence))) return;
    const { gone, unseen } = await compare();
    const missing: Operation[] = [];
    const neverSeen: Key[] = [];
    const ends = await Promise.allSettled([
      ...confirm(gone, (key, revision) => confirmGone(key, revision, missing)),
      ...confirm(unseen, (key, revision) => confirmUnseen(key, revision, neverSeen)),
    ]);
    // Also where the look breaks off: what has been found is not known any more, and no other look finds it again.
    if (missing.length > 0) deps.onMissing(missing);
    for (const end of ends) if (end.status === "rejected") throw end.reason;
    const [first] = neverSeen;
    if (first === undefined) return void (surplus = Math.max(0, keys - expected()));
    const message = `${neverSeen.length} keys stand in the bucket that its tail has not brought, ${first} first; reading starts again`;
    const error = new GatewayError("KVGW_READER_LOST", message);
    deps.onUnseen(error);
    throw error;
  }

  /** More than the last look has explained. Mostly the tail has only to come as far as the count was. */
  async function isTooMany(keys: number, lastSequence: number): Promise<boolean> {
    if (keys > expected() + surplus) await new Promise<void>((resolve) => position.whenPassed(lastSequence, resolve));
    const more = Math.max(0, keys - expected());
    const isMore = more > surplus;
    surplus = Math.min(surplus, more);
    return isMore;
  }

  /** What should be in the bucket and is not, with the revision at which it should stand; what stands there unknown, and where. */
  async function compare(): Promise<{ readonly gone: Found; readonly unseen: Found }> {
    const gone = new Map(replica.standing());
    const unseen = new Map<Key, Revision>();
    const others = new Set<string>();
    await store.scan((key, revision) => {
      if (gone.delete(key as Key)) return;
      if (!isKey(key) || !deps.includes(key)) others.add(key);
      else if (isUnknown(key) && revision <= position.passed()) unseen.set(key, revision);
    });
    excluded = others;
    return { gone, unseen };
  }

  function confirm(found: Found, one: (key: Key, revision: Revision) => Promise<void>): readonly Promise<void>[] {
    const next = found.entries();
    return Array.from({ length: Math.min(VANISHED_READS_MAX, found.size) }, async () => {
      for (const [key, revision] of next) await one(key, revision);
    });
  }

  async function confirmGone(key: Key, revision: Revision, missing: Operation[]): Promise<void> {
    if (deps.isBusy(key) || (await store.read(key)) !== null) return;
    const lost = replica.recordMissing(key, revision, deps.clock.nowMs() * 1_000 + EXPIRY_GRACE_MS * 1_000);
    if (lost !== null && !isTombstone(lost)) missing.push(lost);
  }

  async function confirmUnseen(key: Key, revision: Revision, neverSeen: Key[]): Promise<void> {
    const entry = await store.read(key);
    if (entry?.revision !== revision || deps.isBusy(key) || !isUnknown(key)) return;
    // A mark that a gateway wrote, or its server, and that has been forgotten says nothing.
    if (entry.kind === "put" || (entry.kind !== "expired" && entry.version === null)) neverSeen.push(key);
    else excluded.add(key);
  }

  return {
    look: () => (looking ??= look().finally(() => (looking = null))),
    exclude: (key) => void excluded.add(key),
  };
}
