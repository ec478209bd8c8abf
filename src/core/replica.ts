/**
 * What this site knows of its local bucket: per key the version, where it stands, and whether it is a tombstone.
 * Decisions are made against it, never against a read, so no decision waits for a round trip.
 *
 * It changes by two facts only: an entry on the bucket's tail, and the acknowledgement of our own write (which the
 * tail may never show, because with history 1 a later write removes it: I5). Both carry the revision, and a key's
 * revision only rises, so the order in which the two arrive does not matter. Beside that, time passes: past its deadline
 * a value is a tombstone of the same version, whether or not the server says that it has ended.
 *
 * I4: what a gateway wrote is told by its version header, so there is no "did I write this?" set and no echo loop.
 *
 * Length: one state, and every fact that changes it.
 */
import { createAhead, isSameEntry } from "./ahead.js";
import { type Deadlines, createDeadlines } from "./deadlines.js";
import { type DigestTree, createDigestTree } from "./digest.js";
import type { Key, Revision, SiteId } from "./ids.js";
import { type KeyTable, type Place, createKeyTable } from "./key-table.js";
import { createLoggedTable } from "./logged-table.js";
import { type Known, createKnownTable } from "./known-table.js";
import { type Entry, type EntryIdentity, type LoggedOperation, type Operation, type OperationKind, isTombstone, tombstoneOf } from "./operation.js";
import { stampLocalWrite } from "./stamp.js";
import { type Version, compareVersions, formatVersion } from "./version.js";

export type { Known } from "./known-table.js";

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
  /** What a write of the key must name: where its last message stands, 0 if the bucket holds none of it. */
  revision(key: Key): Revision;
  /** Takes in one entry of the tail. Entries must come in revision order per key; repeats are harmless. */
  observe(entry: Entry & { readonly key: Key }, causality: Causality): Observation;
  /** Takes in our own write, acknowledged at `revision`. */
  recordApplied(operation: Operation, revision: Revision): void;
  /** The bucket lost the key's message at `revision` without telling, and the last one is the `actual` one, an older one: what is
   *  known stays, and a write must name that. Nothing where something has come since. */
  recordVanished(key: Key, revision: Revision, actual: Revision): void;
  /** The message at this revision has gone without telling, and nothing came after it. A tombstone stays known; a value is not
   *  known any more, but every later write of the key is above it; a value whose deadline is no later than `endedUs` has
   *  ended. Returns what it was, null if something came after it. */
  recordMissing(key: Key, revision: Revision, endedUs?: number): Operation | null;
  /** How many messages the bucket should have. */
  messages(): number;
  /** Each of them: the key, and its revision. */
  standing(): Iterable<readonly [Key, Revision]>;
  /** An apply whose outcome is unknown counts as landed for every later stamp of the key. */
  recordUncertain(key: Key, version: Version): void;
  /** Start only, before the tail: what the own log says of its keys. */
  restore(logged: LoggedOperation): void;
  /** The own log names another version for a revision that we stamped, or one of a revision that the tail has not shown yet:
   *  another gateway of this site was first. */
  adopt(logged: LoggedOperation): void;
  /** The entry was logged again under another version. */
  renamed(key: Key, version: Version, base: Operation["base"]): void;
  /** Once, when the tail has caught up: the own operations that the bucket shows an older entry in place of, or the values
   *  that it has no message of. Known is then what the bucket has, so that they can be applied like any other, and a local
   *  write is above them all the same. The log's memory goes with it. */
  takeLost(): readonly Operation[];
  /** What was lost does not come back: what stands in its place is what there is. */
  acceptStandIn(key: Key): void;
  /** Start only, after the own log: a tombstone of another site, of which the bucket may have no message any more. */
  remember(key: Key, version: Version, kind: OperationKind): void;
  /** A tombstone has been swept: nothing is known of the key any more, unless something newer has come. */
  forget(key: Key, version: Version): void;
  /** Values whose deadline has passed become tombstones, at most so many at once: their keys. */
  endDue(nowUs: number, keysMax: number): readonly Key[];
  keys(): number;
  /** Every key that holds a tombstone, with the count of hellos (`core/moment.ts`) when it became one. */
  readonly tombstones: ReadonlyMap<Key, number>;
  /** Of what is known of every key: version and kind. */
  readonly digests: DigestTree;
}

