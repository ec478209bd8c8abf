/** What every bucket store promises: the words of `BucketStore` in src/core/ports.ts, one by one. */
import { afterEach, describe, expect, it } from "vitest";
import { READ_WINDOW_MESSAGES } from "../../src/core/limits.js";
import { NO_BYTES, type Operation } from "../../src/core/operation.js";
import type { BucketStore, WriteOutcome } from "../../src/core/ports.js";
import { operationAt } from "../core/arbitraries.js";
import { keyNamed } from "../core/names.js";
import { eventually } from "../support/eventually.js";
import { tailOf } from "./recorder.js";
import { type BucketOptions, type BucketRig, PEER } from "./rigs.js";

const K = keyNamed("k");
const DEL = { "KV-Operation": "DEL" };
const PURGE = { "KV-Operation": "PURGE", "Nats-Rollup": "sub" };
const TS = 1_730_542_200_000_000;
const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const AN_HOUR_BY_SEVEN_NS = 514_285_714_285;
const LEGAL_KEYS = ["k", "a.b.c", "-", "_", "=", "/", "/a/b", "a/b=c_d-e.F9", "__proto__", "k".repeat(1_000)].map(keyNamed);

export const applied = (store: BucketStore, operation: Operation, expected: number): Promise<WriteOutcome> =>
  new Promise((resolve) => store.apply(operation, expected, resolve));

