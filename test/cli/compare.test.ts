/** The comparison alone, over readers whose answers change as a test needs it: what real servers do only by chance. */
import { describe, expect, it } from "vitest";
import { GatewayError } from "../../src/core/errors.js";
import { VERIFY_BATCH_KEYS } from "../../src/core/limits.js";
import { CREATED, NOW_MS, compare, entry, log, logged, reader } from "./site-readers.js";

describe("the comparison of a bucket", () => {
  it("does not report what arrives while it looks", async () => {
    let looks = 0;
    const late = reader([], (key) => (++looks >= 3 ? entry(key, "dark") : null));
    const result = await compare([reader([entry("theme", "dark")]), late]);
    expect(result).toMatchObject({ equal: true, differing: [], inFlight: 1, complete: true });
    expect(looks).toBe(3);
  });

  it("reports what stays different, and by what each site held last", async () => {
    const result = await compare([reader([entry("theme", "dark")]), reader([entry("theme", "lights", { timestampUs: 2 })]), reader([])]);
    expect(result).toMatchObject({ equal: false, inFlight: 0 });
    expect(result.differing).toEqual([
      {
        key: "theme",
        category: "different",
        sites: {
          "site-a": { is: "different", kind: "value", hash: expect.any(String), bytes: 4, revision: 1, writtenUs: 1, version: null },
          "site-b": { is: "newest", kind: "value", hash: expect.any(String), bytes: 6, revision: 1, writtenUs: 2, version: null },
          "site-c": { is: "missing", kind: "missing" },
        },
      },
    ]);
  });

  it("notices a third site that differs from two equal ones", async () => {
    const equal = [entry("theme", "dark")];
    const result = await compare([reader(equal), reader(equal), reader([entry("theme", "pink")])]);
    expect(result.differing.map(({ key }) => key)).toEqual(["theme"]);
  });

  it("takes for absent what the server removed and what is past its deadline", async () => {
    const past = entry("past", "x", { expiresUs: NOW_MS * 1_000 });
    const removed = entry("removed", "", { kind: "expired" });
    expect(await compare([reader([past, removed]), reader([])])).toMatchObject({ equal: true, inFlight: 0 });
    const future = entry("future", "x", { expiresUs: NOW_MS * 1_000 + 1 });
    expect(await compare([reader([future]), reader([])])).toMatchObject({ equal: false });
  });

  it("counts a key once that is written while it is read", async () => {
    const twice = reader([entry("theme", "dark"), entry("theme", "light"), entry("gone", "x"), entry("gone", "", { kind: "delete" })]);
    const result = await compare([twice, reader([entry("theme", "light")])]);
    expect(result).toMatchObject({ equal: true, inFlight: 0, sites: { "site-a": { keys: 1 }, "site-b": { keys: 1 } } });
  });

  it("stops looking once enough is certain, and says so", async () => {
    const many = Array.from({ length: VERIFY_BATCH_KEYS * 2 + 1 }, (_, index) => entry(`key-${index}`, "x"));
    const byKey = new Map(many.map((one) => [one.key, one]));
    const result = await compare([reader(many, (key) => byKey.get(key) ?? null), reader([])]);
    expect(result.differing).toHaveLength(VERIFY_BATCH_KEYS);
    expect(result).toMatchObject({ equal: false, complete: false, sites: { "site-a": { keys: many.length } } });
  });

  it("looks on while what differed at first turns out equal", async () => {
    const many = Array.from({ length: VERIFY_BATCH_KEYS + 1 }, (_, index) => entry(`key-${String(index).padStart(6, "0")}`, "x"));
    const last = many.at(-1)?.key ?? "";
    const byKey = new Map(many.map((one) => [one.key, one]));
    const now = (key: string) => byKey.get(key) ?? null;
    const result = await compare([reader(many, now), reader([], (key) => (key === last ? null : now(key)))]);
    expect(result.differing.map(({ key }) => key)).toEqual([last]);
    expect(result).toMatchObject({ complete: true, inFlight: VERIFY_BATCH_KEYS });
  });

  it("fails as a whole when one site fails", async () => {
    const { bucket, log: none } = reader([]);
    const failing = { bucket: { ...bucket, scan: () => Promise.reject(new GatewayError("KVGW_UNREACHABLE", "gone")) }, log: none };
    await expect(compare([reader([]), failing])).rejects.toThrow("gone");
  });

  it("looks as often as it was told to, and once without a retry", async () => {
    for (const [retries, looksExpected] of [[0, 1], [1, 1], [7, 7]] as const) {
      let looks = 0;
      const never = reader([], () => (looks++, null));
      expect(await compare([reader([entry("theme", "dark")]), never], { retries })).toMatchObject({ equal: false });
      expect(looks).toBe(looksExpected);
    }
  });

  it("counts every differing key once, by what is wrong with it", async () => {
    const version = (ts: number) => ({ version: { ts, site: "site-a" as never } });
    const a = reader([
      entry("same", "v", version(5)),
      entry("other", "new", version(9)),
      entry("only-a", "v", version(5)),
      entry("deleted-here", "", { kind: "delete", ...version(9) }),
      entry("behind", "v", version(9)),
    ]);
    const b = reader([
      entry("same", "v", version(5)),
      entry("other", "old", version(5)),
      entry("deleted-here", "v", version(5)),
      entry("behind", "v", version(5)),
    ]);
    const result = await compare([a, b]);
    expect(result.categories).toEqual({ different: 1, missing: 1, extra: 1, version: 1 });
    expect(result.differing.map(({ key, category }) => [key, category])).toEqual([
      ["deleted-here", "extra"],
      ["only-a", "missing"],
      ["other", "different"],
    ]);
    expect(result.versions.map(({ key }) => key)).toEqual(["behind"]);
  });
});

