/**
 * An operation as a message of an operation log, both ways. Only headers of ours and `KV-Operation` cross sites.
 *
 *     Kvgw-Version: <ts> <site>               Kvgw-Base: <ts> <site>
 *     Kvgw-Revision: <bucket created> <revision> <timestamp ns>
 *     Kvgw-Expires: <µs>                      KV-Operation: DEL | PURGE
 */
import { decodeJson, encodeJson, formatIdentity, operationKind, parseIdentity, parseTimestamp } from "../core/codec.js";
import { type Key, type SiteId, isKey } from "../core/ids.js";
import { type EntryIdentity, type LoggedOperation, NO_BYTES, type Operation, type OperationKind } from "../core/operation.js";
import type { ExpectedSequences, SetAsideReason } from "../core/ports.js";
import { type Result, err, ok } from "../core/result.js";
import { type Version, formatVersion, parseVersion } from "../core/version.js";
import { type ReadyHeaders, headerLine, headerValue, readyHeaders } from "./message.js";
import { HEADER } from "./subjects.js";

export type LogFormat = "raw" | "json";

export const logPayload = (operation: Operation, format: LogFormat, bucket: string): Uint8Array =>
  format === "json" ? encodeJson(operation, bucket) : operation.value;

export function logHeaders(operation: Operation, identity: EntryIdentity, expected: ExpectedSequences): ReadyHeaders {
  const { version, base, kind, expiresUs } = operation;
  let lines = headerLine(HEADER.version, formatVersion(version)) + headerLine(HEADER.revision, formatIdentity(identity));
  if (base !== null && base !== undefined) lines += headerLine(HEADER.base, formatVersion(base));
  if (kind === "delete") lines += headerLine(HEADER.kvOperation, "DEL");
  if (kind === "purge") lines += headerLine(HEADER.kvOperation, "PURGE");
  if (expiresUs !== null) lines += headerLine(HEADER.expires, expiresUs);
  lines += headerLine(HEADER.expectedSequence, expected.last);
  return readyHeaders(lines + headerLine(HEADER.expectedSubjectSequence, expected.key));
}

export interface LogMessage {
  readonly key: string;
  readonly block: string;
  readonly payload: Uint8Array;
  readonly sequence: number;
}

export interface Refusal {
  readonly reason: SetAsideReason;
  readonly detail: string;
}

export interface LogContext {
  readonly origin: SiteId;
  readonly bucket: string;
  readonly format: LogFormat;
  /** A scan asks for headers only. */
  readonly headersOnly: boolean;
}

export function readLogMessage(message: LogMessage, context: LogContext): Result<LoggedOperation, Refusal> {
  const { key, block, sequence } = message;
  if (!isKey(key)) return refuse("invalid_key", "the key is not one that NATS KV allows");
  const content = context.format === "json" ? readJson(message, context) : readRaw(message);
  if (!content.ok) return content;
  const { kind, value, version } = content.value;
  if (version.site !== context.origin) return refuse("foreign_origin", `a version of ${version.site} in this log`);
  const base = optional(block, HEADER.base, parseVersion);
  const expiresUs = optional(block, HEADER.expires, parseTimestamp);
  const identity = optional(block, HEADER.revision, parseIdentity);
  if (base === undefined) return refuse("malformed", "a Kvgw-Base that is not a version");
  if (expiresUs === undefined) return refuse("malformed", "a Kvgw-Expires that is not a time");
  if (identity === undefined) return refuse("malformed", "a Kvgw-Revision that is not a bucket, revision and time");
  return ok({ operation: { kind, key, value, version, base, expiresUs }, sequence, identity });
}

interface Content {
  readonly kind: OperationKind;
  readonly value: Uint8Array;
  readonly version: Version;
}

function readRaw({ block, payload }: LogMessage): Result<Content, Refusal> {
  const version = parseVersion(headerValue(block, HEADER.version) ?? "");
  if (version === null) return refuse("malformed", "no valid Kvgw-Version");
  const kind = operationKind(headerValue(block, HEADER.kvOperation));
  if (kind === null) return refuse("malformed", "an unknown KV-Operation");
  return ok({ kind, version, value: kind === "put" ? payload : NO_BYTES });
}

function readJson(message: LogMessage, context: LogContext): Result<Content, Refusal> {
  const headerVersion = optional(message.block, HEADER.version, parseVersion);
  if (headerVersion === undefined) return refuse("malformed", "no valid Kvgw-Version");
  if (context.headersOnly && headerVersion !== null) return readRaw(message);
  const decoded = decodeJson(message.payload);
  if (!decoded.ok) return refuse("malformed", decoded.error);
  const { key, bucket, kind, value, version } = decoded.value;
  if (key !== (message.key as Key)) return refuse("malformed", "subject and payload name different keys");
  if (bucket !== context.bucket) return refuse("foreign_bucket", "the payload names another bucket");
  return ok({ kind, value, version: headerVersion ?? version });
}

/** Null if the header is absent, undefined if it is there and cannot be read. */
function optional<T>(block: string, name: string, parse: (text: string) => T | null): T | null | undefined {
  const text = headerValue(block, name);
  return text === null ? null : (parse(text) ?? undefined);
}

const refuse = (reason: SetAsideReason, detail: string) => err<Refusal>({ reason, detail });
