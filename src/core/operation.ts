/**
 * What travels between sites. An operation is an immutable put or delete with its version; an entry is what a
 * bucket holds for a key right now, whoever wrote it.
 */
import type { Key, Revision, Sequence } from "./ids.js";
import { type Version, compareVersions } from "./version.js";

/** A purge is a delete that also removes the key's history. */
export type OperationKind = "put" | "delete" | "purge";

export interface Operation {
  readonly kind: OperationKind;
  readonly key: Key;
  /** The raw bytes as the application wrote them; empty for deletes. */
  readonly value: Uint8Array;
  readonly version: Version;
  /** The newest version of another site that this operation overwrote, directly or through its own site's earlier
   *  writes; null when it overwrote none, undefined where nobody knows any more. */
  readonly base: Version | null | undefined;
  /** The entry's deadline in microseconds since the epoch, null without one. */
  readonly expiresUs: number | null;
}

/** Which message of which life of a bucket an operation was captured from. A revision alone does not say it:
 *  revisions are used again after a rewind. */
export interface EntryIdentity {
  /** Creation time of the bucket's stream, nanoseconds since the epoch as text (too large for a number). */
  readonly bucketCreated: string;
  readonly revision: Revision;
  /** The server's timestamp of the message, nanoseconds as text. */
  readonly timestampNs: string;
}

/** An operation where it stands in a log. */
export interface LoggedOperation {
  readonly operation: Operation;
  readonly sequence: Sequence;
  /** Null where the log was written by an agent that does not say. */
  readonly identity: EntryIdentity | null;
}

/** Nanoseconds as text to microseconds as a number. */
export const nanosToMicros = (ns: string): number => (ns.length > 3 ? Number(ns.slice(0, -3)) : 0);

export const sameIdentity = (a: EntryIdentity, b: EntryIdentity): boolean =>
  a.revision === b.revision && a.timestampNs === b.timestampNs && a.bucketCreated === b.bucketCreated;

/** What a message in a bucket is. `expired`: the server removed the entry, which is not a write. */
export type EntryKind = OperationKind | "expired";

/** One message of a local bucket, as its tail delivers it. */
export interface Entry {
  readonly kind: EntryKind;
  /** As it stands on the subject: an application may have written a key that NATS KV does not allow. */
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: Revision;
  /** The server's timestamp in microseconds since the epoch. */
  readonly timestampUs: number;
  readonly timestampNs: string;
  /** The version that a gateway wrote beside the value; null for an application's own write. */
  readonly version: Version | null;
  /** The entry's own deadline (message TTL or the bucket's maximum age), microseconds, null without one. */
  readonly expiresUs: number | null;
}

/** What remains of a key that has no value: it is kept so that an older write cannot come back (I7). */
export const isTombstone = ({ kind }: { readonly kind: OperationKind }): boolean => kind !== "put";

/** The delete of a key as it is known without its message. */
export const tombstoneOf = (key: Key, { kind, version }: Pick<Operation, "kind" | "version">, base: Operation["base"]): Operation => ({
  ...{ kind, key, version, base },
  value: NO_BYTES,
  expiresUs: null,
});

/** Past its deadline an operation is a tombstone of the same version: a superseded older value must not return. */
export function asOfNow(operation: Operation, nowUs: number): Operation {
  if (operation.kind !== "put" || operation.expiresUs === null || operation.expiresUs > nowUs) return operation;
  return { ...operation, kind: "delete", value: NO_BYTES };
}

export const NO_BYTES = new Uint8Array(0);

/** The newer of two versions where either may be missing. */
export function newerVersion(a: Version | null, b: Version | null): Version | null {
  if (a === null || b === null) return a ?? b;
  return compareVersions(a, b) >= 0 ? a : b;
}
