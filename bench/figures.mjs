/**
 * What is said about many measured values: percentiles, the median with its extremes, and how two subjects compare.
 * Pure. Nothing is interpolated: every figure is a value that was measured, except the median of an even number of them.
 */

/** @import { Latencies, Spread } from "./figures.mjs" */

/**
 * The nearest rank: the smallest value that at least this share of all values does not exceed.
 * @param {readonly number[]} ascending
 * @param {number} share from 0 to 1
 */
export function percentile(ascending, share) {
  const rank = Math.max(1, Math.ceil(share * ascending.length));
  const value = ascending[rank - 1];
  if (value === undefined) throw new Error("there is no percentile of nothing: measure at least one value first");
  return value;
}

/**
 * @param {readonly number[]} values
 * @returns {Spread}
 */
export function spread(values) {
  const ascending = sorted(values);
  const lower = percentile(ascending, 0.5);
  const upper = ascending[Math.floor(ascending.length / 2)] ?? lower;
  return { median: (lower + upper) / 2, min: percentile(ascending, 0), max: percentile(ascending, 1) };
}

/**
 * @param {readonly number[]} milliseconds
 * @returns {Latencies}
 */
export function latencies(milliseconds) {
  const ascending = sorted(milliseconds);
  const at = (/** @type {number} */ share) => rounded(percentile(ascending, share), 3);
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

/**
 * How the first compares with the second, where values with the same index were measured one after the other: the
 * ratio of the medians, and the extremes over the pairs. Null where nothing can be compared.
 * @param {readonly number[]} values
 * @param {readonly number[]} base
 * @returns {Spread | null}
 */
export function ratio(values, base) {
  const pairs = Math.min(values.length, base.length);
  if (pairs === 0 || base.some((value) => value === 0)) return null;
  const each = spread(Array.from({ length: pairs }, (_, n) => (values[n] ?? 0) / (base[n] ?? 1)));
  const ofMedians = spread(values).median / spread(base).median;
  // With few pairs the ratio of medians can lie outside of all of them; the range must hold what stands before it.
  const [min, max] = [Math.min(each.min, ofMedians), Math.max(each.max, ofMedians)];
  return { median: rounded(ofMedians, 3), min: rounded(min, 3), max: rounded(max, 3) };
}

/**
 * @param {number} value
 * @param {number} digits
 */
export function rounded(value, digits) {
  return Number(value.toFixed(digits));
}

/** @param {readonly number[]} values */
function sorted(values) {
  return [...values].sort((a, b) => a - b);
}
