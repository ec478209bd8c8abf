/**
 * Sums per range of keys, one set per site: equal sums mean equal entries, whatever the order in which they were read and
 * however many there are. Like the digests of `core/digest.ts`, without a tree and without the keys.
 *
 * Memory is constant but for 16 bytes per key that was written at the site itself: its revision and time, by which its
 * version is found in the log that is read afterwards. A key that is written while it is read may come twice; then its
 * range differs, and the keys of that range are listed.
 */
import { addHash128, hash128 } from "../../core/hash.js";
import { VERIFY_RANGES } from "../../core/limits.js";
import { type Entry, type EntryIdentity, nanosToMicros } from "../../core/operation.js";
import type { Clock } from "../../core/ports.js";
import { type Version, formatVersion } from "../../core/version.js";
import { kindOf } from "./findings.js";
import type { Visitor } from "./reading.js";

/** Of one site. Counts have one number per range, sums four. */
export interface RangeSums {
  readonly values: Uint32Array;
  /** Deleted, purged, expired. */
  readonly tombstones: Uint32Array;
  /** Those that have a version to compare. */
  readonly deletes: Uint32Array;
  readonly notLogged: Uint32Array;
  readonly valueSums: Int32Array;
  readonly valueVersionSums: Int32Array;
  readonly deleteVersionSums: Int32Array;
}

export interface Summing extends Visitor {
  readonly sums: RangeSums;
}

/** @param localsMax how many keys were written at this site, at most; what is beyond that counts as not logged */
export function createSumming(localsMax: number, clock: Clock): Summing {
  const sums = createSums();
  const locals = createLocals(localsMax);

  function addVersion(key: string, version: Version, isValue: boolean, range: number): void {
    addHash128(isValue ? sums.valueVersionSums : sums.deleteVersionSums, `${key}\0${formatVersion(version)}`, range * LANES);
  }

  function onEntry(entry: Entry, range: number): void {
    const { key, value, version } = entry;
    const kind = kindOf(entry, clock.nowMs() * 1_000);
    if (kind === "value") addHash128(sums.valueSums, `${key}\0${hash128(value)}`, range * LANES);
    add(kind === "value" ? sums.values : sums.tombstones, range, 1);
    // An expiry is no write, so there is no version to compare.
    if (kind === "expired") return;
    if (kind !== "value") add(sums.deletes, range, 1);
    if (version !== null) return addVersion(key, version, kind === "value", range);
    locals.add(entry);
    add(sums.notLogged, range, 1);
  }

  return {
    sums,
    onEntry,
    onLogged(operation, identity, range) {
      if (!locals.take(identity)) return;
      add(sums.notLogged, range, -1);
      addVersion(operation.key, operation.version, operation.kind === "put", range);
    },
  };
}

const LANES = 4;

const createSums = (): RangeSums => ({
  values: new Uint32Array(VERIFY_RANGES),
  tombstones: new Uint32Array(VERIFY_RANGES),
  deletes: new Uint32Array(VERIFY_RANGES),
  notLogged: new Uint32Array(VERIFY_RANGES),
  valueSums: new Int32Array(VERIFY_RANGES * LANES),
  valueVersionSums: new Int32Array(VERIFY_RANGES * LANES),
  deleteVersionSums: new Int32Array(VERIFY_RANGES * LANES),
});

const add = (counts: Uint32Array, range: number, by: number): void => void (counts[range] = (counts[range] ?? 0) + by);

interface Locals {
  add(entry: Entry): void;
  /** Whether it is there; once only. */
  take(identity: EntryIdentity): boolean;
}

/** Entries come in the order of their revisions. Memory that was never written to is not taken from the system. */
function createLocals(capacity: number): Locals {
  const revisions = new Float64Array(capacity);
  const times = new Float64Array(capacity);
  let size = 0;

  function indexOf(revision: number): number {
    let from = 0;
    for (let to = size; from < to; ) {
      const middle = (from + to) >>> 1;
      if ((revisions[middle] ?? 0) < revision) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  return {
    add({ revision, timestampUs }) {
      if (size === capacity || (size > 0 && revision <= (revisions[size - 1] ?? 0))) return;
      revisions[size] = revision;
      times[size] = timestampUs;
      size++;
    },
    take({ revision, timestampNs }) {
      const at = indexOf(revision);
      if (at === size || revisions[at] !== revision || times[at] !== nanosToMicros(timestampNs)) return false;
      times[at] = TAKEN;
      return true;
    },
  };
}

const TAKEN = -1;

export interface Suspects {
  /** Ranges in which the sites hold different values. */
  readonly values: readonly number[];
  /** Ranges in which only versions differ. */
  readonly versions: readonly number[];
}

/** @param strict whether a version that is not logged yet is taken for a different one */
export function findSuspects(sites: readonly RangeSums[], strict: boolean): Suspects {
  const values: number[] = [];
  const versions: number[] = [];
  for (let range = 0; range < VERIFY_RANGES; range++) {
    if (differ(sites.map(({ valueSums }) => valueSums), range)) values.push(range);
    else if (versionsDiffer(sites, range, strict)) versions.push(range);
  }
  return { values, versions };
}

function versionsDiffer(sites: readonly RangeSums[], range: number, strict: boolean): boolean {
  if (strict && sites.some(({ notLogged }) => notLogged[range] !== 0)) return true;
  // A site that has swept its tombstones has nothing to compare.
  const withDeletes = sites.filter(({ deletes }) => deletes[range] !== 0);
  return (
    differ(sites.map(({ valueVersionSums }) => valueVersionSums), range) ||
    differ(withDeletes.map(({ deleteVersionSums }) => deleteVersionSums), range)
  );
}

function differ(sums: readonly Int32Array[], range: number): boolean {
  const [first] = sums;
  for (let lane = range * LANES; lane < (range + 1) * LANES; lane++) {
    for (const other of sums) if (other[lane] !== first?.[lane]) return true;
  }
  return false;
}
