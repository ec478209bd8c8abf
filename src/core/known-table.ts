/**
 * What is known of each key, packed into columns: 30 bytes a key beside the key itself, where objects would take two hundred.
 * What is given out is made for the moment.
 */
import { createColumn } from "./column.js";
import type { Key, Revision, SiteId } from "./ids.js";
import { type KeyTable, NO_PLACE, OWNER, type Owner, type Place } from "./key-table.js";
import { SITES_REMEMBERED_MAX } from "./limits.js";
import type { OperationKind } from "./operation.js";
import type { Standing } from "./policy/policy.js";
import type { Version } from "./version.js";

export interface Known extends Standing {
  /** The last revision seen of the key; 0 if the bucket holds no message of it. */
  readonly revision: Revision;
  /** Its deadline has passed, and nothing has been seen of the key since: the server is about to remove its message, or has. */
  readonly isEnded?: true;
  /** Its version says only that it stands below a lost write: it is in no log, and nobody is told of it. */
  readonly isStandIn?: true;
}

export interface KnownTable {
  get(key: Key): Known | undefined;
  /** @param place of a key that is known */
  at(place: Place): Known;
  /** 0 where the key is not known, or the bucket holds no message of it. */
  revisionAt(place: Place): Revision;
  set(key: Key, known: Known): void;
  delete(key: Key): void;
  entries(): Iterable<readonly [Key, Known]>;
  size(): number;
}

const KINDS: readonly OperationKind[] = ["put", "delete", "purge"];
const KIND_BITS = 3;
const IS_ENDED = 4;
const IS_STAND_IN = 8;
/** A base may be unknown, none, or a version. */
const HAS_NO_BASE = 16;
const HAS_BASE = 32;

export function createKnownTable(keys: KeyTable, owner: Owner = OWNER.replica): KnownTable {
  const versions = createVersions();
  const bases = createVersions();
  const revisions = createColumn(Float64Array);
  const flags = createColumn(Uint8Array);
  let size = 0;

  function read(place: Place): Known {
    const bits = flags.at(place);
    const base = (bits & HAS_BASE) !== 0 ? bases.at(place) : (bits & HAS_NO_BASE) !== 0 ? null : undefined;
    const kind = KINDS[bits & KIND_BITS] ?? "put";
    const known: Known = { version: versions.at(place), base, kind, revision: revisions.at(place) };
    if ((bits & (IS_ENDED | IS_STAND_IN)) === 0) return known;
    return { ...known, ...((bits & IS_ENDED) !== 0 ? { isEnded: true } : {}), ...((bits & IS_STAND_IN) !== 0 ? { isStandIn: true } : {}) };
  }

  return {
    get(key) {
      const place = keys.find(key, owner);
      return place === NO_PLACE ? undefined : read(place);
    },
    at: read,
    revisionAt: (place) => (keys.isClaimed(place, owner) ? revisions.at(place) : 0),
    set(key, { version, base, kind, revision, isEnded, isStandIn }) {
      if (keys.find(key, owner) === NO_PLACE) size++;
      const place = keys.claim(key, owner);
      versions.set(place, version);
      if (base !== null && base !== undefined) bases.set(place, base);
      revisions.set(place, revision);
      const ofBase = base === undefined ? 0 : base === null ? HAS_NO_BASE : HAS_BASE;
      flags.set(place, KINDS.indexOf(kind) | ofBase | (isEnded === true ? IS_ENDED : 0) | (isStandIn === true ? IS_STAND_IN : 0));
    },
    delete(key) {
      const place = keys.find(key, owner);
      if (place === NO_PLACE) return;
      size--;
      keys.release(place, owner);
    },
    *entries() {
      for (const place of keys.claimed(owner)) yield [keys.keyAt(place), read(place)];
    },
    size: () => size,
  };
}

interface Versions {
  at(place: Place): Version;
  set(place: Place, version: Version): void;
}

/** The few sites that write a bucket stand once. Anybody may invent names, without end: what is beyond the few stays apart. */
function createVersions(): Versions {
  const times = createColumn(Float64Array);
  const siteNumbers = createColumn(Uint16Array);
  const sites: SiteId[] = [];
  const numberBySite = new Map<SiteId, number>();
  const oddByPlace = new Map<Place, SiteId>();
  const ODD = SITES_REMEMBERED_MAX;

  function numberOf(site: SiteId): number {
    const known = numberBySite.get(site);
    if (known !== undefined) return known;
    if (sites.length >= SITES_REMEMBERED_MAX) return ODD;
    numberBySite.set(site, sites.length);
    return sites.push(site) - 1;
  }

  return {
    at(place) {
      const number = siteNumbers.at(place);
      const site = number === ODD ? oddByPlace.get(place) : sites[number];
      if (site === undefined) throw new RangeError(`no version stands at ${place}`);
      return { ts: times.at(place), site };
    },
    set(place, { ts, site }) {
      const number = numberOf(site);
      if (siteNumbers.at(place) === ODD) oddByPlace.delete(place);
      if (number === ODD) oddByPlace.set(place, site);
      times.set(place, ts);
      siteNumbers.set(place, number);
    },
  };
}
