/** Which versions only a clock can have stamped that was further ahead than any that is merely wrong. */
import type { Version } from "./wire.js";

const HALF_A_DAY_US = 43_200_000_000;
const HOUR_AND_A_HALF_US = 5_400_000_000;
/** Less than the clock guard of the runs allows. */
const GUARD_US = 9_000_000_000;

export interface Clocks {
  /** Days ahead of all that happens in the run: such a version must be replaced by another one in the end. */
  isFar(version: Version | null): boolean;
  /** Whether the clock guard may have replaced the first by the second: nothing else lowers a version. */
  isBroughtDown(first: Version, second: Version): boolean;
  /** Above this a clock must have been far ahead, at a time of the run. */
  farFrom(ms: number): number;
}

/** @param beganMs when the run began, since the epoch */
export function createClocks(beganMs: number): Clocks {
  const isFar = (version: Version | null) => version !== null && version.ts > beganMs * 1_000 + HALF_A_DAY_US;
  return {
    isFar,
    isBroughtDown: (first, second) => isFar(first) || first.ts - second.ts > GUARD_US,
    farFrom: (ms) => (beganMs + ms) * 1_000 + HOUR_AND_A_HALF_US,
  };
}
