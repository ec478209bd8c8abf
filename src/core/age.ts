/** Durations and ages as people read them. Pure. */

const UNITS: readonly (readonly [seconds: number, name: string])[] = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
];

/** `0.4 s`, `12 s`, `3 min`, `5 h`, `2 d`: the largest unit, rounded down. */
export function formatSeconds(seconds: number): string {
  const unit = UNITS.find(([size]) => seconds >= size);
  if (unit !== undefined) return `${Math.floor(seconds / unit[0])} ${unit[1]}`;
  return seconds >= 10 || Number.isInteger(seconds) ? `${Math.floor(seconds)} s` : `${seconds.toFixed(1)} s`;
}

/** `3 min ago`, `just now`; `never` for null or nothing, and the text itself if it is no time. */
export function ageOf(iso: string | null, nowMs: number): string {
  if (iso === null || iso === "") return "never";
  const seconds = Math.floor((nowMs - Date.parse(iso)) / 1_000);
  if (Number.isNaN(seconds)) return iso;
  return seconds < 1 ? "just now" : `${formatSeconds(seconds)} ago`;
}
