/**
 * What one bucket has done since the process started, as plain numbers that only rise. The pipelines count here
 * without allocating; status and metrics read. They live beside the supervisor, so that a restart of the pipeline
 * does not set them back.
 */
import type { SiteId } from "./ids.js";
import { SET_ASIDE_REASONS, type SetAsideReason } from "./ports.js";

/** Upper bounds in seconds of the replication latency histogram; the last bucket is everything above. */
export const LATENCY_BOUNDS_S = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200, 43_200,
] as const;

export interface Histogram {
  /** One more than there are bounds; not cumulative. */
  readonly counts: Float64Array;
  sum: number;
}

export interface PeerCounters {
  applied: number;
  ignored: { stale: number; duplicate: number; filtered: number };
  setAside: Record<SetAsideReason, number>;
  conflicts: { local_won: number; peer_won: number };
  readonly reconcile: ReconcileCounters;
  /** Seconds from the write at the origin to the acknowledged apply here. */
  readonly latency: Histogram;
}

export const ROUND_RESULTS = ["equal", "different", "failed"] as const;
export type RoundResult = (typeof ROUND_RESULTS)[number];

export interface ReconcileCounters {
  rounds: Record<RoundResult, number>;
  /** Keys that this site took from the peer in a round. */
  repairs: number;
  /** Of the last round that came to its end. */
  lastDurationS: number;
  /** When the last round came to its end, and when the last one that proved both sides equal did; 0 for never. */
  lastMs: number;
  lastEqualMs: number;
  /** By how much the peer's clock was ahead of ours in the last round, null before the first. */
  clockSkewMs: number | null;
}

export interface BucketCounters {
  captured: number;
  races: number;
  restarts: number;
  /** Tombstones that were forgotten. */
  swept: number;
  /** Local writes that no log can hold. */
  setAside: Record<SetAsideReason, number>;
  readonly peers: Map<SiteId, PeerCounters>;
}

const noneSetAside = (): Record<SetAsideReason, number> =>
  Object.fromEntries(SET_ASIDE_REASONS.map((reason) => [reason, 0])) as Record<SetAsideReason, number>;

export function createBucketCounters(peers: Iterable<SiteId>): BucketCounters {
  const counters: BucketCounters = { captured: 0, races: 0, restarts: 0, swept: 0, setAside: noneSetAside(), peers: new Map() };
  for (const peer of peers) peerCounters(counters, peer);
  return counters;
}

/** The peer's counters, made when first asked for. */
export function peerCounters(counters: BucketCounters, peer: SiteId): PeerCounters {
  const existing = counters.peers.get(peer);
  if (existing !== undefined) return existing;
  const made: PeerCounters = {
    applied: 0,
    ignored: { stale: 0, duplicate: 0, filtered: 0 },
    setAside: noneSetAside(),
    conflicts: { local_won: 0, peer_won: 0 },
    reconcile: { rounds: { equal: 0, different: 0, failed: 0 }, repairs: 0, lastDurationS: 0, lastMs: 0, lastEqualMs: 0, clockSkewMs: null },
    latency: { counts: new Float64Array(LATENCY_BOUNDS_S.length + 1), sum: 0 },
  };
  counters.peers.set(peer, made);
  return made;
}

/** @param seconds negative where clocks disagree; counted as zero, since a latency cannot be less. */
export function observeLatency(histogram: Histogram, seconds: number): void {
  const value = Math.max(0, seconds);
  let index = 0;
  while (index < LATENCY_BOUNDS_S.length && value > (LATENCY_BOUNDS_S[index] ?? Infinity)) index++;
  histogram.counts[index] = (histogram.counts[index] ?? 0) + 1;
  histogram.sum += value;
}
