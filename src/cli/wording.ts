/** Numbers, times and foreign text as people read them. Pure. */
import { ageOf } from "../core/age.js";

/** `1 key`, `2 keys`. */
export const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`;

/** Text from servers and peers: control characters would otherwise speak to the terminal itself. */
export function printable(text: string): string {
  const hex = (character: string) => character.charCodeAt(0).toString(16).padStart(2, "0");
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => `\\x${hex(character)}`);
}

/** `3 min ago`, `just now`, `never`. */
export const formatAgo = (iso: string | null, nowMs: number): string => printable(ageOf(iso, nowMs));

/** `4 ms`, `1.2 s`. */
export const formatMs = (ms: number): string => (ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`);

/** Microseconds since the epoch as an ISO time, to the microsecond. */
export const formatMicros = (us: number): string =>
  new Date(Math.floor(us / 1_000)).toISOString().replace("Z", `${String(us % 1_000).padStart(3, "0")}Z`);
