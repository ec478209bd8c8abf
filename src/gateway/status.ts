/**
 * What a gateway says of itself: a pure snapshot, made when asked for. The shape of `GET /api/v1/status`, the source of
 * metrics and readiness. Nothing in it is computed twice elsewhere.
 */
import type { BucketCounters } from "../core/counters.js";
import type { BucketState, PeerState, Reason } from "../core/events.js";
import type { BucketName, SiteId } from "../core/ids.js";

export interface GatewayStatus {
  readonly site: SiteId;
  /** Of this program. */
  readonly version: string;
  readonly startedAt: string;
  readonly ready: boolean;
  /** What is missing for `ready`, one sentence each. */
  readonly notReady: readonly string[];
  readonly config: {
    readonly path: string;
    readonly hash: string;
    readonly loadedAt: string;
    /** Why the last text was refused, null after a good one. */
    readonly lastError: string | null;
  };
  /** Every site but this one. */
  readonly sites: Readonly<Record<SiteId, SiteStatus>>;
  readonly buckets: Readonly<Record<BucketName, BucketStatus>>;
}

export interface SiteStatus {
  readonly connected: boolean;
  /** Null until measured. */
  readonly rttMs: number | null;
  readonly clockSkewMs: number | null;
}

export interface BucketStatus {
  readonly state: BucketState;
  readonly reason: Reason | null;
  readonly startedAt: string;
  readonly keys: number;
  readonly tombstones: number;
  readonly conflicts: number;
  readonly setAside: number;
  readonly peers: Readonly<Record<SiteId, PeerStatus>>;
}

export interface PeerStatus {
  readonly state: PeerState;
  readonly reason: Reason | null;
  readonly lagOperations: number;
  readonly lagSeconds: number;
  /** The sequence of the peer's log below which everything is applied here. */
  readonly checkpoint: number;
  readonly lastReconcileAt: string | null;
  readonly lastEqualAt: string | null;
}

/** Counters of every bucket that runs, for the metrics. */
export type CountersByBucket = ReadonlyMap<BucketName, BucketCounters>;

/** What happened to a reload, for whoever asked for it. */
export interface ReloadOutcome {
  readonly result: "applied" | "unchanged" | "rejected";
  readonly hash: string;
  /** `file:line:column path: message`, when rejected. */
  readonly problems: readonly string[];
  readonly started: readonly string[];
  readonly stopped: readonly string[];
  readonly restarted: readonly string[];
  readonly updated: readonly string[];
  readonly kept: number;
}
