/** How an operation is written into a bucket: the headers that make it one, and what the server's answer means. */
import type { Operation } from "../core/operation.js";
import type { WriteOutcome } from "../core/ports.js";
import { formatVersion } from "../core/version.js";
import { type EntryContext, TTL_NEVER } from "./entry.js";
import { API_ERROR, apiFailure, notStored } from "./failure.js";
import { type ReadyHeaders, headerLine, readyHeaders } from "./message.js";
import type { Answer } from "./publisher.js";
import { HEADER } from "./subjects.js";

/** What of a bucket's settings changes how it is written. */
export interface WriteSettings extends Pick<EntryContext, "messageTtl" | "maxAgeUs"> {
  /** Revisions kept per key. */
  readonly history: number;
}

/** The version, the compare-and-set, and what makes the message a delete or gives it the rest of its life. */
export function applyHeaders(operation: Operation, expected: number, settings: WriteSettings, nowUs: number): ReadyHeaders {
  const { kind, version, expiresUs } = operation;
  let lines = headerLine(HEADER.version, formatVersion(version)) + headerLine(HEADER.expectedSubjectSequence, expected);
  if (kind === "delete") lines += headerLine(HEADER.kvOperation, "DEL");
  if (kind === "purge") lines += headerLine(HEADER.kvOperation, "PURGE") + headerLine(HEADER.rollup, "sub");
  if (kind === "put") lines += lifeHeaders(expiresUs, settings, nowUs);
  return readyHeaders(lines);
}

/** Nothing but the compare-and-set. */
export const plainHeaders = (expected: number): ReadyHeaders => readyHeaders(headerLine(HEADER.expectedSubjectSequence, expected));

/** The deadline as it is, and what remains of it as the server takes it: whole seconds, by its own clock. */
function lifeHeaders(expiresUs: number | null, { messageTtl, maxAgeUs, history }: WriteSettings, nowUs: number): string {
  if (expiresUs === null) return messageTtl && maxAgeUs > 0 ? headerLine(HEADER.ttl, TTL_NEVER) : "";
  const deadline = headerLine(HEADER.expires, expiresUs);
  if (!messageTtl) return deadline;
  const seconds = Math.max(1, Math.ceil((expiresUs - nowUs) / 1e6));
  // With history, the older revision would come back when this one expires.
  const rollup = history > 1 ? headerLine(HEADER.rollup, "sub") : "";
  return deadline + headerLine(HEADER.ttl, `${seconds}s`) + rollup;
}

const UNKNOWN: WriteOutcome = Object.freeze({ kind: "unknown" });

export function toOutcome(answer: Answer, where: string): WriteOutcome {
  switch (answer.kind) {
    case "stored":
      return { kind: "written", revision: answer.sequence };
    case "unknown":
      return UNKNOWN;
    case "no-stream":
      return { kind: "failed", error: notStored(answer.kind, where) };
    case "refused":
      return answer.why === "too-large"
        ? { kind: "too-large" }
        : { kind: "failed", error: notStored(answer.why, where) };
    case "error":
      return toRefusal(answer.code, answer.description, where);
  }
}

function toRefusal(code: number, description: string, where: string): WriteOutcome {
  if (code === API_ERROR.wrongLastSequence) {
    const actual = /([0-9]+)\s*$/.exec(description)?.[1];
    return { kind: "refused", actual: actual === undefined ? null : Number(actual) };
  }
  if (code === API_ERROR.wrongLastSequenceInFlight || code === API_ERROR.wrongLastSequenceTransient) {
    return { kind: "refused", actual: null };
  }
  if (code === API_ERROR.messageTooLarge || code === API_ERROR.headersTooLarge) return { kind: "too-large" };
  return { kind: "failed", error: apiFailure(code, description, where) };
}
