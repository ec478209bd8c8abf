/**
 * What this site knows of its local bucket: per key the version, where it stands, and whether it is a tombstone.
 * Decisions are made against it, never against a read, so no decision waits for a round trip.
 *
 * It changes by two facts only: an entry on the bucket's tail, and the acknowledgement of our own write (which the
 * tail may never show, because with history 1 a later write removes it: I5). Both carry the revision, and a key's
 * revision only rises, so the order in which the two arrive does not matter.
 *
 * I4: what a gateway wrote is told by its version header, so there is no "did I write this?" set and no echo loop.
 */
import { type DigestTree, createDigestTree } from "./digest.js";
import type { Key, Revision, SiteId } from "./ids.js";
import { type Entry, type LoggedOperation, type Operation, isTombstone, sameIdentity } from "./operation.js";
import type { Standing } from "./policy/policy.js";
import { stampLocalWrite } from "./stamp.js";
import { type Version, compareVersions, formatVersion } from "./version.js";

export interface Known extends Standing {
  /** The last revision seen of the key; 0 if the bucket holds no message of it. */
  readonly revision: Revision;
}

/** What an entry on the tail turned out to be. `logged`: a local write that the log has already. `behind`: the bucket has
 *  lost a later write of the key that the log has. */
export type Observation =
  | { readonly kind: "local-write"; readonly operation: Operation }
  | { readonly kind: "echo" | "logged" | "expired" | "old" | "behind" };

const ECHO: Observation = Object.freeze({ kind: "echo" });
const LOGGED: Observation = Object.freeze({ kind: "logged" });
const EXPIRED: Observation = Object.freeze({ kind: "expired" });
const OLD: Observation = Object.freeze({ kind: "old" });
const BEHIND: Observation = Object.freeze({ kind: "behind" });

export interface Replica {
  get(key: Key): Known | undefined;
  /** What a write of the key must name: the last revision seen of it, 0 if the bucket holds no message of it. */
  revision(key: Key): Revision;
  /** Takes in one entry of the tail. Entries must come in revision order per key; repeats are harmless. */
  observe(entry: Entry & { readonly key: Key }, causality: Causality): Observation;
  /** Takes in our own write, acknowledged at `revision`. */
  recordApplied(operation: Operation, revision: Revision): void;
  /** The bucket lost the key's message without telling: keep what we know, stand at the revision it named. */
  recordVanished(key: Key, revision: Revision): void;
  /** An apply whose outcome is unknown counts as landed for every later stamp of the key. */
  recordUncertain(key: Key, version: Version): void;
  /** Start only, before the tail: what the own log says of its keys. */
  restore(logged: LoggedOperation, bucketCreated: string): void;
  /** The own log names another version for a revision that we stamped: another gateway of this site was first. */
  adopt(logged: LoggedOperation): void;
  /** The entry was logged again under another version. */
  renamed(key: Key, version: Version, base: Operation["base"]): void;
  /** Once, when the tail has caught up: the own operations that the bucket shows an older entry in place of, or the values
   *  that it has no message of. Known is then what the bucket has, so that they can be applied like any other, and a local
   *  write is above them all the same. The log's memory goes with it. */
  takeLost(): readonly Operation[];
  keys(): number;
  tombstones(): number;
  /** Of what is known of every key: version and kind. */
  readonly digests: DigestTree;
}

/** What stamping must stay above where the predecessor is not known: see `pipeline/causality.ts`. */
export interface Causality {
  aboveUs(key: Key): number;
}

