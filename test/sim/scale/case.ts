/** One measurement as data: how many sites, joined how, holding what; and what came of it. */
import type { Delay } from "../plan.js";

/** `mesh`: each site reads each other one's log where it stands. `hub`: all logs lie at one place that has no gateway. */
export type Topology = "mesh" | "hub";

export interface ScaleCase {
  readonly topology: Topology;
  readonly sites: number;
  readonly buckets: number;
  /** Per bucket. */
  readonly keys: number;
  /** In all buckets together, one after the other, each at the next site. */
  readonly writes: number;
  readonly writeEveryMs: number;
  /** How long a message takes to the own server, and to any other. */
  readonly localDelay: Delay;
  readonly linkDelay: Delay;
  readonly idleMs: number;
  /** Sites that are cut off from all others for a while, during which all go on writing. */
  readonly away: number;
  readonly awayMs: number;
  readonly reconcileInterval: string;
}

/** By name, in all sites together. */
export type Counts = Readonly<Record<string, number>>;

/** A part of the run: what was counted in it, and what it took. */
export interface Part {
  readonly virtualMs: number;
  readonly cpuMs: number;
  readonly counts: Counts;
}

export interface Spread {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface ScaleResult {
  readonly of: ScaleCase;
  /** Until every bucket is live and reads every peer, and until every pair has proved itself equal. */
  readonly start: Part & { readonly liveMs: number; readonly provedMs: number };
  /** From the last write until every site holds every value; of each write, until the last site holds it. */
  readonly write: Part & { readonly operations: number; readonly convergeMs: number; readonly operationMs: Spread };
  readonly idle: Part;
  /** From the moment at which all can be reached again until all are equal, and until each pair that was apart has proved it. */
  readonly back: Part & { readonly operations: number; readonly convergeMs: number; readonly provedMs: number };
  readonly cpuMs: number;
  /** After a collection, at rest. */
  readonly heapBytes: number;
  readonly rssBytes: number;
  readonly rssMaxBytes: number;
  /** At the end, by comparing all that is stored. */
  readonly equal: boolean;
}
