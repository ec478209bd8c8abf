/**
 * What the metrics are derived from: the part of the gateway's status that they read (its own snapshot fits, telemetry
 * need not know the gateway), the buckets' counters, and the few counts that only events carry.
 */
import type { BucketCounters } from "../core/counters.js";
import { type ErrorCode, ERROR_REMEDY } from "../core/errors.js";
import type { BucketState, GatewayEvent, PeerState } from "../core/events.js";
import type { BucketName, SiteId } from "../core/ids.js";

export interface StatusReading {
  readonly site: SiteId;
  readonly version: string;
  readonly lease: { readonly held: boolean } | null;
  readonly config: { readonly hash: string; readonly loadedAt: string; readonly lastError: string | null };
  readonly sites: Readonly<Record<SiteId, SiteReading>>;
  readonly buckets: Readonly<Record<BucketName, BucketReading>>;
}

export interface SiteReading {
  readonly connected: boolean;
  readonly clockSkewMs: number | null;
}

export interface BucketReading {
  readonly state: BucketState;
  /** Null where one gateway of the site works all buckets. */
  readonly lease: { readonly held: boolean } | null;
  readonly keys: number;
  readonly tombstones: number;
  readonly peers: Readonly<Record<SiteId, PeerReading>>;
}

export interface PeerReading {
  readonly state: PeerState;
  readonly lastHeardAt: string | null;
  readonly lagOperations: number;
  readonly lagSeconds: number;
  readonly sweepBlocked: number;
  readonly lastEqualAt: string | null;
}

export interface EventCounts {
  readonly reloads: Record<"applied" | "unchanged" | "rejected", number>;
  readonly errors: Record<ErrorCode, number>;
}

/** All that one scrape reads, taken at one moment. */
export interface Reading {
  readonly status: StatusReading;
  readonly counters: ReadonlyMap<BucketName, BucketCounters>;
  readonly events: EventCounts;
}

/** Every code stands at zero from the start, so that its first occurrence is seen as a rise. */
export function createEventCounts(): EventCounts {
  const errors = Object.fromEntries(Object.keys(ERROR_REMEDY).map((code) => [code, 0])) as Record<ErrorCode, number>;
  return { reloads: { applied: 0, unchanged: 0, rejected: 0 }, errors };
}

export function countEvent(counts: EventCounts, event: GatewayEvent): void {
  if (event.type === "config-applied") counts.reloads.applied++;
  if (event.type === "config-unchanged") counts.reloads.unchanged++;
  if (event.type === "config-rejected") counts.reloads.rejected++;
  const code = errorCodeOf(event);
  if (code !== null) counts.errors[code]++;
}

/** The error that an event tells of: its reason's code, or the one that its kind stands for. */
export function errorCodeOf(event: GatewayEvent): ErrorCode | null {
  if (event.type === "config-rejected") return "KVGW_CONFIG_INVALID";
  if (event.type === "site-disconnected") return "KVGW_UNREACHABLE";
  return "reason" in event ? (event.reason?.code ?? null) : null;
}
