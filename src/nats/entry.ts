/**
 * A message of a bucket as an entry: the one place that knows what NATS KV messages mean.
 *
 *     KV-Operation absent        put            Kvgw-Version           a gateway wrote it
 *     KV-Operation: DEL          delete         Nats-Marker-Reason     the server removed it, which is not a write
 *     KV-Operation: PURGE        purge          Nats-TTL               the message carries its own deadline
 *                                               Kvgw-Expires           the deadline that it has at its origin
 */
import { operationKind, parseTimestamp } from "../core/codec.js";
import { TIMESTAMP_US_MAX } from "../core/limits.js";
import { type Entry, type EntryKind, nanosToMicros } from "../core/operation.js";
import { parseVersion } from "../core/version.js";
import { headerValue } from "./message.js";
import { HEADER } from "./subjects.js";

export interface EntryContext {
  /** The bucket's own maximum age in microseconds, 0 without one. NATS counts nanoseconds, so it may have a fraction. */
  readonly maxAgeUs: number;
  /** Whether the bucket lets a message have its own time to live. Elsewhere the header has no effect: nothing ends by it. */
  readonly messageTtl: boolean;
  /** Added to every server timestamp: zero in production, the tests' way to a site whose clock is wrong. */
  readonly clockOffsetUs: number;
}

export interface StoredMessage {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: number;
  readonly timestampNs: string;
  /** Header block as text, empty without headers. */
  readonly block: string;
}

export function toEntry(message: StoredMessage, context: EntryContext): Entry {
  const { key, value, revision, timestampNs, block } = message;
  const timestampUs = nanosToMicros(timestampNs) + context.clockOffsetUs;
  if (block === "") {
    const expiresUs = serversDeadline(timestampUs, null, context);
    return { kind: "put", key, value, revision, timestampUs, timestampNs, version: null, expiresUs };
  }
  const versionText = headerValue(block, HEADER.version);
  const version = versionText === null ? null : parseVersion(versionText);
  const origins = version === null ? null : parseTimestamp(headerValue(block, HEADER.expires) ?? "");
  const expiresUs = origins ?? serversDeadline(timestampUs, headerValue(block, HEADER.ttl), context);
  return { kind: entryKind(block), key, value, revision, timestampUs, timestampNs, version, expiresUs };
}

function entryKind(block: string): EntryKind {
  if (headerValue(block, HEADER.markerReason) !== null) return "expired";
  // An operation that no KV client writes leaves a message with a value: to its readers it is a put.
  return operationKind(headerValue(block, HEADER.kvOperation)) ?? "put";
}

/** When the server ends the entry: by its own time to live or by the bucket's age, whichever is sooner. Whole microseconds,
 *  or null: a deadline beyond all timestamps is none. */
function serversDeadline(timestampUs: number, ttl: string | null, { maxAgeUs, messageTtl }: EntryContext): number | null {
  if (messageTtl && ttl === TTL_NEVER) return null;
  const ownUs = (ttl === null || !messageTtl ? null : parseTtl(ttl)) ?? Infinity;
  const expiresUs = Math.round(timestampUs + Math.min(ownUs, maxAgeUs > 0 ? maxAgeUs : Infinity));
  return expiresUs <= TIMESTAMP_US_MAX ? expiresUs : null;
}

/** What a message says that is to outlive its bucket's age. */
export const TTL_NEVER = "never";

const UNIT_US: Readonly<Record<string, number>> = { h: 3_600e6, m: 60e6, s: 1e6, ms: 1e3, us: 1, "µs": 1, ns: 1e-3 };

/** `Nats-TTL`: whole seconds, or a Go duration such as `1h30m`; `never` and anything unreadable is no deadline. */
export function parseTtl(text: string): number | null {
  if (/^[0-9]{1,12}$/.test(text)) return Number(text) > 0 ? Number(text) * 1e6 : null;
  if (!/^(?:[0-9]+(?:\.[0-9]+)?(?:h|ms|m|us|µs|ns|s))+$/.test(text)) return null;
  let sum = 0;
  for (const [, amount = "", unit = ""] of text.matchAll(/([0-9.]+)(h|ms|m|us|µs|ns|s)/g)) {
    sum += Number(amount) * (UNIT_US[unit] ?? 0);
  }
  return sum > 0 ? Math.round(sum) : null;
}