/** What stamping must stay above where the predecessor is not known: see `pipeline/causality.ts`. */
export interface Causality {
  aboveUs(key: Key): number;
}

export interface ReplicaOptions {
  /** Which of its lives the bucket is in: operations that came from another one say nothing of its revisions. */
  readonly bucketCreated?: string | null;
  /** The count of hellos now. */
  readonly moment?: () => number;
  /** Where others keep something of the same keys. */
  readonly keys?: KeyTable;
  /** Hears of every tombstone that is new here. */
  readonly onTombstone?: (key: Key, known: Known) => void;
}

export function createReplica(site: SiteId, { bucketCreated = null, moment = () => 0, keys: keyTable = createKeyTable(), onTombstone }: ReplicaOptions = {}): Replica {
  const knownByKey = createKnownTable(keyTable);
  // Start only: what the own log has.
  const logged = createLoggedTable(keyTable, bucketCreated);
  // Start only: what turns out to be lost.
  const lostByKey = new Map<Key, Operation>();
  const uncertainByKey = new Map<Key, Version>();
  // Keys of which nothing is known but that the server has removed an entry: no version, yet a place to write at.
  const bareByKey = new Map<Key, Revision>();
  // Keys of which an older message has come to light than the one that is known.
  const olderByKey = new Map<Key, Revision>();
  const ahead = createAhead(bucketCreated);
  let starting = true;
  let messages = 0;
  // The newest of the forgotten tombstones: a write of an unknown key is above it, also where a clock has stepped back.
  let forgottenUs = 0;
  const digests = createDigestTree(keyTable, (place) => describe(knownByKey.at(place)));
  const tombstones = new Map<Key, number>();
  const deadlines: Deadlines = createDeadlines();

  /** @param expiresUs the deadline, which stays as it is where nothing is said */
  function set(key: Key, next: Known, expiresUs?: number | null): void {
    const before = knownByKey.get(key);
    messages += Number(isThere(next)) - Number(isThere(before));
    knownByKey.set(key, next);
    if (isTombstone(next)) deadlines.set(key, null);
    else if (expiresUs !== undefined) deadlines.set(key, expiresUs);
    if (before === undefined || !isSameStanding(before, next)) stand(key, before, next);
    bareByKey.delete(key);
    if (next.revision !== before?.revision) olderByKey.delete(key);
    const uncertain = uncertainByKey.get(key);
    if (uncertain !== undefined && compareVersions(next.version, uncertain) >= 0) uncertainByKey.delete(key);
  }

  function stand(key: Key, before: Known | undefined, next: Known): void {
    digests.touch(key, before === undefined);
    tombstones.delete(key);
    if (!isTombstone(next)) return;
    tombstones.set(key, moment());
    onTombstone?.(key, next);
  }

  function drop(key: Key): void {
    messages -= Number(isThere(knownByKey.get(key)));
    olderByKey.delete(key);
    tombstones.delete(key);
    deadlines.set(key, null);
    digests.forget(key);
    knownByKey.delete(key);
  }

  function stamp(entry: Entry & { readonly key: Key }, current: Known | undefined, causality: Causality): Observation {
    const uncertain = uncertainByKey.get(entry.key);
    const previous =
      uncertain !== undefined && (current === undefined || compareVersions(uncertain, current.version) > 0)
        ? { version: uncertain, base: undefined }
        : current;
    const aboveUs = Math.max(causality.aboveUs(entry.key), previous === undefined ? forgottenUs : 0);
    const { version, base } = stampLocalWrite(entry, site, previous, aboveUs);
    const kind = entry.kind === "expired" ? "delete" : entry.kind;
    set(entry.key, { version, base, kind, revision: entry.revision }, entry.expiresUs);
    const operation: Operation = { kind, key: entry.key, value: entry.value, version, base, expiresUs: entry.expiresUs };
    return { kind: "local-write", operation };
  }

  /** What the entry was is not asked any more: it stands below the lost write, and so it may be replaced by it. */
  function fallBehind(entry: Entry & { readonly key: Key }, lost: Operation): Observation {
    const { version } = lost;
    const below = entry.version ?? { ts: Math.min(entry.timestampUs, version.ts - 1), site };
    const { key, revision, expiresUs } = entry;
    const known: Known = { version: below, base: undefined, kind: entry.kind === "expired" ? "delete" : entry.kind, revision };
    set(key, entry.version === null ? { ...known, isStandIn: true } : known, expiresUs);
    lostByKey.set(entry.key, lost);
    // A write over it is newer than what was lost, whatever its clock says.
    uncertainByKey.set(entry.key, version);
    return BEHIND;
  }

  /** The log may have this very entry, or a later one of its key: then there is nothing to log any more. */
  function stampUnlessLogged(entry: Entry & { readonly key: Key }, current: Known | undefined, causality: Causality): Observation {
    const met = ahead.meet(entry);
    if (met === null) return stamp(entry, current, causality);
    const { version, base, kind, expiresUs } = met.operation;
    const known: Known = { version, base, kind, revision: entry.revision };
    const isNewer = current !== undefined && compareVersions(current.version, version) > 0;
    // Whoever logged it did not know what it had overwritten.
    if (!met.isLogged || isNewer) return stamp(entry, isNewer ? current : known, causality);
    set(entry.key, known, expiresUs);
    return LOGGED;
  }

  /** Not known any more, and yet every later write of the key is above it. */
  function forsake(key: Key, version: Version): void {
    drop(key);
    uncertainByKey.set(key, version);
  }

  function missMessage(key: Key, operation: Operation): void {
    forsake(key, operation.version);
    lostByKey.set(key, operation);
  }

  /** The last that was seen of the key. */
  const revisionOf = (key: Key): Revision => knownByKey.get(key)?.revision ?? bareByKey.get(key) ?? 0;
  const placeOf = (key: Key): Revision => olderByKey.get(key) ?? revisionOf(key);

  return {
    get: (key) => knownByKey.get(key),
    revision: placeOf,

    observe(entry, causality) {
      const { key, revision } = entry;
      const current = knownByKey.get(key);
      if (revision <= revisionOf(key)) return OLD;
      if (entry.kind === "expired") {
        if (current !== undefined) {
          const { version, base, kind, isStandIn } = current;
          const known: Known = { version, base, kind: kind === "put" ? "delete" : kind, revision };
          set(key, isStandIn === true ? { ...known, isStandIn } : known);
        } else bareByKey.set(key, revision);
        return EXPIRED;
      }
      const own = starting ? logged.captured(key) : undefined;
      if (own !== undefined && isBefore(entry, own)) return fallBehind(entry, own.operation);
      const isLogged = own !== undefined && isSameEntry(own, entry);
      const held = entry.version ?? (isLogged ? own.operation.version : null);
      if (starting && held !== null && current !== undefined && isRemembered(current, held)) {
        return fallBehind(entry, logged.value(key) ?? tombstoneOf(key, current, current.base));
      }
      if (entry.version !== null) {
        const base = current !== undefined && compareVersions(current.version, entry.version) === 0 ? current.base : undefined;
        set(key, { version: entry.version, base, kind: entry.kind, revision }, entry.expiresUs);
        ahead.pass(key, revision);
        return ECHO;
      }
      if (isLogged) {
        const { version, base, expiresUs } = own.operation;
        // The entry is there, also where its deadline has made the operation a tombstone: then it ends now.
        set(key, { version, base, kind: entry.kind, revision }, expiresUs);
        return LOGGED;
      }
      return stampUnlessLogged(entry, current, causality);
    },

    recordApplied(operation, revision) {
      const current = knownByKey.get(operation.key);
      if (current !== undefined && revision < current.revision) return;
      const { version, base, kind, expiresUs } = operation;
      set(operation.key, { version, base, kind, revision }, expiresUs);
    },

    recordVanished(key, revision, actual) {
      const current = knownByKey.get(key);
      if (placeOf(key) !== revision || actual >= revision) return;
      if (current === undefined) bareByKey.set(key, actual);
      else if (actual === 0) set(key, { ...current, revision: 0 });
      else olderByKey.set(key, actual);
    },

    recordMissing(key, revision, endedUs = 0) {
      if (revisionOf(key) !== revision) return null;
      const current = knownByKey.get(key);
      bareByKey.delete(key);
      if (current === undefined) return null;
      const hasEnded = !isTombstone(current) && (deadlines.at(key) ?? Infinity) <= endedUs;
      const lost = tombstoneOf(key, hasEnded ? { ...current, kind: "delete" } : current, current.base);
      if (isTombstone(lost)) set(key, { ...current, kind: lost.kind, revision: 0 });
      else forsake(key, current.version);
      return lost;
    },

    messages: () => messages + bareByKey.size,
    *standing() {
      for (const [key, known] of knownByKey.entries()) if (isThere(known)) yield [key, known.revision];
      yield* bareByKey;
    },

    recordUncertain(key, version) {
      const before = uncertainByKey.get(key);
      if (before === undefined || compareVersions(version, before) > 0) uncertainByKey.set(key, version);
    },

    restore(found) {
      const { key, version, base, kind, expiresUs } = found.operation;
      set(key, { version, base, kind, revision: 0 }, expiresUs);
      logged.add(found);
    },

    adopt(found) {
      const { operation, identity } = found;
      const current = knownByKey.get(operation.key);
      if (identity === null || identity.bucketCreated !== bucketCreated) return;
      ahead.note(found, revisionOf(operation.key));
      if (current?.revision !== identity.revision) return;
      const { version, base, kind, expiresUs } = operation;
      set(operation.key, { version, base, kind, revision: current.revision }, expiresUs);
    },

    renamed(key, version, base) {
      const current = knownByKey.get(key);
      if (current !== undefined) set(key, { ...asLogged(current), version, base });
    },

    takeLost() {
      const isThere = (place: Place) => knownByKey.revisionAt(place) > 0;
      for (const operation of logged.values(isThere)) if (revisionOf(operation.key) === 0) missMessage(operation.key, operation);
      starting = false;
      logged.clear();
      const lost = [...lostByKey.values()];
      lostByKey.clear();
      return lost;
    },
    acceptStandIn(key) {
      const current = knownByKey.get(key);
      if (current?.isStandIn !== true) return;
      set(key, asLogged(current));
    },
    remember(key, version, kind) {
      const current = knownByKey.get(key);
      if (current !== undefined && compareVersions(current.version, version) >= 0) return;
      logged.dropValue(key);
      set(key, { version, base: undefined, kind, revision: 0 }, null);
    },
    forget(key, version) {
      const current = knownByKey.get(key);
      if (current !== undefined && isTombstone(current) && compareVersions(current.version, version) === 0) {
        forgottenUs = Math.max(forgottenUs, version.ts);
        drop(key);
      }
    },
    endDue(nowUs, keysMax) {
      const keys = deadlines.take(nowUs, keysMax);
      for (const key of keys) {
        const current = knownByKey.get(key);
        if (current !== undefined) set(key, { ...current, kind: "delete", isEnded: true });
      }
      return keys;
    },
    keys: () => knownByKey.size() - tombstones.size,
    tombstones,
    digests,
  };
}