describe("versions", () => {
  const site = "site-a" as never;
  const local = entry("theme", "dark", { revision: 7, timestampNs: "7000000", timestampUs: 7_000 });
  const identity = { bucketCreated: CREATED, revision: 7, timestampNs: "7000000" };
  const applied = (ts: number) => entry("theme", "dark", { version: { ts, site } });

  it("of a site's own writes stand in its log", async () => {
    const a = reader([local], undefined, log([logged("theme", { ts: 5, site }, identity)]));
    const equal = await compare([a, reader([applied(5)])], { strict: true });
    expect(equal).toMatchObject({ equal: true, inFlight: 0, sites: { "site-a": { notLogged: 0 } } });
    const other = await compare([a, reader([applied(4)])]);
    expect(other).toMatchObject({ equal: true, categories: { version: 1 }, differing: [] });
    expect(other.versions[0]?.sites).toMatchObject({
      "site-a": { is: "newest", version: { ts: 5, site } },
      "site-b": { is: "version", version: { ts: 4, site } },
    });
    expect(await compare([a, reader([applied(4)])], { strict: true })).toMatchObject({ equal: false });
  });

  it.each([
    ["another life of the bucket", { ...identity, bucketCreated: "1" }],
    ["another revision", { ...identity, revision: 8 }],
    ["another time", { ...identity, timestampNs: "7000001000" }],
    ["nothing that can be found", null],
  ])("are not known where the log names %s: a difference only if that is asked for", async (_, named) => {
    const readers = [reader([local], undefined, log([logged("theme", { ts: 5, site }, named)])), reader([applied(5)])];
    const usual = await compare(readers);
    expect(usual).toMatchObject({ equal: true, categories: { version: 0 }, sites: { "site-a": { notLogged: 1 } } });
    const strict = await compare(readers, { strict: true });
    expect(strict).toMatchObject({ equal: false, categories: { version: 1 } });
    expect(strict.versions[0]?.sites).toMatchObject({ "site-a": { is: "version", version: null } });
  });

  it("of tombstones are compared where both sites have one", async () => {
    const tombstone = (ts: number) => entry("theme", "", { kind: "delete", version: { ts, site } });
    expect(await compare([reader([tombstone(5)]), reader([tombstone(5)])], { strict: true })).toMatchObject({ equal: true });
    expect(await compare([reader([tombstone(5)]), reader([])], { strict: true })).toMatchObject({
      equal: true,
      inFlight: 0,
      sites: { "site-a": { keys: 0, tombstones: 1 }, "site-b": { keys: 0, tombstones: 0 } },
    });
    expect(await compare([reader([tombstone(5)]), reader([tombstone(6)])])).toMatchObject({ equal: true, categories: { version: 1 } });
  });

  it("that cannot be told do not hide that values differ", async () => {
    const many = Array.from({ length: VERIFY_BATCH_KEYS + 10 }, (_, index) => entry(`key-${index}`, "x", { version: { ts: 5, site } }));
    const others = many.map((one) => ({ ...one, version: { ts: 4, site } }));
    const result = await compare([reader([...many, entry("odd", "1")]), reader([...others, entry("odd", "2")])], { retries: 0 });
    expect(result.differing.map(({ key }) => key)).toEqual(["odd"]);
    expect(result).toMatchObject({ equal: false, complete: true, versionsComplete: false });
    expect(result.versions.length).toBeGreaterThanOrEqual(VERIFY_BATCH_KEYS);
  });
});

describe("a bucket larger than what memory may hold", () => {
  const keys = Array.from({ length: 500 }, (_, index) => entry(`key-${index}`, "x", { revision: index + 1, timestampNs: `${index}000` }));
  const changed = keys.map((one, index) => (index % 5 === 0 ? { ...one, value: new Uint8Array(1) } : one));

  it("is read part by part, with the same result", async () => {
    const readers = [reader(keys, undefined, undefined, 500), reader(changed, undefined, undefined, 500)];
    const whole = await compare(readers, { retries: 0 });
    expect(whole.differing).toHaveLength(100);
    expect(whole).toMatchObject({ complete: true, sites: { "site-a": { keys: 500, notLogged: 500 }, "site-b": { keys: 500 } } });
    expect(await compare(readers, { retries: 0, sliceKeys: 60 })).toEqual(whole);
    expect(await compare(readers, { retries: 0, listedEntries: 7 })).toEqual(whole);
  });

  it("is read once if the sites are equal", async () => {
    let scans = 0;
    const { bucket, log: none } = reader(keys);
    const counting = { bucket: { ...bucket, scan: (on: Parameters<typeof bucket.scan>[0]) => (scans++, bucket.scan(on)) }, log: none };
    expect(await compare([counting, counting])).toMatchObject({ equal: true });
    expect(scans).toBe(2);
  });

  it("says how far it is", async () => {
    const said: string[] = [];
    const many = Array.from({ length: 10_000 }, (_, index) => entry(`key-${index}`, "x"));
    await compare([reader(many, undefined, undefined, 10_000), reader(many, undefined, undefined, 10_000)], {}, (sentence) => said.push(sentence));
    expect(said).toEqual([0, 10_000, 20_000].map((read) => `config: ${read} of 20000 messages read`));
  });
});
