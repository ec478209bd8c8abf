/**
 * Whether a bucket holds the same keys and values at all its sites, and the same versions. Every site is read once into
 * sums per range of keys; only the keys of ranges that differ are listed, in a second reading; only those that differ are
 * looked at one by one, and again. So memory does not grow with the number of keys (I11): see `sums.ts` and `listing.ts`.
 *
 * Values decide. All keys of which they may differ are looked at before the sites are called equal; versions come second,
 * and count as a difference only with `strict`.
 */
import type { BucketConfig } from "../../config/config.js";
import type { SiteId } from "../../core/ids.js";
import { type KeyFilter, createKeyFilter } from "../../core/key-filter.js";
import { VERIFY_BATCH_KEYS, VERIFY_LISTED_ENTRIES, VERIFY_SLICE_KEYS } from "../../core/limits.js";
import type { Clock } from "../../core/ports.js";
import { count } from "../wording.js";
import type { Category } from "./findings.js";
import { type Listing, listRanges } from "./listing.js";
import { type DifferingKey, type LookOptions, stillDiffering } from "./looks.js";
import { type Site, type SiteReader, readSite } from "./reading.js";
import { type RangeSums, createSumming, findSuspects } from "./sums.js";

export interface SiteCounts {
  readonly bucket: string;
  readonly exists: boolean;
  readonly keys: number;
  readonly tombstones: number;
  /** Entries whose version their gateway has not written to its log yet. */
  readonly notLogged: number;
}

export interface BucketComparison {
  readonly bucket: string;
  readonly equal: boolean;
  readonly sites: Readonly<Record<SiteId, SiteCounts>>;
  /** Each differing key counts once, by the gravest that is wrong with it. */
  readonly categories: Readonly<Record<Category, number>>;
  readonly differing: readonly DifferingKey[];
  /** False if there are more differing keys than `differing` holds: the rest was not looked at again. */
  readonly complete: boolean;
  /** Keys with the same value under different versions. */
  readonly versions: readonly DifferingKey[];
  readonly versionsComplete: boolean;
  /** Keys that differed at first and were equal soon after. */
  readonly inFlight: number;
}

export interface CompareDeps {
  readonly readers: ReadonlyMap<SiteId, SiteReader>;
  readonly clock: Clock;
  readonly onProgress: (sentence: string) => void;
}

export interface CompareOptions extends LookOptions {
  /** Other bounds than those of core/limits.ts, for tests. */
  readonly sliceKeys?: number;
  readonly listedEntries?: number;
}

interface Comparing extends CompareDeps {
  readonly bucket: BucketConfig;
  readonly sites: readonly Site[];
  readonly takesPart: KeyFilter;
  readonly options: CompareOptions;
  readonly tally: Tally;
}

/** What has been found so far. */
interface Tally {
  readonly differing: DifferingKey[];
  complete: boolean;
  readonly versions: DifferingKey[];
  versionsComplete: boolean;
  inFlight: number;
  /** Per site, in order. */
  readonly counts: { values: number; tombstones: number; notLogged: number }[];
}

/** Memory holds the sums of one slice and one batch of keys at a time. */
export async function compareBucket(bucket: BucketConfig, deps: CompareDeps, options: CompareOptions): Promise<BucketComparison> {
  const sites = await Promise.all(
    [...deps.readers].map(async ([id, reader]): Promise<Site> => ({ id, reader, life: await reader.bucket.life() })),
  );
  const counts = sites.map(() => ({ values: 0, tombstones: 0, notLogged: 0 }));
  const tally: Tally = { differing: [], complete: true, versions: [], versionsComplete: true, inFlight: 0, counts };
  const comparing: Comparing = { ...deps, bucket, sites, takesPart: createKeyFilter(bucket.keys), options, tally };
  const largest = Math.max(0, ...sites.map(({ life }) => life?.keys ?? 0));
  const slices = Math.max(1, Math.ceil(largest / (options.sliceKeys ?? VERIFY_SLICE_KEYS)));
  for (let slice = 0; slice < slices; slice++) {
    const sums = await sumUp(comparing, slice, slices);
    const suspects = findSuspects(sums, options.strict);
    for (const ranges of batches(suspects.values, sums, options)) await examine(comparing, ranges, sums, false);
    for (const ranges of batches(suspects.versions, sums, options)) await examine(comparing, ranges, sums, true);
  }
  return toComparison(comparing);
}

async function sumUp(comparing: Comparing, slice: number, slices: number): Promise<readonly RangeSums[]> {
  const { sites, clock, takesPart, tally } = comparing;
  const selection = { takesPart, hasRange: (range: number) => range % slices === slice };
  const onRead = createProgress(comparing, slices === 1 ? "read" : `read, reading ${slice + 1} of ${slices}`);
  return Promise.all(
    sites.map(async (site, at) => {
      // Slices are never quite even, and keys may be added meanwhile.
      const { sums, ...visitor } = createSumming(Math.ceil(((site.life?.keys ?? 0) / slices) * 1.1) + 1_000, clock);
      await readSite(site, selection, visitor, onRead);
      const counts = tally.counts[at];
      if (counts !== undefined) {
        counts.values += total(sums.values);
        counts.tombstones += total(sums.tombstones);
        counts.notLogged += total(sums.notLogged);
      }
      return sums;
    }),
  );
}

