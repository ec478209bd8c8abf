/** The types of figures.mjs: the tests, which are TypeScript, import it through these. */

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Milliseconds. */
export interface Latencies {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export function percentile(ascending: readonly number[], share: number): number;
export function spread(values: readonly number[]): Spread;
export function latencies(milliseconds: readonly number[]): Latencies;
export function ratio(values: readonly number[], base: readonly number[]): Spread | null;
export function rounded(value: number, digits: number): number;
