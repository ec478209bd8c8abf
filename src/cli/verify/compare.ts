/**
 * Whether a bucket holds the same keys and values at all its sites. Reads every site once, keeping a hash per key and
 * no value, then looks again at the keys that differ: what was only on its way is not a difference.
 *
 * Absent is absent, whether by a delete, an expiry or because nothing was ever written: sites may forget tombstones at
 * different times. A key that was equal in any look is not a difference.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { BucketConfig } from "../../config/config.js";
import { hash128 } from "../../core/hash.js";
import type { SiteId } from "../../core/ids.js";
import { createKeyFilter } from "../../core/key-filter.js";
import { VERIFY_BATCH_KEYS, VERIFY_LOOKS_MAX, VERIFY_LOOK_AGAIN_MS, VERIFY_READS_MAX } from "../../core/limits.js";
import type { Entry } from "../../core/operation.js";
import type { Clock } from "../../core/ports.js";
import type { BucketReader } from "../../nats/bucket-reader.js";

/** What a site holds of one key. */
export type Holding =
  | { readonly kind: "value"; readonly hash: string; readonly bytes: number; readonly revision: number }
  | { readonly kind: "missing" };

export interface DifferingKey {
  readonly key: string;
  readonly sites: Readonly<Record<SiteId, Holding>>;
}

export interface BucketComparison {
  readonly bucket: string;
  readonly equal: boolean;
  readonly sites: Readonly<Record<SiteId, { readonly bucket: string; readonly exists: boolean; readonly keys: number }>>;
  readonly differing: readonly DifferingKey[];
  /** False if there are more differing keys than `differing` holds: the rest was not looked at again. */
  readonly complete: boolean;
  /** Keys that differed at first and were equal soon after. */
  readonly inFlight: number;
}

export interface CompareDeps {
  readonly readers: ReadonlyMap<SiteId, BucketReader>;
  readonly clock: Clock;
  readonly onProgress: (sentence: string) => void;
}

/** A hash per site, in the order of the sites; undefined where the key is absent. */
type Hashes = (string | undefined)[];

export async function compareBucket(bucket: BucketConfig, deps: CompareDeps): Promise<BucketComparison> {
  const sites = [...deps.readers.keys()];
  const exists = await Promise.all([...deps.readers.values()].map((reader) => reader.exists()));
  const hashesByKey = await readAll(bucket, exists, deps);
  const suspects = [...hashesByKey].filter(([, hashes]) => hashes.some((hash) => hash !== hashes[0])).map(([key]) => key);
  const keys = sites.map((_, index) => countWhere(hashesByKey.values(), (hashes) => hashes[index] !== undefined));
  hashesByKey.clear();
  const { differing, looked } = await lookAgain(bucket, suspects, deps);
  return {
    bucket: bucket.name,
    equal: differing.length === 0 && exists.every(Boolean),
    sites: record(
      sites.map((site, index) => {
        const name = bucket.sites.get(site)?.bucket ?? bucket.name;
        return [site, { bucket: name, exists: exists[index] === true, keys: keys[index] ?? 0 }];
      }),
    ),
    differing,
    complete: looked === suspects.length,
    inFlight: looked - differing.length,
  };
}

async function readAll(
  bucket: BucketConfig,
  exists: readonly boolean[],
  deps: CompareDeps,
): Promise<Map<string, Hashes>> {
  const { clock, readers, onProgress } = deps;
  const takesPart = createKeyFilter(bucket.keys);
  const hashesByKey = new Map<string, Hashes>();
  let read = 0;

  function note(site: number, entry: Entry): void {
    if (++read % PROGRESS_EVERY === 0) onProgress(`${bucket.name}: ${read} entries read`);
    if (!takesPart(entry.key)) return;
    const value = valueOf(entry, clock);
    const known = hashesByKey.get(entry.key);
    if (value === null && known === undefined) return;
    const hashes = known ?? new Array<undefined>(readers.size).fill(undefined);
    const hash = value === null ? undefined : hash128(value);
    // Equal hashes are kept once: most are equal.
    hashes[site] = hashes.find((other) => other === hash) ?? hash;
    if (known === undefined) hashesByKey.set(entry.key, hashes);
  }

  await Promise.all(
    [...readers.values()].map(async (reader, site) => {
      if (exists[site] === true) await reader.scan((entry) => note(site, entry));
    }),
  );
  return hashesByKey;
}

const PROGRESS_EVERY = 10_000;

/** Batch after batch, until all are done or enough are certain. */
async function lookAgain(
  bucket: BucketConfig,
  suspects: readonly string[],
  deps: CompareDeps,
): Promise<{ readonly differing: readonly DifferingKey[]; readonly looked: number }> {
  const differing: DifferingKey[] = [];
  let looked = 0;
  while (looked < suspects.length && differing.length < VERIFY_BATCH_KEYS) {
    const batch = suspects.slice(looked, looked + VERIFY_BATCH_KEYS);
    looked += batch.length;
    differing.push(...(await stillDiffering(bucket, batch, deps)));
  }
  differing.sort((a, b) => (a.key < b.key ? -1 : 1));
  return { differing, looked };
}

async function stillDiffering(
  bucket: BucketConfig,
  batch: readonly string[],
  deps: CompareDeps,
): Promise<readonly DifferingKey[]> {
  let left: readonly DifferingKey[] = batch.map((key) => ({ key, sites: record([]) }));
  for (let look = 1; look <= VERIFY_LOOKS_MAX && left.length > 0; look++) {
    deps.onProgress(`${bucket.name}: ${left.length} differing keys, look ${look} of ${VERIFY_LOOKS_MAX}`);
    await sleep(VERIFY_LOOK_AGAIN_MS);
    left = await readKeys(left.map(({ key }) => key), deps);
  }
  return left;
}

/** The keys that differ right now, with what each site holds. All sites are asked at once, so that one moment answers. */
async function readKeys(keys: readonly string[], { readers, clock }: CompareDeps): Promise<readonly DifferingKey[]> {
  const differing: DifferingKey[] = [];
  for (let from = 0; from < keys.length; from += VERIFY_READS_MAX) {
    const reads = keys.slice(from, from + VERIFY_READS_MAX).map(async (key) => {
      const holdings = await Promise.all(
        [...readers].map(async ([site, reader]) => [site, holdingOf(await reader.read(key), clock)] as const),
      );
      const marks = holdings.map(([, holding]) => (holding.kind === "value" ? holding.hash : null));
      if (marks.some((mark) => mark !== marks[0])) differing.push({ key, sites: record(holdings) });
    });
    await Promise.all(reads);
  }
  return differing;
}

function holdingOf(entry: Entry | null, clock: Clock): Holding {
  const value = entry === null ? null : valueOf(entry, clock);
  if (entry === null || value === null) return { kind: "missing" };
  return { kind: "value", hash: hash128(value), bytes: value.length, revision: entry.revision };
}

/** Null if the key is absent: deleted, removed by the server, or past its deadline though the server still has it. */
function valueOf({ kind, value, expiresUs }: Entry, clock: Clock): Uint8Array | null {
  const expired = expiresUs !== null && expiresUs <= clock.nowMs() * 1_000;
  return kind === "put" && !expired ? value : null;
}

function countWhere<T>(items: Iterable<T>, holds: (item: T) => boolean): number {
  let sum = 0;
  for (const item of items) if (holds(item)) sum++;
  return sum;
}

const record = <V>(entries: readonly (readonly [SiteId, V])[]): Record<SiteId, V> => Object.fromEntries(entries);