export function bucketStoreContract(make: (options: BucketOptions) => Promise<BucketRig>): void {
  let rig: BucketRig | undefined;
  const start = async (options: BucketOptions = {}): Promise<BucketRig> => (rig = await make(options));
  const opened = async (options: BucketOptions = {}): Promise<BucketRig> => {
    const made = await start(options);
    await made.store.open();
    return made;
  };
  afterEach(async () => {
    await rig?.dispose();
    rig = undefined;
  });

  describe("opening", () => {
    it("tells what the bucket is, and where it stands", async () => {
      const { store, stream } = await start({ history: 5, messageBytesMax: 10_000 });
      await stream.publish("k", "v");
      const info = await store.open();
      expect(info).toMatchObject({ history: 5, replicas: 1, messageBytesMax: 10_000, lastSequence: 1 });
      expect(info.created).toMatch(/^[0-9]{19}$/);
      expect((await store.open()).created).toBe(info.created);
    });

    it("makes a missing bucket where it may, and otherwise says that it is missing", async () => {
      const made = await start({ missing: "made", history: 3 });
      expect(await made.store.open()).toMatchObject({ history: 3, lastSequence: 0 });
      await made.dispose();
      const awaited = await start({ missing: "awaited" });
      await expect(awaited.store.open()).rejects.toMatchObject({ code: "KVGW_BUCKET_MISSING" });
    });

    it("fails with a code while the server is away", async () => {
      const { store, kill } = await start();
      await kill();
      await expect(store.open()).rejects.toMatchObject({
        code: expect.stringMatching(/KVGW_(UNREACHABLE|TIMEOUT)/) as string,
      });
    });
  });

  describe("the tail", () => {
    it("of an empty bucket has caught up at once, once, and then shows what comes", async () => {
      const { store, stream, quiet } = await opened();
      const { story } = await tailOf(store);
      await eventually(() => expect(story).toEqual(["caught up"]), { what: "caught up" });
      await stream.publish("k", "v");
      await eventually(() => expect(story).toEqual(["caught up", "put k@1"]), { what: "the first entry" });
      await quiet();
      expect(story).toHaveLength(2);
    });

    it("shows the last entry of every key in revision order, then each as it comes, and nothing early", async () => {
      const { store, stream } = await opened({ history: 3 });
      for (const key of ["a", "b", "a", "c"]) await stream.publish(key, "v");
      await stream.publish("b", "", DEL);
      const { story, cameEarly } = await tailOf(store);
      await eventually(() => expect(story).toEqual(["put a@3", "put c@4", "delete b@5", "caught up"]), {
        what: "caught up",
      });
      await stream.publish("a", "", PURGE);
      await stream.publish("a", "v");
      await eventually(() => expect(story.slice(4)).toEqual(["purge a@6", "put a@7"]), { what: "what came" });
      expect(cameEarly()).toBe(false);
    });

    it("catches up, once, although the last messages have vanished, or all of them", async () => {
      const { store, stream, quiet } = await opened();
      for (const key of ["a", "b", "c"]) await stream.publish(key, "v");
      await stream.purge("c");
      const some = await tailOf(store);
      await eventually(() => expect(some.story).toEqual(["put a@1", "put b@2", "caught up"]), { what: "caught up" });
      await some.reader.stop();
      for (const key of ["a", "b"]) await stream.purge(key);
      const none = await tailOf(store);
      await eventually(() => expect(none.story).toEqual(["caught up"]), { what: "caught up on nothing" });
      await stream.publish("d", "v");
      await eventually(() => expect(none.story).toEqual(["caught up", "put d@4"]), { what: "what came" });
      await quiet();
      expect(some.story).toHaveLength(3);
    });

    it("catches up although messages vanish while it is read", async () => {
      const { store, stream } = await opened();
      for (let n = 1; n <= 50; n++) await stream.publish(`k${n}`, "v");
      const tail = tailOf(store);
      for (let n = 50; n > 40; n--) await stream.purge(`k${n}`);
      const { story } = await tail;
      await eventually(() => expect(story).toContain("caught up"), { what: "caught up" });
      expect(story.filter((each) => each.startsWith("put")).length).toBeGreaterThanOrEqual(40);
    });

    it("brings what it had still to bring when other keys are purged, in order", async () => {
      const { store, stream } = await opened({ history: 2 });
      const { reader, entries, story } = await tailOf(store, "never");
      await eventually(() => expect(story).toEqual(["caught up"]), { what: "caught up" });
      const [full, more] = [READ_WINDOW_MESSAGES, 10];
      await stream.publish("purged", "v");
      await Promise.all(Array.from({ length: full }, (_, n) => stream.publish(`k${n}`, "v")));
      await eventually(() => expect(entries).toHaveLength(full), { what: "a window of entries" });
      for (let n = 0; n < more; n++) await stream.publish(`more${n}`, "v");
      await stream.publish("rolled-up", "", PURGE);
      await stream.publish("between", "v");
      await stream.purge("purged");
      reader.release(full, full);
      const rest = () => entries.slice(full).map(({ key, revision }) => `${key}@${revision}`);
      const expected = [`k${full - 1}`, ...Array.from({ length: more }, (_, n) => `more${n}`), "rolled-up", "between"];
      const named = expected.map((key, n) => `${key}@${full + 1 + n}`);
      await eventually(() => expect(rest()).toEqual(named), { what: "the rest" });
      await stream.publish("last", "v");
      await eventually(() => expect(rest()).toEqual([...named, `last@${full + 1 + expected.length}`]), { what: "what comes then" });
    });

    it("gives an entry with value, time and revision as they stand", async () => {
      const { store, stream } = await opened();
      const before = Date.now() - 1_000;
      await stream.publish("k", EVERY_BYTE);
      const { entries } = await tailOf(store);
      await eventually(() => expect(entries).toHaveLength(1), { what: "the entry" });
      const [entry] = entries;
      expect(entry).toMatchObject({ kind: "put", key: "k", revision: 1, version: null, expiresUs: null });
      expect(Buffer.from(entry?.value ?? [])).toEqual(Buffer.from(EVERY_BYTE));
      expect(entry?.timestampUs).toBeGreaterThan(before * 1_000);
      expect(entry?.timestampUs).toBeLessThan((Date.now() + 60_000) * 1_000);
      expect(entry?.timestampNs.slice(0, -3)).toBe(String(entry?.timestampUs));
    });

    it("tells a deadline in whole microseconds, also where the bucket's age is none", async () => {
      const { store, stream } = await opened({ maxAgeNs: AN_HOUR_BY_SEVEN_NS });
      await stream.publish("k", "v");
      await stream.publish("with-headers", "v", { "X-Own": "y" });
      const { entries } = await tailOf(store);
      await eventually(() => expect(entries).toHaveLength(2), { what: "the entries" });
      for (const { expiresUs, timestampUs } of entries) expect((expiresUs ?? 0) - timestampUs).toBe(514_285_714);
    });

    it("gives the same entry the same time and revision every time it is read", async () => {
      const { store, stream } = await opened();
      await stream.publish("k", "v");
      const [first, second] = [await tailOf(store), await tailOf(store)];
      await eventually(() => expect([...first.entries, ...second.entries]).toHaveLength(2), { what: "both readings" });
      expect(second.entries).toEqual(first.entries);
    });

    it("shows every legal key, and a key that only the server allows as it stands", async () => {
      const { store, stream } = await opened();
      for (const key of LEGAL_KEYS) await stream.publish(key, key);
      await stream.publish("not:legal!", "v");
      const { entries } = await tailOf(store);
      await eventually(() => expect(entries.map(({ key }) => key)).toEqual([...LEGAL_KEYS, "not:legal!"]), {
        what: "all keys",
      });
    });

    it("hands out no more than its window before something is released", async () => {
      const { store, stream, quiet } = await opened();
      const more = 10;
      const publishes = Array.from({ length: READ_WINDOW_MESSAGES + more }, (_, n) => stream.publish(`k${n}`, "v"));
      await Promise.all(publishes);
      const { reader, entries, story } = await tailOf(store, "never");
      await eventually(() => expect(entries).toHaveLength(READ_WINDOW_MESSAGES), { what: "a window of entries" });
      await quiet();
      expect(entries).toHaveLength(READ_WINDOW_MESSAGES);
      expect(story).not.toContain("caught up");
      reader.release(READ_WINDOW_MESSAGES, READ_WINDOW_MESSAGES);
      await eventually(() => expect(story.at(-1)).toBe("caught up"), { what: "the rest" });
      expect(entries).toHaveLength(READ_WINDOW_MESSAGES + more);
    });
  });

  describe("counting and looking over", () => {
    it("tells how many keys there are and where the bucket ended, whatever the messages are", async () => {
      const { store, stream } = await start({ history: 3 });
      const { created } = await store.open();
      expect(await store.count()).toEqual({ created, keys: 0, lastSequence: 0 });
      for (const key of ["a", "b", "a", "c"]) await stream.publish(key, "v");
      await stream.publish("b", "", DEL);
      await stream.purge("c");
      expect(await store.count()).toEqual({ created, keys: 2, lastSequence: 5 });
      const found: [string, number][] = [];
      await store.scan((key, revision) => found.push([key, revision]));
      expect(found).toEqual([["a", 3], ["b", 5]]);
    });

    it("fails with a code while the server is away", async () => {
      const { store, kill } = await opened();
      await kill();
      const failure = { code: expect.stringMatching(/KVGW_(UNREACHABLE|TIMEOUT)/) as string };
      await expect(store.count()).rejects.toMatchObject(failure);
      await expect(store.scan(() => undefined)).rejects.toMatchObject(failure);
    });
  });

  describe("the end of a tail", () => {
    it("does not begin on another bucket than the one that was opened", async () => {
      const { store, stream } = await opened();
      await stream.publish("k", "v");
      await stream.remake();
      await expect(tailOf(store)).rejects.toMatchObject({ code: "KVGW_STREAM_CHANGED" });
      await store.open();
      expect((await tailOf(store)).entries).toEqual([]);
    });

    it("is told once when the stream is deleted, and nothing comes after it", async () => {
      const { store, stream, quiet } = await opened();
      await stream.publish("k", "v");
      const { story } = await tailOf(store);
      await eventually(() => expect(story).toContain("caught up"), { what: "caught up" });
      await stream.destroy();
      await eventually(() => expect(story.at(-1)).toMatch(/^lost KVGW_(READER_LOST|STREAM_CHANGED)$/), {
        what: "the loss",
      });
      await quiet();
      expect(story).toHaveLength(3);
    });

    it("is told once when the server dies", async () => {
      const { store, kill, quiet } = await opened();
      const { story } = await tailOf(store);
      await eventually(() => expect(story).toContain("caught up"), { what: "caught up" });
      await kill();
      await eventually(() => expect(story).toEqual(["caught up", "lost KVGW_READER_LOST"]), { what: "the loss" });
      await quiet();
      expect(story).toHaveLength(2);
    });

    it("is silent when it was asked for", async () => {
      const { store, stream, quiet } = await opened();
      const { reader, story } = await tailOf(store);
      await eventually(() => expect(story).toContain("caught up"), { what: "caught up" });
      await reader.stop();
      await stream.publish("k", "v");
      await stream.destroy();
      await quiet();
      expect(story).toEqual(["caught up"]);
    });
  });

  describe("an apply", () => {
    const put = operationAt(TS, PEER, { value: EVERY_BYTE });

    it("is stored byte by byte, and comes back on the tail with its version", async () => {
      const { store, find } = await opened();
      const { entries } = await tailOf(store);
      expect(await applied(store, put, 0)).toEqual({ kind: "written", revision: 1 });
      expect(await find("k")).toMatchObject({ value: Buffer.from(EVERY_BYTE), operation: "PUT", revision: 1 });
      await eventually(() => expect(entries).toHaveLength(1), { what: "the echo" });
      expect(entries[0]).toMatchObject({ kind: "put", version: put.version, revision: 1 });
      expect(Buffer.from(entries[0]?.value ?? [])).toEqual(Buffer.from(EVERY_BYTE));
    });

    it("keeps an empty value and a large one as they are", async () => {
      const { store, find } = await opened();
      const large = new Uint8Array(900_000).map((_, at) => at * 31);
      expect(await applied(store, { ...put, value: NO_BYTES }, 0)).toMatchObject({ kind: "written" });
      expect(await find("k")).toMatchObject({ operation: "PUT", value: Buffer.alloc(0) });
      expect(await applied(store, { ...put, value: large }, 1)).toMatchObject({ kind: "written" });
      expect(Buffer.compare((await find("k"))?.value ?? NO_BYTES, large)).toBe(0);
    });

    it.each([
      ["delete", "DEL"],
      ["purge", "PURGE"],
    ] as const)("of a %s is one to every KV client, and to the tail", async (kind, operation) => {
      const { store, stream, find } = await opened({ history: 5 });
      for (let n = 0; n < 3; n++) await stream.publish("k", "v");
      expect(await applied(store, { ...put, kind, value: NO_BYTES }, 3)).toEqual({ kind: "written", revision: 4 });
      expect(await find("k")).toMatchObject({ operation, value: Buffer.alloc(0) });
      expect(await stream.messages()).toBe(kind === "purge" ? 1 : 4);
      const { entries } = await tailOf(store);
      await eventually(() => expect(entries).toMatchObject([{ kind, version: put.version }]), { what: "the tombstone" });
    });

    it("works for every legal key", async () => {
      const { store, find } = await opened();
      for (const key of LEGAL_KEYS) {
        expect(await applied(store, { ...put, key }, 0), key.slice(0, 20)).toMatchObject({ kind: "written" });
        expect((await find(key))?.operation).toBe("PUT");
      }
    });

    it("is refused where the key stands elsewhere, with its last revision, and nothing is stored", async () => {
      const { store, stream, find } = await opened();
      await stream.publish("other", "v");
      await stream.publish("k", "mine");
      for (const expected of [0, 1, 3, 99])
        expect(await applied(store, put, expected)).toEqual({ kind: "refused", actual: 2 });
      await stream.publish("k", "", DEL);
      expect(await applied(store, put, 2)).toEqual({ kind: "refused", actual: 3 });
      expect((await find("k"))?.operation).toBe("DEL");
      expect(await applied(store, put, 3)).toEqual({ kind: "written", revision: 4 });
    });

    it("is refused with revision 0 where the key's messages have vanished", async () => {
      const { store, stream } = await opened();
      await stream.publish("k", "v");
      await stream.purge("k");
      expect(await applied(store, put, 1)).toEqual({ kind: "refused", actual: 0 });
      expect(await applied(store, put, 0)).toEqual({ kind: "written", revision: 2 });
    });

    it("of one key twice at the same revision is written once", async () => {
      const { store } = await opened();
      const [first, second] = await Promise.all([applied(store, put, 0), applied(store, put, 0)]);
      expect(first).toEqual({ kind: "written", revision: 1 });
      expect(second.kind).toBe("refused");
    });

    it("of many keys at once is answered for each", async () => {
      const { store, stream } = await opened();
      const keys = Array.from({ length: 500 }, (_, n) => keyNamed(`k.${n}`));
      const outcomes = await Promise.all(keys.map((key) => applied(store, { ...put, key }, 0)));
      expect(new Set(outcomes.map((outcome) => (outcome.kind === "written" ? outcome.revision : outcome.kind))).size).toBe(
        500,
      );
      expect(await stream.messages()).toBe(500);
    });

    it("that can never fit says so, whether the bucket or the server is too small", async () => {
      const { store } = await opened({ messageBytesMax: 1_000 });
      expect(await applied(store, { ...put, value: new Uint8Array(1_001) }, 0)).toEqual({ kind: "too-large" });
      expect(await applied(store, { ...put, value: new Uint8Array(2_000_000) }, 0)).toEqual({ kind: "too-large" });
      expect(await applied(store, { ...put, value: new Uint8Array(500) }, 0)).toMatchObject({ kind: "written" });
    });

    it("to a bucket that is gone has certainly not been written", async () => {
      const { store, stream } = await opened();
      await stream.destroy();
      expect(await applied(store, put, 0)).toMatchObject({ kind: "failed", error: { code: "KVGW_UNREACHABLE" } });
    });

    it("is answered exactly once although the server dies", async () => {
      const { store, kill, quiet } = await opened();
      const outcomes: WriteOutcome[] = [];
      for (let n = 0; n < 20; n++)
        store.apply({ ...put, key: keyNamed(`k.${n}`) }, 0, (outcome) => void outcomes.push(outcome));
      await kill();
      await eventually(() => expect(outcomes.length).toBeGreaterThanOrEqual(20), { what: "all outcomes" });
      store.apply(put, 0, (outcome) => void outcomes.push(outcome));
      await eventually(() => expect(outcomes).toHaveLength(21), { what: "the outcome without a connection" });
      expect(outcomes.at(-1)?.kind).toMatch(/^(failed|unknown)$/);
      await quiet();
      expect(outcomes).toHaveLength(21);
    });
  });

  describe("a write without a version", () => {
    it("is read as an application's, and is refused where the key stands elsewhere", async () => {
      const { store } = await opened();
      expect(await store.write(K, EVERY_BYTE, 0)).toEqual({ kind: "written", revision: 1 });
      expect(await store.read(K)).toMatchObject({ kind: "put", key: "k", value: EVERY_BYTE, version: null, revision: 1, expiresUs: null });
      expect(await store.write(K, NO_BYTES, 0)).toEqual({ kind: "refused", actual: 1 });
      expect(await store.write(K, NO_BYTES, 1)).toEqual({ kind: "written", revision: 2 });
      expect((await store.read(K))?.value).toEqual(NO_BYTES);
    });

    it("says what it cannot do as an apply does", async () => {
      const { store, kill } = await opened({ messageBytesMax: 1_000 });
      expect(await store.write(K, new Uint8Array(1_001), 0)).toEqual({ kind: "too-large" });
      await kill();
      expect((await store.write(K, NO_BYTES, 0)).kind).toMatch(/^(failed|unknown)$/);
    });
  });

  describe("a header that an application has forged", () => {
    const times = "0 -1 9007199254740992 253402300799000000 1e3 NaN".split(" ");
    const garbage = ["", "x", "1", "1 Site_B", `1 ${"x".repeat(40)}`, ...times.map((time) => `${time} site-b`)];

    it("makes a plain local write where it is no version", async () => {
      const { store, stream } = await opened();
      for (const [n, text] of garbage.entries()) await stream.publish(`k${n}`, "v", { "Kvgw-Version": text });
      const { entries } = await tailOf(store);
      await eventually(() => expect(entries).toHaveLength(garbage.length), { what: "all entries" });
      expect(entries.map(({ kind, version }) => [kind, version])).toEqual(garbage.map(() => ["put", null]));
    });

    it("does not change what the message is", async () => {
      const { store, stream } = await opened();
      await stream.publish("k", "v", { "KV-Operation": "DELETE", "Kvgw-Base": "x", "X-Own": "y" });
      await stream.publish("other", "", { ...DEL, "Kvgw-Version": "garbage" });
      const { entries } = await tailOf(store);
      await eventually(() => expect(entries).toHaveLength(2), { what: "both entries" });
      expect(entries).toMatchObject([
        { kind: "put", version: null, expiresUs: null },
        { kind: "delete", version: null },
      ]);
      expect(K).toBe(entries[0]?.key);
    });
  });
}

