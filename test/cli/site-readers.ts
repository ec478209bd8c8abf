/** Sites whose bucket and log answer what a test says, and their comparison. */
import { type BucketComparison, type CompareOptions, compareBucket } from "../../src/cli/verify/compare.js";
import type { SiteReader } from "../../src/cli/verify/reading.js";
import type { BucketConfig } from "../../src/config/config.js";
import { parseConfig } from "../../src/config/parse.js";
import type { Key, SiteId } from "../../src/core/ids.js";
import { type Entry, type EntryIdentity, type LoggedOperation, NO_BYTES } from "../../src/core/operation.js";
import type { Version } from "../../src/core/version.js";
import type { LogReader } from "../../src/nats/log-reader.js";

export const NOW_MS = 1_000_000;
/** When the bucket of every site was made. */
export const CREATED = "1700000000000000000";

export function entry(key: string, value: string, changes: Partial<Entry> = {}): Entry {
  const base = { revision: 1, timestampUs: 1, timestampNs: "1000", version: null, expiresUs: null };
  return { ...base, kind: "put", key, value: new TextEncoder().encode(value), ...changes };
}

export function logged(key: string, version: Version, identity: EntryIdentity | null): LoggedOperation {
  const operation = { kind: "put", key: key as Key, value: NO_BYTES, version, base: null, expiresUs: null } as const;
  return { operation, sequence: 1, identity };
}

export const log = (operations: readonly LoggedOperation[]): LogReader => ({
  scan: (onOperation) => Promise.resolve(operations.forEach((one) => onOperation(one))),
  read: (key) => Promise.resolve(operations.find(({ operation }) => operation.key === (key as Key)) ?? null),
});

/** Hands out one list in every scan, and what `now` answers for each key. */
export function reader(
  scanned: readonly Entry[],
  now: (key: string) => Entry | null = (key) => scanned.find((one) => one.key === key) ?? null,
  ownLog: LogReader = log([]),
  keys = scanned.length,
): SiteReader {
  return {
    bucket: {
      life: () => Promise.resolve({ created: CREATED, keys }),
      scan: (onEntry) => Promise.resolve(scanned.forEach((one) => onEntry(one))),
      read: (key) => Promise.resolve(now(key)),
    },
    log: ownLog,
  };
}

const NAMES = ["site-a", "site-b", "site-c"];

function bucketConfig(): BucketConfig {
  const sites = Object.fromEntries(NAMES.map((name, index) => [name, { servers: [`nats://127.0.0.1:${4222 + index}`] }]));
  const parsed = parseConfig(JSON.stringify({ version: 1, site: "site-a", sites, buckets: { config: {} } }), { file: "f", env: {} });
  const bucket = parsed.ok ? [...parsed.value.buckets.values()][0] : undefined;
  if (bucket === undefined) throw new Error("the test's own config is wrong");
  return bucket;
}

/** Without waiting, whatever the time between two looks. */
export function compare(
  readers: readonly SiteReader[],
  options: Partial<CompareOptions> = {},
  onProgress: (sentence: string) => void = () => undefined,
): Promise<BucketComparison> {
  const deps = {
    readers: new Map(readers.map((one, index) => [NAMES[index] as SiteId, one])),
    clock: { nowMs: () => NOW_MS, elapsedMs: () => 0, schedule: (_: number, callback: () => void) => (setImmediate(callback), () => undefined) },
    onProgress,
  };
  return compareBucket(bucketConfig(), deps, { retries: 4, waitMs: 500, strict: false, ...options });
}
