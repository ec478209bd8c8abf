/** The comparison alone, over readers whose answers change as a test needs it: what real servers do only by chance. */
import { describe, expect, it } from "vitest";
import { type BucketComparison, compareBucket } from "../../src/cli/verify/compare.js";
import type { BucketConfig } from "../../src/config/config.js";
import { parseConfig } from "../../src/config/parse.js";
import { GatewayError } from "../../src/core/errors.js";
import type { SiteId } from "../../src/core/ids.js";
import { VERIFY_BATCH_KEYS } from "../../src/core/limits.js";
import type { Entry, EntryKind } from "../../src/core/operation.js";
import type { BucketReader } from "../../src/nats/bucket-reader.js";

const NOW_MS = 1_000_000;
const bytes = (text: string) => new TextEncoder().encode(text);

function entry(key: string, value: string, changes: { readonly kind?: EntryKind; readonly expiresUs?: number | null } = {}): Entry {
  const base = { revision: 1, timestampUs: 1, timestampNs: "1000", version: null, expiresUs: null };
  return { ...base, kind: "put", key, value: bytes(value), ...changes };
}

/** Hands out one list in the scan, and then what `now` answers for each key. */
function reader(scanned: readonly Entry[], now: (key: string) => Entry | null = (key) => scanned.find((e) => e.key === key) ?? null): BucketReader {
  return {
    exists: () => Promise.resolve(true),
    scan: (onEntry) => Promise.resolve(scanned.forEach((one) => onEntry(one))),
    read: (key) => Promise.resolve(now(key)),
  };
}

function bucketConfig(): BucketConfig {
  const names = ["site-a", "site-b", "site-c"];
  const sites = Object.fromEntries(names.map((name, index) => [name, { servers: [`nats://127.0.0.1:${4222 + index}`] }]));
  const parsed = parseConfig(JSON.stringify({ version: 1, site: "site-a", sites, buckets: { config: {} } }), { file: "f", env: {} });
  const bucket = parsed.ok ? [...parsed.value.buckets.values()][0] : undefined;
  if (bucket === undefined) throw new Error("the test's own config is wrong");
  return bucket;
}

function compare(...readers: readonly BucketReader[]): Promise<BucketComparison> {
  const names = ["site-a", "site-b", "site-c"] as SiteId[];
  return compareBucket(bucketConfig(), {
    readers: new Map(readers.map((one, index) => [names[index] as SiteId, one])),
    clock: { nowMs: () => NOW_MS, elapsedMs: () => 0, schedule: () => () => undefined },
    onProgress: () => undefined,
  });
}

describe("the comparison of a bucket", () => {
  it("does not report what arrives while it looks", async () => {
    let looks = 0;
    const late = reader([], (key) => (++looks >= 3 ? entry(key, "dark") : null));
    const result = await compare(reader([entry("theme", "dark")]), late);
    expect(result).toMatchObject({ equal: true, differing: [], inFlight: 1, complete: true });
    expect(looks).toBe(3);
  });

  it("reports what stays different, and by what each site held last", async () => {
    const result = await compare(reader([entry("theme", "dark")]), reader([entry("theme", "lights")]), reader([]));
    expect(result).toMatchObject({ equal: false, inFlight: 0 });
    expect(result.differing).toEqual([
      {
        key: "theme",
        sites: {
          "site-a": { kind: "value", hash: expect.any(String), bytes: 4, revision: 1 },
          "site-b": { kind: "value", hash: expect.any(String), bytes: 6, revision: 1 },
          "site-c": { kind: "missing" },
        },
      },
    ]);
  });

  it("notices a third site that differs from two equal ones", async () => {
    const equal = [entry("theme", "dark")];
    const result = await compare(reader(equal), reader(equal), reader([entry("theme", "pink")]));
    expect(result.differing.map(({ key }) => key)).toEqual(["theme"]);
  });

  it("takes for absent what the server removed and what is past its deadline", async () => {
    const past = entry("past", "x", { expiresUs: NOW_MS * 1_000 });
    const removed = entry("removed", "", { kind: "expired" });
    expect(await compare(reader([past, removed]), reader([]))).toMatchObject({ equal: true, inFlight: 0 });
    const future = entry("future", "x", { expiresUs: NOW_MS * 1_000 + 1 });
    expect(await compare(reader([future]), reader([]))).toMatchObject({ equal: false });
  });

  it("counts a key once that is written while it is read", async () => {
    const twice = reader([entry("theme", "dark"), entry("theme", "light"), entry("gone", "x"), entry("gone", "", { kind: "delete" })]);
    const result = await compare(twice, reader([entry("theme", "light")]));
    expect(result).toMatchObject({ equal: true, inFlight: 0, sites: { "site-a": { keys: 1 }, "site-b": { keys: 1 } } });
  });

  it("stops looking once enough is certain, and says so", async () => {
    const many = Array.from({ length: VERIFY_BATCH_KEYS * 2 + 1 }, (_, index) => entry(`key-${index}`, "x"));
    const byKey = new Map(many.map((one) => [one.key, one]));
    const result = await compare(reader(many, (key) => byKey.get(key) ?? null), reader([]));
    expect(result.differing).toHaveLength(VERIFY_BATCH_KEYS);
    expect(result).toMatchObject({ equal: false, complete: false, sites: { "site-a": { keys: many.length } } });
  });

  it("looks on while what differed at first turns out equal", async () => {
    const many = Array.from({ length: VERIFY_BATCH_KEYS + 1 }, (_, index) => entry(`key-${String(index).padStart(6, "0")}`, "x"));
    const last = many.at(-1)?.key ?? "";
    const byKey = new Map(many.map((one) => [one.key, one]));
    const now = (key: string) => byKey.get(key) ?? null;
    const result = await compare(reader(many, now), reader([], (key) => (key === last ? null : now(key))));
    expect(result.differing.map(({ key }) => key)).toEqual([last]);
    expect(result).toMatchObject({ complete: true, inFlight: VERIFY_BATCH_KEYS });
  });

  it("fails as a whole when one site fails", async () => {
    const failing = { ...reader([]), scan: () => Promise.reject(new GatewayError("KVGW_UNREACHABLE", "gone")) };
    await expect(compare(reader([]), failing)).rejects.toThrow("gone");
  });
});
