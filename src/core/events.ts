/**
 * Everything worth telling, as one closed union. Logs are derived from it in one file, tests assert on it. Events are
 * for what changes, not for each operation: what flows is counted (`core/counters.ts`).
 */
import type { ErrorCode } from "./errors.js";
import type { BucketName, SiteId } from "./ids.js";
import type { SetAside } from "./ports.js";

export type BucketState = "starting" | "live" | "degraded" | "paused" | "parked" | "stopped";
export type PeerState = "starting" | "live" | "degraded";

export interface Reason {
  readonly code: ErrorCode;
  readonly message: string;
}

export type GatewayEvent =
  | { readonly type: "gateway-started"; readonly site: SiteId; readonly version: string; readonly buckets: number }
  | { readonly type: "gateway-stopping"; readonly signal: string }
  | { readonly type: "gateway-stopped" }
  /** It has stopped, and something keeps its process: kinds of resources, as Node names them. */
  | { readonly type: "process-held"; readonly by: readonly string[] }
  | {
      readonly type: "config-applied";
      readonly hash: string;
      readonly started: readonly BucketName[];
      readonly stopped: readonly BucketName[];
      readonly restarted: readonly BucketName[];
      readonly updated: readonly BucketName[];
      readonly kept: number;
    }
  | {
      /** `held`: this gateway works · `waiting`: another one does · `lost`: another one does by now · `unknown`: the site's
       *  state cannot say. */
      readonly type: "lease";
      readonly state: "held" | "waiting" | "lost" | "unknown";
      /** For people. Null where nobody holds it. */
      readonly holder: string | null;
      readonly reason: Reason | null;
    }
  | {
      /** Which gateways share the site's buckets · `unknown`: the site's state cannot say, they go on as before. */
      readonly type: "sharing";
      readonly state: "known" | "unknown";
      /** For people. */
      readonly members: readonly string[];
      readonly reason: Reason | null;
    }
  | { readonly type: "config-unchanged"; readonly hash: string }
  | { readonly type: "config-rejected"; readonly problems: readonly string[] }
  | { readonly type: "site-connected"; readonly peer: SiteId; readonly server: string }
  | { readonly type: "site-disconnected"; readonly peer: SiteId; readonly message: string }
  | { readonly type: "bucket-state"; readonly bucket: BucketName; readonly state: BucketState; readonly reason: Reason | null }
  | {
      readonly type: "bucket-retry";
      readonly bucket: BucketName;
      readonly reason: Reason;
      readonly delayMs: number;
    }
  | { readonly type: "bucket-removed"; readonly bucket: BucketName }
  | {
      readonly type: "peer-state";
      readonly bucket: BucketName;
      readonly peer: SiteId;
      readonly state: PeerState;
      readonly reason: Reason | null;
    }
  /** What belongs to the bucket is on fewer servers than the bucket, and is away when one of them is. */
  | { readonly type: "few-replicas"; readonly bucket: BucketName; readonly of: string; readonly replicas: number; readonly wanted: number }
  | { readonly type: "log-resumed"; readonly bucket: BucketName; readonly sequence: number; readonly resent: number }
  | { readonly type: "checkpoint-reset"; readonly bucket: BucketName; readonly peer: SiteId; readonly why: string }
  /** A peer, or this site itself, remembers more of this site's bucket than there is; and when all peers have been compared with. */
  | { readonly type: "rejoining"; readonly bucket: BucketName; readonly by: SiteId }
  | { readonly type: "rejoined"; readonly bucket: BucketName; readonly ghosts: number }
  /** Values that have gone from the bucket without a delete. */
  | { readonly type: "vanished"; readonly bucket: BucketName; readonly keys: number }
  | { readonly type: "restored"; readonly bucket: BucketName; readonly keys: number }
  | { readonly type: "relogged"; readonly bucket: BucketName; readonly keys: number }
  | {
      readonly type: "clock-skew";
      readonly bucket: BucketName;
      readonly peer: SiteId;
      /** By how much the peer's clock is ahead. */
      readonly skewMs: number;
      /** False when the two agree again. */
      readonly isWrong: boolean;
    }
  | {
      readonly type: "reconciled";
      readonly bucket: BucketName;
      readonly peer: SiteId;
      /** Null for a round that came to its end. */
      readonly reason: Reason | null;
      readonly repaired: number;
    }
  /** Once for a failure that goes on, and once, without a reason, for its end. */
  | { readonly type: "sweep"; readonly bucket: BucketName; readonly reason: Reason | null }
  | { readonly type: "bug"; readonly reason: Reason }
  | { readonly type: "set-aside"; readonly bucket: BucketName; readonly setAside: SetAside };

export type Observe = (event: GatewayEvent) => void;