/** Whether the bucket should have a message of the key. */
const isThere = (known: Known | undefined): boolean => known !== undefined && known.revision > 0 && known.isEnded !== true;

function asLogged({ version, base, kind, revision, isEnded }: Known): Known {
  return { version, base, kind, revision, ...(isEnded === true ? { isEnded } : {}) };
}

const isSameStanding = (a: Known, b: Known): boolean =>
  isTombstone(a) === isTombstone(b) && compareVersions(a.version, b.version) === 0;

const describe = (known: Known): string => `${formatVersion(known.version)} ${isTombstone(known) ? "tombstone" : "value"}`;

/** Whether the entry was in the bucket before the one that the log names: an expiry or a lost tail has uncovered it. */
function isBefore(entry: Entry, { operation, identity }: { readonly operation: Operation; readonly identity: EntryIdentity }): boolean {
  if (entry.revision >= identity.revision) return false;
  if (BigInt(entry.timestampNs) >= BigInt(identity.timestampNs)) return false;
  return entry.version === null || compareVersions(entry.version, operation.version) < 0;
}

/** Whether something is known from elsewhere, and the bucket shows an entry that is older: it has lost its tail, and its revisions
 *  say nothing any more. */
const isRemembered = (current: Known, held: Version): boolean =>
  current.revision === 0 && compareVersions(held, current.version) < 0;