const total = (counts: Uint32Array): number => counts.reduce((sum, count) => sum + count, 0);

/** As many ranges together as have no more entries than may be listed; one at least. */
function* batches(ranges: readonly number[], sums: readonly RangeSums[], options: CompareOptions): Generator<ReadonlySet<number>> {
  const entriesMax = options.listedEntries ?? VERIFY_LISTED_ENTRIES;
  let batch = new Set<number>();
  let entries = 0;
  for (const range of ranges) {
    const more = sums.reduce((sum, site) => sum + (site.values[range] ?? 0) + (site.tombstones[range] ?? 0), 0);
    if (batch.size > 0 && entries + more > entriesMax) {
      yield batch;
      batch = new Set();
      entries = 0;
    }
    batch.add(range);
    entries += more;
  }
  if (batch.size > 0) yield batch;
}

/** Once enough keys are certain to differ, nothing more is read: not for their sake, nor for that of versions. */
async function examine(
  comparing: Comparing,
  ranges: ReadonlySet<number>,
  sums: readonly RangeSums[],
  onlyVersions: boolean,
): Promise<void> {
  const { tally, options } = comparing;
  const enough = isEnough(tally.differing) || (onlyVersions && isEnough(tally.versions));
  if (enough) {
    tally.complete &&= onlyVersions;
    tally.versionsComplete = false;
    return;
  }
  const onRead = createProgress(comparing, `read again for ${count(ranges.size, "range")} of keys that differ`);
  const listing = await listRanges(ranges, { ...comparing, onRead }, options.strict);
  correct(tally, ranges, sums, listing);
  const valuesSeen = await lookAtAll(comparing, listing.values, () => isEnough(tally.differing));
  const versionsSeen = await lookAtAll(comparing, listing.versions, () => isEnough(tally.differing) || isEnough(tally.versions));
  tally.complete &&= valuesSeen;
  tally.versionsComplete &&= versionsSeen;
}

const isEnough = (keys: readonly DifferingKey[]): boolean => keys.length >= VERIFY_BATCH_KEYS;

/** The listing counts a key once that came twice. */
function correct({ counts }: Tally, ranges: ReadonlySet<number>, sums: readonly RangeSums[], listing: Listing): void {
  counts.forEach((site, at) => {
    for (const range of ranges) {
      site.values -= sums[at]?.values[range] ?? 0;
      site.tombstones -= sums[at]?.tombstones[range] ?? 0;
    }
    site.values += listing.counts[at]?.values ?? 0;
    site.tombstones += listing.counts[at]?.tombstones ?? 0;
  });
}

/** Whether all were looked at, before enough were certain. */
async function lookAtAll(comparing: Comparing, keys: readonly string[], enough: () => boolean): Promise<boolean> {
  const { tally, bucket, options, onProgress } = comparing;
  const onLook = (left: number, look: number) =>
    onProgress(`${bucket.name}: ${count(left, "differing key")}, look ${look} of ${Math.max(1, options.retries)}`);
  for (let from = 0; from < keys.length; from += VERIFY_BATCH_KEYS) {
    if (enough()) return false;
    const batch = keys.slice(from, from + VERIFY_BATCH_KEYS);
    const found = await stillDiffering(batch, { ...comparing, onLook }, options);
    for (const one of found) (one.category === "version" ? tally.versions : tally.differing).push(one);
    tally.inFlight += batch.length - found.length;
  }
  return true;
}

/** Of all sites together, now and then. */
function createProgress({ bucket, sites, onProgress }: Comparing, what: string): () => void {
  const all = sites.reduce((sum, { life }) => sum + (life?.keys ?? 0), 0);
  let read = 0;
  const tell = () => onProgress(`${bucket.name}: ${read} of ${count(all, "message")} ${what}`);
  tell();
  return () => void (++read % PROGRESS_EVERY === 0 && tell());
}

const PROGRESS_EVERY = 10_000;

function toComparison({ bucket, sites, tally, options }: Comparing): BucketComparison {
  const { differing, complete, versions, versionsComplete, inFlight } = tally;
  const all = [...differing, ...versions];
  const countOf = (category: Category) => all.filter((one) => one.category === category).length;
  const isSame = differing.length === 0 && (!options.strict || versions.length === 0);
  return {
    bucket: bucket.name,
    equal: isSame && sites.every(({ life }) => life !== null),
    sites: Object.fromEntries(
      sites.map(({ id, life }, at) => {
        const { values: keys = 0, tombstones = 0, notLogged = 0 } = tally.counts[at] ?? {};
        const name = bucket.sites.get(id)?.bucket ?? bucket.name;
        return [id, { bucket: name, exists: life !== null, keys, tombstones, notLogged }];
      }),
    ),
    categories: {
      ...{ different: countOf("different"), missing: countOf("missing") },
      ...{ extra: countOf("extra"), version: countOf("version") },
    },
    ...{ differing: byKey(differing), complete, versions: byKey(versions), versionsComplete, inFlight },
  };
}

const byKey = (keys: readonly DifferingKey[]): readonly DifferingKey[] => [...keys].sort((a, b) => (a.key < b.key ? -1 : 1));
