/**
 * The headers of an answer: those of a fetched operation, which are the log's but for a base that may be unknown, and those
 * of a refusal. What is written is printable, since a client library may break on the rest; what is read is read strictly.
 */
import { operationKind, parseTimestamp } from "../core/codec.js";
import { type ErrorCode, GatewayError } from "../core/errors.js";
import type { Key } from "../core/ids.js";
import { NO_BYTES, type Operation } from "../core/operation.js";
import { formatVersion, parseVersion } from "../core/version.js";
import { headerLine, headerValue } from "./message.js";
import { HEADER } from "./subjects.js";

/** A part of an operation: what the headers say, and how many bytes its whole value has. */
export interface Fetched {
  /** Without its value. */
  readonly operation: Operation;
  readonly total: number;
}

/** The largest message that a NATS server can be set to take. */
const VALUE_BYTES_MAX = 64 * 1024 * 1024;

/** Says that the operation overwrote no other site's write; without the header nobody knows. */
const NO_BASE = "none";

export function operationLines({ kind, version, base, expiresUs, value }: Operation): string {
  let lines = headerLine(HEADER.version, formatVersion(version)) + headerLine(HEADER.total, value.length);
  if (base !== undefined) lines += headerLine(HEADER.base, base === null ? NO_BASE : formatVersion(base));
  if (kind === "delete") lines += headerLine(HEADER.kvOperation, "DEL");
  if (kind === "purge") lines += headerLine(HEADER.kvOperation, "PURGE");
  if (expiresUs !== null) lines += headerLine(HEADER.expires, expiresUs);
  return lines;
}

/** Null if the headers are not exactly those above. */
export function readOperation(key: Key, block: string): Fetched | null {
  const version = parseVersion(headerValue(block, HEADER.version) ?? "");
  const kind = operationKind(headerValue(block, HEADER.kvOperation));
  const total = parseTotal(headerValue(block, HEADER.total) ?? "");
  const [baseText, expiresText] = [headerValue(block, HEADER.base), headerValue(block, HEADER.expires)];
  const base = baseText === null ? undefined : baseText === NO_BASE ? null : parseVersion(baseText);
  const expiresUs = expiresText === null ? null : parseTimestamp(expiresText);
  if (version === null || kind === null || total === null || (kind !== "put" && total > 0)) return null;
  if ((base === null && baseText !== NO_BASE) || (expiresUs === null && expiresText !== null)) return null;
  return { operation: { kind, key, value: NO_BYTES, version, base, expiresUs }, total };
}

const TOTAL = /^(?:0|[1-9][0-9]{0,8})$/;

function parseTotal(text: string): number | null {
  const total = TOTAL.test(text) ? Number(text) : Number.NaN;
  return total <= VALUE_BYTES_MAX ? total : null;
}

/** As NATS services write them. */
export function refusalLines({ code, message }: GatewayError): string {
  return headerLine(HEADER.serviceError, printable(`${code} ${message}`)) + headerLine(HEADER.serviceErrorCode, "500");
}

/** What the other side could not do, as a failure of the question; null if the answer is none. */
export function readRefusal(block: string, where: string): GatewayError | null {
  const text = headerValue(block, HEADER.serviceError);
  if (text === null) return null;
  const code = KEPT.find((kept) => text.startsWith(`${kept} `)) ?? "KVGW_UNREACHABLE";
  return new GatewayError(code, `${where}: it answers: ${printable(text)}; retried`);
}

/** A peer's own trouble is not ours: whatever else it is, the peer cannot be asked. */
const KEPT: readonly ErrorCode[] = ["KVGW_TIMEOUT", "KVGW_ANSWER_UNREADABLE"];

const REFUSAL_LENGTH_MAX = 200;

const printable = (text: string): string => text.slice(0, REFUSAL_LENGTH_MAX).replace(/[^\x20-\x7e]+/g, " ");
