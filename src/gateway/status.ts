/**
 * What a gateway says of itself: a pure snapshot, made when asked for. The shape of `GET /api/v1/status`, the source of
 * metrics and readiness. Nothing in it is computed twice elsewhere.
 */
import type { BucketCounters, RoundResult } from "../core/counters.js";
import type { BucketState, PeerState, Reason } from "../core/events.js";
import type { BucketName, SiteId } from "../core/ids.js";
import type { OperationKind } from "../core/operation.js";
import type { SetAsideReason } from "../core/ports.js";

export interface GatewayStatus {
  readonly site: SiteId;
  /** Of this program. */
  readonly version: string;
  readonly startedAt: string;
  /** The gateway's own time, from which ages are counted. */
  readonly now: string;
  readonly ready: boolean;
  /** What is missing for `ready`, one sentence each. */
  readonly notReady: readonly string[];
  /** Whether this gateway works. Where a site has one that does, any other waits until that one is gone. */
  readonly role: Role;
  /** Null where the lease is switched off. */
  readonly lease: LeaseStatus | null;
  /** The gateways that share this site's buckets, for people; null where one works them all. */
  readonly members: readonly string[] | null;
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

export type Role = "active" | "standby";

export interface LeaseStatus {
  /** By this gateway; where several share the buckets, that it is one of them. */
  readonly held: boolean;
  /** The gateway that holds it, for people, and since when by its own clock; null where nothing is known. */
  readonly holder: string | null;
  readonly since: string | null;
  /** Why the site's state cannot say, null if it can. */
  readonly reason: Reason | null;
}

/** Of one bucket, where the gateways of the site share them. */
export interface BucketLeaseStatus {
  /** By this gateway. */
  readonly held: boolean;
  /** Whether it falls to this gateway, or that is not known yet. */
  readonly due: boolean;
  /** The gateway that works it, for people; null where that is not known. */
  readonly holder: string | null;
}

export interface SiteStatus {
  readonly connected: boolean;
  /** Null until measured. */
  readonly rttMs: number | null;
  readonly clockSkewMs: number | null;
}

/** The config's `paused: true`, or a request, which stays in the site's state until it is taken back. */
export type PausedBy = "config" | "request";

export interface BucketStatus {
  readonly state: BucketState;
  readonly reason: Reason | null;
  /** Null where one gateway of the site works all buckets. */
  readonly lease: BucketLeaseStatus | null;
  readonly pausedBy: readonly PausedBy[];
  readonly startedAt: string;
  readonly keys: number;
  readonly tombstones: number;
  /** Tombstones forgotten since the process started. */
  readonly swept: number;
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
  /** When the peer's gateway last answered for this bucket, null for never. */
  readonly lastHeardAt: string | null;
  /** The end of the last round that came to its end, and of the last one that proved both sides equal. */
  readonly lastReconcileAt: string | null;
  readonly lastEqualAt: string | null;
  /** Tombstones old enough to be forgotten, of which it is not known yet that this peer has had them. */
  readonly sweepBlocked: number;
  readonly reconcile: ReconcileStatus;
}

export interface ReconcileStatus {
  readonly rounds: Readonly<Record<RoundResult, number>>;
  /** Keys that this site took from the peer. */
  readonly repaired: number;
  /** Of the round that came to its end last. */
  readonly durationSeconds: number;
  /** Why the last round failed, null if it did not. */
  readonly reason: Reason | null;
}

/** What became of a request for rounds. */
export interface ReconcileRequest {
  readonly bucket: BucketName;
  /** The gateway's own time: a round that began later is the one asked for, or follows it. */
  readonly requestedAt: string;
  readonly peers: readonly SiteId[];
}

/** What became of a request to pause or to resume. */
export interface PauseOutcome {
  readonly bucket: BucketName;
  readonly state: BucketState;
  /** Empty where nothing pauses the bucket any more. */
  readonly pausedBy: readonly PausedBy[];
  readonly message: string;
}

/** An operation that could not be applied or logged. */
export interface SetAsideItem {
  readonly key: string;
  readonly origin: string;
  readonly reason: SetAsideReason;
  readonly detail: string;
  readonly kind: OperationKind | null;
  /** `<ts> <site>`, and its time; null where the operation could not be read. */
  readonly version: string | null;
  readonly versionAt: string | null;
  readonly since: string | null;
}

export interface SetAsideList {
  readonly bucket: BucketName;
  /** Of all; the newest of them are listed. */
  readonly count: number;
  readonly operations: readonly SetAsideItem[];
}

/** Of one key, of all origins or of one; or all. */
export interface SetAsideSelection {
  readonly key: string | null;
  readonly origin: string | null;
}

/** What became of a request to release or to drop: what it was carried out for, and what not, and why. */
export interface SetAsideChange {
  readonly bucket: BucketName;
  readonly done: readonly SetAsideItem[];
  readonly refused: readonly (SetAsideItem & { readonly message: string })[];
}

export interface BucketSetAsides {
  list(): SetAsideList;
  /** Has operations tried again, whatever the reason was. KVGW_USAGE for an unknown key, KVGW_STATE_UNAVAILABLE. */
  release(selection: SetAsideSelection): Promise<SetAsideChange>;
  /** Forgets them; what a peer still has is found again by the next round. Fails as `release` does. */
  drop(selection: SetAsideSelection): Promise<SetAsideChange>;
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