export function createReplica(site: SiteId): Replica {
  const knownByKey = new Map<Key, Known>();
  const loggedByKey = new Map<Key, LoggedOperation>();
  // Start only: the values among what the own log has, and what turns out to be lost.
  const valueByKey = new Map<Key, Operation>();
  const lostByKey = new Map<Key, Operation>();
  const uncertainByKey = new Map<Key, Version>();
  // Keys of which nothing is known but that the server has removed an entry: no version, yet a place to write at.
  const bareByKey = new Map<Key, Revision>();
  const digests = createDigestTree((key) => describe(knownByKey.get(key)));
  let tombstones = 0;

  function set(key: Key, next: Known): void {
    const before = knownByKey.get(key);
    tombstones += Number(isTombstone(next)) - Number(before !== undefined && isTombstone(before));
    knownByKey.set(key, next);
    if (before === undefined || !isSameStanding(before, next)) digests.touch(key, before === undefined);
    bareByKey.delete(key);
    const uncertain = uncertainByKey.get(key);
    if (uncertain !== undefined && compareVersions(next.version, uncertain) >= 0) uncertainByKey.delete(key);
  }

  function stamp(entry: Entry & { readonly key: Key }, current: Known | undefined, causality: Causality): Observation {
    const uncertain = uncertainByKey.get(entry.key);
    const previous =
      uncertain !== undefined && (current === undefined || compareVersions(uncertain, current.version) > 0)
        ? { version: uncertain, base: undefined }
        : current;
    const { version, base } = stampLocalWrite(entry, site, previous, causality.aboveUs(entry.key));
    const kind = entry.kind === "expired" ? "delete" : entry.kind;
    set(entry.key, { version, base, kind, revision: entry.revision });
    const operation: Operation = { kind, key: entry.key, value: entry.value, version, base, expiresUs: entry.expiresUs };
    return { kind: "local-write", operation };
  }

  /** What the entry was is not asked any more: it stands below the lost write, and so it may be replaced by it. */
  function fallBehind(entry: Entry & { readonly key: Key }, logged: LoggedOperation): Observation {
    const { version } = logged.operation;
    const below = entry.version ?? { ts: Math.min(entry.timestampUs, version.ts - 1), site };
    set(entry.key, { version: below, base: undefined, kind: entry.kind === "expired" ? "delete" : entry.kind, revision: entry.revision });
    lostByKey.set(entry.key, logged.operation);
    // A write over it is newer than what was lost, whatever its clock says.
    uncertainByKey.set(entry.key, version);
    return BEHIND;
  }

  function missMessage(key: Key, operation: Operation): void {
    knownByKey.delete(key);
    digests.forget(key);
    uncertainByKey.set(key, operation.version);
    lostByKey.set(key, operation);
  }

  const revisionOf = (key: Key): Revision => knownByKey.get(key)?.revision ?? bareByKey.get(key) ?? 0;

  return {
    get: (key) => knownByKey.get(key),
    revision: revisionOf,

    observe(entry, causality) {
      const { key, revision } = entry;
      const current = knownByKey.get(key);
      if (revision <= revisionOf(key)) return OLD;
      if (entry.kind === "expired") {
        if (current !== undefined) set(key, { ...current, kind: current.kind === "put" ? "delete" : current.kind, revision });
        else bareByKey.set(key, revision);
        return EXPIRED;
      }
      const logged = loggedByKey.get(key);
      if (logged !== undefined && isBefore(entry, logged)) return fallBehind(entry, logged);
      if (entry.version !== null) {
        const base = current !== undefined && compareVersions(current.version, entry.version) === 0 ? current.base : undefined;
        set(key, { version: entry.version, base, kind: entry.kind, revision });
        return ECHO;
      }
      if (logged !== undefined && isSameEntry(logged, entry)) {
        const { version, base, kind } = logged.operation;
        set(key, { version, base, kind, revision });
        return LOGGED;
      }
      return stamp(entry, current, causality);
    },

    recordApplied(operation, revision) {
      const current = knownByKey.get(operation.key);
      if (current !== undefined && revision < current.revision) return;
      const { version, base, kind } = operation;
      set(operation.key, { version, base, kind, revision });
    },

    recordVanished(key, revision) {
      const current = knownByKey.get(key);
      if (revision >= revisionOf(key)) return;
      if (current !== undefined) set(key, { ...current, revision });
      else bareByKey.set(key, revision);
    },

    recordUncertain(key, version) {
      const before = uncertainByKey.get(key);
      if (before === undefined || compareVersions(version, before) > 0) uncertainByKey.set(key, version);
    },

    restore(logged, bucketCreated) {
      const { operation, identity } = logged;
      const { key, version, base, kind } = operation;
      set(key, { version, base, kind, revision: 0 });
      if (kind === "put") valueByKey.set(key, operation);
      if (identity?.bucketCreated === bucketCreated) loggedByKey.set(key, logged);
    },

    adopt(logged) {
      const { operation, identity } = logged;
      const current = knownByKey.get(operation.key);
      if (current === undefined || identity === null || current.revision !== identity.revision) return;
      const { version, base, kind } = operation;
      set(operation.key, { version, base, kind, revision: current.revision });
    },

    renamed(key, version, base) {
      const current = knownByKey.get(key);
      if (current !== undefined) set(key, { ...current, version, base });
    },

    takeLost() {
      for (const [key, operation] of valueByKey) if (revisionOf(key) === 0) missMessage(key, operation);
      loggedByKey.clear();
      valueByKey.clear();
      const lost = [...lostByKey.values()];
      lostByKey.clear();
      return lost;
    },
    keys: () => knownByKey.size - tombstones,
    tombstones: () => tombstones,
    digests,
  };
}

const isSameStanding = (a: Known, b: Known): boolean =>
  isTombstone(a) === isTombstone(b) && compareVersions(a.version, b.version) === 0;

const describe = (known: Known | undefined): string =>
  known === undefined ? "" : `${formatVersion(known.version)} ${isTombstone(known) ? "tombstone" : "value"}`;

/** Whether the entry was in the bucket before the one that the log names: an expiry or a lost tail has uncovered it. */
function isBefore(entry: Entry, { operation, identity }: LoggedOperation): boolean {
  if (identity === null || entry.revision >= identity.revision) return false;
  if (BigInt(entry.timestampNs) >= BigInt(identity.timestampNs)) return false;
  return entry.version === null || compareVersions(entry.version, operation.version) < 0;
}

function isSameEntry(logged: LoggedOperation, entry: Entry): boolean {
  if (logged.identity === null) return false;
  const { revision, timestampNs } = entry;
  return sameIdentity(logged.identity, { bucketCreated: logged.identity.bucketCreated, revision, timestampNs });
}
