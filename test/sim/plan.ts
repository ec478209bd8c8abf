/**
 * One run as data: what runs where, what applications write when, what goes wrong when. A plan is drawn from a seed, and
 * can be made smaller without drawing again; together with its seed it decides everything.
 */
import type { WriteKind } from "./history.js";

export interface BucketPlan {
  readonly name: string;
  readonly sites: readonly string[];
  readonly history: number;
  readonly format: "raw" | "json";
  readonly messageTtl: boolean;
  readonly markers: boolean;
  readonly maxAgeMs: number;
  /** `local`, or the site at which all its logs lie. */
  readonly log: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly inFlight: number;
  readonly tombstoneTtl: string;
  readonly reconcileInterval: string;
  readonly opsPerSecond: number;
}

/** Milliseconds that a message takes. */
export interface Delay {
  readonly minMs: number;
  readonly maxMs: number;
}

export interface Mix {
  readonly sites: readonly string[];
  readonly buckets: readonly BucketPlan[];
  /** How long faults and writes go on. */
  readonly lengthMs: number;
  readonly localDelay: Delay;
  readonly remoteDelay: Delay;
  /** How long servers take at most until they look what they have for a consumer. */
  readonly consumerLagMs: number;
  /** How long they take at most from storing a write to answering. */
  readonly answerLagMs: number;
  /** Share of writes and requests that never arrive, and of answers. */
  readonly lostRequests: number;
  readonly lostAnswers: number;
  /** Share of requests that arrive although the connection broke. */
  readonly arrivesAfterCut: number;
  /** By how much each site's clock is wrong at the start, and each gateway's host beside its server's. */
  readonly skewMs: Readonly<Record<string, number>>;
  readonly hostSkewMs: Readonly<Record<string, number>>;
  /** When each site's gateway is started for the first time. */
  readonly startMs: Readonly<Record<string, number>>;
  /** Share of the applied operations to which an application at that site answers with a write of the same key. */
  readonly reactions: number;
  readonly onlyBucketFaults: boolean;
  /** Whether a site's gateways share its lease: without it every one of them works, whoever else does. */
  readonly lease: boolean;
  /** Whether they share its buckets, where they respect the lease. */
  readonly sharing: boolean;
}

export interface ClientWrite {
  readonly op: number;
  readonly atMs: number;
  readonly site: string;
  readonly bucket: string;
  readonly key: string;
  readonly kind: WriteKind;
  readonly value: string;
  readonly ttlS: number | null;
  /** A client's update at the revision that it read last, or at an older one; a create; or plain. */
  readonly condition: "none" | "current" | "stale" | "create";
}

/** A fault of some kind, with all that any kind may want to know. */
export interface PlannedFault {
  readonly kind: string;
  readonly atMs: number;
  readonly site: string;
  readonly other: string;
  readonly bucket: string;
  readonly lastsMs: number;
  /** Uniform in [0, 1), for whatever the kind has to choose. */
  readonly choice: number;
  readonly amount: number;
}

/** Losses happen only outside of these times, and no fault begins in them. */
export interface QuietTime {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Plan {
  readonly seed: number;
  readonly mix: Mix;
  readonly quiet: readonly QuietTime[];
  readonly writes: readonly ClientWrite[];
  readonly faults: readonly PlannedFault[];
}
