/** Numbers, times and foreign text as people read them. Pure. */

/** `1 key`, `2 keys`. */
export const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`;

/** Text from servers and peers: control characters would otherwise speak to the terminal itself. */
export function printable(text: string): string {
  const hex = (character: string) => character.charCodeAt(0).toString(16).padStart(2, "0");
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => `\\x${hex(character)}`);
}

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

/** `3 min ago`, `just now`; `never` for null, and the text itself if it is no time. */
export function formatAgo(iso: string | null, nowMs: number): string {
  if (iso === null || iso === "") return "never";
  const seconds = Math.floor((nowMs - Date.parse(iso)) / 1_000);
  if (Number.isNaN(seconds)) return printable(iso);
  return seconds < 1 ? "just now" : `${formatSeconds(seconds)} ago`;
}

/** `4 ms`, `1.2 s`. */
export const formatMs = (ms: number): string => (ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`);
