/**
 * What another gateway of this site has logged of entries that the tail has not shown here yet: a second one that works,
 * or one that is dead by now and whose append landed late. One write has one version, whoever was first (I4).
 */
import type { Key, Revision } from "./ids.js";
import { type Entry, type LoggedOperation, type Operation, sameIdentity } from "./operation.js";

export interface Ahead {
  /** Keeps what the log has, unless the key stands there already, at `revision`. */
  note(logged: LoggedOperation, revision: Revision): void;
  /** What the log has of the key, and whether that is this local write or a later one; else it was overwritten before the
   *  tail showed it. Null where nothing is ahead. It is forgotten once the tail has come to it. */
  meet(entry: Entry & { readonly key: Key }): { readonly operation: Operation; readonly isLogged: boolean } | null;
  /** The tail has shown the key at `revision`. */
  pass(key: Key, revision: Revision): void;
}

/** @param bucketCreated operations that came from another life of the bucket say nothing of its revisions */
export function createAhead(bucketCreated: string | null): Ahead {
  const loggedByKey = new Map<Key, LoggedOperation>();
  const revisionOf = (key: Key): Revision => loggedByKey.get(key)?.identity?.revision ?? 0;

  return {
    note(logged, revision) {
      const { identity, operation } = logged;
      if (identity?.bucketCreated === bucketCreated && identity.revision > revision) loggedByKey.set(operation.key, logged);
    },
    meet(entry) {
      const { key, revision } = entry;
      const logged = loggedByKey.get(key);
      if (logged === undefined) return null;
      const isLater = revisionOf(key) > revision;
      if (!isLater) loggedByKey.delete(key);
      return { operation: logged.operation, isLogged: isLater || isSameEntry(logged, entry) };
    },
    pass(key, revision) {
      if (revisionOf(key) < revision) loggedByKey.delete(key);
    },
  };
}

/** Whether the log names this very message; a revision alone is used again after a rewind. */
export function isSameEntry({ identity }: Pick<LoggedOperation, "identity">, { revision, timestampNs }: Entry): boolean {
  if (identity === null) return false;
  return sameIdentity(identity, { bucketCreated: identity.bucketCreated, revision, timestampNs });
}
