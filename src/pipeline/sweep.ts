/**
 * Forgets tombstones that nobody needs any more (I7). A tombstone may go when it is older than `tombstoneTtl` and, for every
 * other site of the bucket: that site has held it, or something newer (its own report, of this run); a round in which this
 * site came to be equal with it began no earlier than that report; and its log has been read here up to where it ended then,
 * durably, so that no older write of the key is still on its way, also not after a crash.
 *
 * The order is: bucket, log, state, memory. Whatever is cut off in between is still known from what comes later, and begun
 * again. From the bucket a tombstone goes by a purge up to its own revision: a newer write is never touched, and no older
 * one comes to light.
 */
import type { BucketCounters } from "../core/counters.js";
import { type ErrorCode, type GatewayError, toGatewayError } from "../core/errors.js";
import type { Observe } from "../core/events.js";
import type { BucketName, Key, SiteId } from "../core/ids.js";
import { SLICE_MS, SWEEPS_AT_ONCE_MAX, SWEEP_INTERVAL_MS } from "../core/limits.js";
import { isTombstone } from "../core/operation.js";
import type { BucketStore, Clock } from "../core/ports.js";
import type { Replica } from "../core/replica.js";
import type { Version } from "../core/version.js";
import type { Appender } from "./append.js";
import type { Replication } from "./replicate.js";
import { wait } from "./retry.js";
import type { TombstoneRecords } from "./tombstone-records.js";
import type { Witness } from "./witness.js";

export interface SweepDeps {
  readonly bucket: BucketName;
  readonly observe: Observe;
  readonly replica: Replica;
  readonly store: Pick<BucketStore, "forget">;
  readonly appender: Pick<Appender, "forget">;
  readonly records: TombstoneRecords;
  readonly witness: Witness;
  readonly replications: ReadonlyMap<SiteId, Pick<Replication, "hasRead">>;
  /** Makes durable how far every site's bucket had come, so that one which comes back wrong is recognised. */
  readonly remember: () => Promise<void>;
  readonly isBusy: (key: Key) => boolean;
  /** Whether a tombstone of the version is old enough to go. */
  readonly isOld: (version: Version) => boolean;
  readonly counters: BucketCounters;
  readonly clock: Clock;
  /** May change while it runs. */
  readonly tombstoneTtlMs: () => number;
  readonly signal: AbortSignal;
}

export interface Sweep {
  /** Until the signal says stop. Never rejects: what fails is tried again with the next turn. */
  run(): Promise<void>;
  /** Tombstones that are old enough and wait for this site. */
  blockedBy(peer: SiteId): number;
}

export function createSweep(deps: SweepDeps): Sweep {
  const { replica, clock, signal } = deps;
  let blocked = new Map<SiteId, number>();
  let toldCode: ErrorCode | undefined;

  /** Peers whose log has been read here, durably, up to the end that their last report named. */
  async function readPeers(): Promise<ReadonlySet<SiteId>> {
    const read = new Set<SiteId>();
    for (const [peer, replication] of deps.replications) {
      const head = deps.witness.report(peer)?.head;
      // A peer that does not answer has not been read.
      if (head !== undefined && (await replication.hasRead(head).catch(() => false))) read.add(peer);
    }
    return read;
  }

  /** Old tombstones that every site has held; counts for each site those that wait for it. */
  async function* due(read: ReadonlySet<SiteId>, waiting: Map<SiteId, number>): AsyncGenerator<readonly Key[]> {
    let found: Key[] = [];
    let beganMs = clock.elapsedMs();
    for (const [key, since] of replica.tombstones) {
      if (clock.elapsedMs() - beganMs >= SLICE_MS) {
        await new Promise<void>((resolve) => clock.schedule(0, resolve));
        beganMs = clock.elapsedMs();
      }
      if (signal.aborted) return;
      const known = replica.get(key);
      if (known === undefined || !deps.isOld(known.version) || deps.isBusy(key)) continue;
      const missing = [...deps.replications.keys()].filter((peer) => !read.has(peer) || !deps.witness.hasHeld(peer, since));
      for (const peer of missing) waiting.set(peer, (waiting.get(peer) ?? 0) + 1);
      if (missing.length === 0) found.push(key);
      if (found.length < SWEEPS_AT_ONCE_MAX) continue;
      yield found;
      found = [];
    }
    yield found;
  }

  async function sweep(key: Key): Promise<void> {
    const known = replica.get(key);
    if (known === undefined || !isTombstone(known)) return;
    const { version, revision } = known;
    if (revision > 0) {
      await deps.store.forget(key, revision);
      replica.recordVanished(key, revision, 0);
    }
    await deps.appender.forget(key, version);
    await deps.records.remove(key);
    replica.forget(key, version);
    deps.counters.swept++;
  }

  /** Of keys that have a value again, or nothing. */
  async function removeStale(): Promise<void> {
    for (const key of deps.records.keys()) {
      const known = replica.get(key);
      if (signal.aborted) return;
      if (known === undefined || !isTombstone(known)) await deps.records.remove(key);
    }
  }

  function tell(error: GatewayError | null): void {
    if (signal.aborted || error?.code === toldCode) return;
    toldCode = error?.code;
    deps.observe({ type: "sweep", bucket: deps.bucket, reason: error === null ? null : { code: error.code, message: error.message } });
  }

  async function turn(): Promise<void> {
    const waiting = new Map<SiteId, number>();
    for await (const keys of due(await readPeers(), waiting)) {
      if (keys.length > 0) await deps.remember();
      await Promise.all(keys.map(sweep));
    }
    blocked = waiting;
    await removeStale();
  }

  /** Short against the time that a tombstone lives, so that its end is not much later than asked for. */
  const intervalMs = () => Math.min(SWEEP_INTERVAL_MS, deps.tombstoneTtlMs() / 4);

  return {
    async run() {
      while (!signal.aborted) {
        await wait(clock, intervalMs(), signal);
        if (signal.aborted) return;
        await turn().then(
          () => tell(null),
          (thrown: unknown) => tell(toGatewayError(thrown)),
        );
      }
    },
    blockedBy: (peer) => blocked.get(peer) ?? 0,
  };
}
