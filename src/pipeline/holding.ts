/**
 * Old writes that no log has, found at the start in a bucket that looks as if it had come back wrong: they may be ghosts, so
 * they are not logged before that is known. They are stamped and known all the same. Bounded by the number of keys.
 */
import type { Key } from "../core/ids.js";
import type { EntryIdentity, Operation } from "../core/operation.js";
import type { Replica } from "../core/replica.js";
import { type Version, compareVersions } from "../core/version.js";

export interface Holding {
  /** Whether the operation waits here; if not, it is to be logged now. */
  hold(operation: Operation, identity: EntryIdentity): boolean;
  /** Logs what is still the newest of its key, and holds nothing from now on. */
  letGo(): void;
}

export interface HoldingDeps {
  readonly replica: Replica;
  /** Whether a write of this version is old, and the bucket looks as if it had come back wrong. */
  readonly mayHold: (version: Version) => boolean;
  readonly append: (operation: Operation, identity: EntryIdentity) => void;
}

export function createHolding({ replica, mayHold, append }: HoldingDeps): Holding {
  let held: Map<Key, readonly [Operation, EntryIdentity]> | null = new Map();
  return {
    hold(operation, identity) {
      if (held === null || !mayHold(operation.version)) return false;
      held.set(operation.key, [operation, identity]);
      return true;
    },
    letGo() {
      const waiting = held ?? new Map<Key, readonly [Operation, EntryIdentity]>();
      held = null;
      for (const [operation, identity] of waiting.values()) {
        const known = replica.get(operation.key);
        if (known !== undefined && compareVersions(known.version, operation.version) === 0) append(operation, identity);
      }
    },
  };
}
