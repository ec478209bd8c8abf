/**
 * Operations as named fields and bytes, without knowing what carries them. Reading refuses whatever is not exactly
 * right and says why: the bytes may come from anybody.
 *
 * `format: json` is the replication lab's own form, `{op, bucket, key, value, ts, node_id}`, so that a simple agent in
 * any language can join: our headers count where they are present, the JSON fields where they are not.
 */
import { parseSiteId } from "./ids.js";
import { type EntryIdentity, NO_BYTES, type Operation, type OperationKind } from "./operation.js";
import { type Result, err, ok } from "./result.js";
import { type Version, isTimestamp } from "./version.js";

/** `1730542200000000000 42 1730542200123456789`: bucket's creation, revision, server timestamp. */
export const formatIdentity = (id: EntryIdentity): string => `${id.bucketCreated} ${id.revision} ${id.timestampNs}`;

const IDENTITY = /^([0-9]{1,19}) ([1-9][0-9]{0,15}) ([0-9]{1,19})$/;

export function parseIdentity(text: string): EntryIdentity | null {
  const parts = IDENTITY.exec(text);
  if (parts === null) return null;
  const [, bucketCreated = "", revision = "", timestampNs = ""] = parts;
  return Number.isSafeInteger(Number(revision)) ? { bucketCreated, revision: Number(revision), timestampNs } : null;
}

const DIGITS = /^[1-9][0-9]{0,15}$/;

/** Microseconds since the epoch, null if the text is anything else. */
export function parseTimestamp(text: string): number | null {
  const ts = DIGITS.test(text) ? Number(text) : Number.NaN;
  return isTimestamp(ts) ? ts : null;
}

export function operationKind(kvOperation: string | null): OperationKind | null {
  if (kvOperation === null || kvOperation === "PUT") return "put";
  if (kvOperation === "DEL") return "delete";
  return kvOperation === "PURGE" ? "purge" : null;
}

interface LabJson {
  readonly op: string;
  readonly bucket: string;
  readonly key: string;
  readonly value?: string;
  readonly value_base64?: string;
  readonly ts: number;
  readonly node_id: string;
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const utf8 = new TextEncoder();

export function encodeJson(operation: Operation, bucket: string): Uint8Array {
  const { kind, key, value, version } = operation;
  const op = kind === "put" ? "put" : kind;
  const document: LabJson = { op, bucket, key, ...valueFields(kind, value), ts: version.ts, node_id: version.site };
  return utf8.encode(JSON.stringify(document));
}

function valueFields(kind: OperationKind, value: Uint8Array): { value?: string; value_base64?: string } {
  if (kind !== "put") return {};
  try {
    return { value: strictUtf8.decode(value) };
  } catch {
    return { value_base64: toBase64(value) };
  }
}

/** What the lab's JSON says; the caller lets our headers override `version` where they are present. */
export interface JsonOperation {
  readonly kind: OperationKind;
  readonly key: string;
  readonly bucket: string;
  readonly value: Uint8Array;
  readonly version: Version;
}

export function decodeJson(bytes: Uint8Array): Result<JsonOperation, string> {
  let document: unknown;
  try {
    document = JSON.parse(strictUtf8.decode(bytes));
  } catch {
    return err("payload is not JSON");
  }
  if (typeof document !== "object" || document === null || Array.isArray(document)) return err("payload is not a JSON object");
  const { op, bucket, key, ts, node_id, value, value_base64 } = document as Record<string, unknown>;
  const kind = op === "put" || op === "delete" || op === "purge" ? op : op === "del" ? "delete" : null;
  if (kind === null) return err("op is not put, delete or purge");
  if (typeof bucket !== "string" || typeof key !== "string") return err("bucket and key must be strings");
  const site = typeof node_id === "string" ? parseSiteId(node_id) : err("missing");
  if (!site.ok) return err("node_id is not a site name");
  const microseconds = typeof ts === "number" ? toMicroseconds(ts) : null;
  if (microseconds === null) return err("ts is not a positive integer within bounds");
  const bytesOfValue = kind === "put" ? valueBytes(value, value_base64) : NO_BYTES;
  if (bytesOfValue === null) return err("put needs value (text) or value_base64");
  return ok({ kind, key, bucket, value: bytesOfValue, version: { ts: microseconds, site: site.value } });
}

function valueBytes(value: unknown, base64: unknown): Uint8Array | null {
  if (typeof value === "string" && base64 === undefined) return utf8.encode(value);
  return typeof base64 === "string" && value === undefined ? fromBase64(base64) : null;
}

/** The lab writes seconds, many languages milliseconds. The three ranges do not meet from the year 1973 to the last one
 *  that a version can name, and the rule is the same at every site. */
function toMicroseconds(ts: number): number | null {
  const microseconds = ts < 1e11 ? ts * 1e6 : ts < 1e14 ? ts * 1e3 : ts;
  return isTimestamp(ts) && isTimestamp(microseconds) ? microseconds : null;
}

function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function fromBase64(text: string): Uint8Array | null {
  if (!BASE64.test(text)) return null;
  const binary = atob(text);
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

