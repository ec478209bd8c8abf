/**
 * The keys of some ranges, with what every site holds of each: which of them differ, now. Bounded, since the caller chooses
 * no more ranges than have VERIFY_LISTED_ENTRIES.
 */
import { hash128 } from "../../core/hash.js";
import type { KeyFilter } from "../../core/key-filter.js";
import { type Entry, type Operation, sameIdentity } from "../../core/operation.js";
import type { Clock } from "../../core/ports.js";
import { type Version, compareVersions } from "../../core/version.js";
import { kindOf } from "./findings.js";
import { type Site, type Visitor, readSite } from "./reading.js";

export interface Listing {
  /** Keys of which the sites hold different values. */
  readonly values: readonly string[];
  /** Keys of which only the versions differ. */
  readonly versions: readonly string[];
  /** Per site, in order: a key that came twice counts once. */
  readonly counts: readonly { readonly values: number; readonly tombstones: number }[];
}

interface Seen {
  readonly entry: Pick<Entry, "revision" | "timestampNs">;
  /** Null for a tombstone. */
  readonly hash: string | null;
  /** Null while nobody knows it; undefined where there is none to compare, since the server removed the entry. */
  version: Version | null | undefined;
}

/** In the order of the sites; undefined where a site has no message of the key. */
type Row = (Seen | undefined)[];

export interface ListingDeps {
  readonly sites: readonly Site[];
  readonly takesPart: KeyFilter;
  readonly clock: Clock;
  readonly onRead: () => void;
}

export async function listRanges(ranges: ReadonlySet<number>, deps: ListingDeps, strict: boolean): Promise<Listing> {
  const { sites, takesPart } = deps;
  const rowByKey = new Map<string, Row>();
  const selection = { takesPart, hasRange: (range: number) => ranges.has(range) };
  await Promise.all(
    sites.map((site, index) => readSite(site, selection, createNoting(rowByKey, site, index, deps), deps.onRead)),
  );
  const values: string[] = [];
  const versions: string[] = [];
  for (const [key, row] of rowByKey) {
    if (row.some((seen) => hashIn(seen) !== hashIn(row[0]))) values.push(key);
    else if (versionsDiffer(row, strict)) versions.push(key);
  }
  return { values, versions, counts: sites.map((_, index) => countsOf(rowByKey.values(), index)) };
}

function createNoting(rowByKey: Map<string, Row>, { life }: Site, index: number, { sites, clock }: ListingDeps): Visitor {
  return {
    onEntry(entry) {
      const { key, revision, timestampNs, value, version } = entry;
      const kind = kindOf(entry, clock.nowMs() * 1_000);
      const row = rowByKey.get(key) ?? new Array<undefined>(sites.length).fill(undefined);
      const hash = kind === "value" ? hash128(value) : null;
      row[index] = {
        entry: { revision, timestampNs },
        // Equal hashes are kept once: most are equal.
        hash: row.find((seen) => seen?.hash === hash)?.hash ?? hash,
        version: kind === "expired" ? undefined : version,
      };
      rowByKey.set(key, row);
    },
    onLogged({ key, version }: Operation, identity) {
      const seen = rowByKey.get(key)?.[index];
      if (seen === undefined || seen.version !== null || life === null) return;
      if (sameIdentity(identity, { bucketCreated: life.created, ...seen.entry })) seen.version = version;
    },
  };
}

const hashIn = (seen: Seen | undefined): string | null => seen?.hash ?? null;

function versionsDiffer(row: Row, strict: boolean): boolean {
  const versions = row.flatMap((seen) => (seen === undefined || seen.version === undefined ? [] : [seen.version]));
  const known = versions.filter((version) => version !== null);
  const [first] = known;
  if (strict && known.length < versions.length) return true;
  return first !== undefined && known.some((version) => compareVersions(version, first) !== 0);
}

function countsOf(rows: Iterable<Row>, site: number): { values: number; tombstones: number } {
  const counts = { values: 0, tombstones: 0 };
  for (const row of rows) {
    const seen = row[site];
    if (seen !== undefined) counts[seen.hash === null ? "tombstones" : "values"]++;
  }
  return counts;
}