/** For servers that have them: from 2.11 on. */
export function expiryContract(make: (options: BucketOptions) => Promise<BucketRig>): void {
  let rig: BucketRig | undefined;
  afterEach(async () => {
    await rig?.dispose();
    rig = undefined;
  });

  it("tells an entry's deadline, and its end as an expiry and not as a write", async () => {
    rig = await make({ markersMs: 60_000 });
    const { store, stream } = rig;
    expect(await store.open()).toMatchObject({ messageTtl: true });
    const { entries, story } = await tailOf(store);
    await stream.publish("k", "v", { "Nats-TTL": "1s" });
    await eventually(() => expect(story).toContain("expired k@2"), { what: "the expiry" });
    const [put] = entries;
    expect((put?.expiresUs ?? 0) - (put?.timestampUs ?? 0)).toBe(1_000_000);
    expect(entries[1]).toMatchObject({ kind: "expired", version: null });
    expect(await applied(store, operationAt(TS, PEER), 2)).toMatchObject({ kind: "written" });
  });

  it("applies what is left of an operation's life, and uncovers no older value when it ends", async () => {
    rig = await make({ markersMs: 1_000, history: 5 });
    const { store, stream, find } = rig;
    await store.open();
    const { story } = await tailOf(store);
    await stream.publish("k", "old");
    await stream.publish("k", "older");
    const operation = operationAt(TS, PEER, { expiresUs: (Date.now() + 1_000) * 1_000 });
    expect(await applied(store, operation, 2)).toEqual({ kind: "written", revision: 3 });
    expect((await find("k"))?.operation).toBe("PUT");
    await eventually(() => expect(story.at(-1)).toBe("expired k@4"), { what: "the expiry" });
    expect(await stream.messages()).toBe(1);
  });
}
