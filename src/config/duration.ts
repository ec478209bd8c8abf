/**
 * Durations of the config: a whole number and a unit, such as `250ms 30s 5m 24h 7d`. Reading and writing are inverse.
 */

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
] as const;

const DURATION = /^([0-9]{1,9})(ms|s|m|h|d)$/;

/** Milliseconds; null if the text is no duration. */
export function parseDuration(text: string): number | null {
  const match = DURATION.exec(text);
  const unit = UNITS.find(([name]) => name === match?.[2]);
  return unit === undefined ? null : Number(match?.[1]) * unit[1];
}

/** The largest unit that says it exactly: 86,400,000 ms is `1d`, 90,000 ms is `90s`. */
export function formatDuration(ms: number): string {
  const [name, size] = UNITS.find(([, unitMs]) => ms > 0 && ms % unitMs === 0) ?? ["ms", 1];
  return `${ms / size}${name}`;
}
