/**
 * Values as messages may repeat them: short, without secrets, and as they stand in the file rather than as the
 * environment made them.
 */
import { namesVariable } from "./environment.js";

const SHOWN_LENGTH_MAX = 60;

/** Settings whose value is never repeated, not even where it is wrong. */
const SECRET_SETTINGS: ReadonlySet<string | number> = new Set(["password", "token", "nkeySeed"]);

/** `setting` is the last name on the way to the value. */
export function showValue(value: unknown, written: unknown, setting: string | number | undefined): string {
  if (setting !== undefined && SECRET_SETTINGS.has(setting)) return "a value that is not shown";
  if (typeof value === "string") {
    return namesVariable(written) ? `what ${showText(String(written))} gives` : showText(value);
  }
  if (value === null || value === undefined) return "nothing";
  if (typeof value === "number" || typeof value === "bigint") return `the number ${value}`;
  if (typeof value === "boolean") return String(value);
  return Array.isArray(value) ? "a list" : "a map";
}

/** In quotes, shortened, and without the login that an address may hold. */
export function showText(text: string): string {
  const safe = withoutLogin(text);
  return JSON.stringify(safe.length > SHOWN_LENGTH_MAX ? `${safe.slice(0, SHOWN_LENGTH_MAX)}…` : safe);
}

/** `nats://user:password@host` becomes `nats://***@host`, however badly it is written; texts without `@` stay. */
export function withoutLogin(text: string): string {
  return text.replace(/^([a-z]+:\/\/)?.*@/s, "$1***@");
}
