/** The types of plan.mjs: the tests, which are TypeScript, import it through these. */

export interface Scale {
  readonly backlogKeys: number;
  readonly streamWrites: number;
  readonly streamKeys: number;
  readonly latencySeconds: number;
  /** Sizes of W4, W5 and W6: each is measured. */
  readonly reconciledKeys: readonly number[];
  readonly startKeys: readonly number[];
  readonly idleBuckets: readonly number[];
  readonly idleSeconds: number;
  readonly repetitions: number;
}

export interface Load {
  readonly writes: number;
  readonly keys: number;
  readonly valueBytes: number;
}

/** One run of one subject. */
export interface Measurement {
  readonly workload: string;
  readonly valueBytes: number;
  /** Keys or buckets, 0 where the workload has one size. */
  readonly size: number;
  readonly subject: string;
  readonly repetition: number;
}

export interface Choice {
  readonly workloads: readonly string[];
  readonly subjects: readonly string[];
  readonly repetitions: number;
  readonly scale: Scale;
}

export const PRODUCT: string;
export const WORKLOADS: readonly string[];
export const PEERS: readonly string[];
export const SUBJECTS: readonly string[];
export const SCALES: Readonly<Record<"full" | "quick", Scale>>;

export function measurements(choice: Choice): Measurement[];
export function keyOf(number: number): string;
export function keysOfWrites(load: Load): Uint32Array;
export function valuesOfWrites(load: Load): (write: number) => Buffer;
export function numberOfValue(value: Uint8Array): number;
export function contentsAfter(load: Load): Map<string, Buffer>;
