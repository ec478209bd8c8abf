/** The headers of a fetched operation: those of the log, but for a base that may be unknown. */
import { operationKind, parseTimestamp } from "../core/codec.js";
import type { Key } from "../core/ids.js";
import { NO_BYTES, type Operation } from "../core/operation.js";
import { formatVersion, parseVersion } from "../core/version.js";
import { headerLine, headerValue } from "./message.js";
import { HEADER } from "./subjects.js";

/** Says that the operation overwrote no other site's write; without the header nobody knows. */
const NO_BASE = "none";

export function operationLines({ kind, version, base, expiresUs }: Operation): string {
  let lines = headerLine(HEADER.version, formatVersion(version));
  if (base !== undefined) lines += headerLine(HEADER.base, base === null ? NO_BASE : formatVersion(base));
  if (kind === "delete") lines += headerLine(HEADER.kvOperation, "DEL");
  if (kind === "purge") lines += headerLine(HEADER.kvOperation, "PURGE");
  if (expiresUs !== null) lines += headerLine(HEADER.expires, expiresUs);
  return lines;
}

/** The operation without its value, null if the headers are not exactly those above. */
export function readOperation(key: Key, block: string): Operation | null {
  const version = parseVersion(headerValue(block, HEADER.version) ?? "");
  const kind = operationKind(headerValue(block, HEADER.kvOperation));
  const [baseText, expiresText] = [headerValue(block, HEADER.base), headerValue(block, HEADER.expires)];
  const base = baseText === null ? undefined : baseText === NO_BASE ? null : parseVersion(baseText);
  const expiresUs = expiresText === null ? null : parseTimestamp(expiresText);
  if (version === null || kind === null) return null;
  if ((base === null && baseText !== NO_BASE) || (expiresUs === null && expiresText !== null)) return null;
  return { kind, key, value: NO_BYTES, version, base, expiresUs };
}
