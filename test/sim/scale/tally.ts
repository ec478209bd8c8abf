/** Counts what happens in all sites of a run together, and what happened since an earlier look. */
import type { Counts } from "./case.js";

export interface Tally {
  count(name: string, by?: number): void;
  /** As of now. */
  counts(): Counts;
}

export function createTally(): Tally {
  const counts = new Map<string, number>();
  return {
    count: (name, by = 1) => void counts.set(name, (counts.get(name) ?? 0) + by),
    counts: () => Object.fromEntries(counts),
  };
}

export const since = (before: Counts, now: Counts): Counts =>
  Object.fromEntries(
    Object.entries(now)
      .map(([name, count]) => [name, count - (before[name] ?? 0)] as const)
      .filter(([, count]) => count > 0)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
