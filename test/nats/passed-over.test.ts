/** A key that a gateway forgets moves nobody's consumer: what an application has still to read of others comes (nats-server before 2.9.14). */
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { afterEach, describe, expect, it } from "vitest";
import { PASSED_OVER_AT_ONCE, READ_WINDOW_MESSAGES } from "../../src/core/limits.js";
import { createBucketStore } from "../../src/nats/bucket-store.js";
import { createOperationLog } from "../../src/nats/operation-log.js";
import { type PassedOver, createPassedOver } from "../../src/nats/passed-over.js";
import { type ServerVersion, isBefore } from "../../src/nats/server-version.js";
import { logStream } from "../../src/nats/subjects.js";
import { appended, operationOf } from "../contract/operation-log-contract.js";
import { bucketNamed, keyNamed, siteNamed } from "../core/names.js";
import { openBucket } from "../support/clients.js";
import { eventually } from "../support/eventually.js";
import { createStage } from "./leasing.js";

const SITE = siteNamed("site-a");
const DATA = bucketNamed("data");
const GOES = keyNamed("goes");
const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const each of cleanup.splice(0).reverse()) await each();
});

async function staged(version: "2.15" | "2.10" | "2.9") {
  const { app, clock, own } = await createStage(version, (close) => void cleanup.push(close));
  /** Somebody who reads the stream, and begins now. */
  const reading = async (stream: string) => {
    await (await jetstreamManager(app)).consumers.add(stream, { name: "reader", ack_policy: AckPolicy.None });
    const consumer = await jetstream(app).consumers.get(stream, "reader");
    const last = async () => {
      const found: string[] = [];
      for await (const { subject } of await consumer.fetch({ max_messages: 3, expires: 1_000 })) found.push(subject.split(".").at(-1) ?? "");
      return found;
    };
    return { last };
  };
  return { app, clock, own, reading };
}

describe.each(["2.15", "2.10", "2.9"] as const)("on nats-server %s", (version) => {
  it("a bucket that forgets a key leaves its readers where they are, and all that is newer of the key", async () => {
    const { app, clock, own, reading } = await staged(version);
    const bucket = await openBucket(app, DATA, { history: 5 });
    const store = createBucketStore({ lease: own, clock, site: SITE, epoch: 1, clockOffsetUs: 0 }, DATA, false);
    await store.open();
    for (const key of ["a", "goes", "goes", "b", "goes"]) await bucket.put(key, "v");
    const { last } = await reading("KV_data");
    await store.forget(GOES, 4);
    expect(await last()).toEqual(["a", "b", "goes"]);
    await store.forget(GOES, 5);
    expect((await bucket.get("goes"))?.revision).toBeUndefined();
  });

  it("a bucket that denies deletes, as the CLI makes it, forgets a key all the same", async () => {
    const { app, clock, own } = await staged(version);
    const api = await jetstreamManager(app);
    const limits = { max_msgs_per_subject: 3, deny_delete: true, allow_rollup_hdrs: true };
    await api.streams.add({ name: "KV_data", subjects: ["$KV.data.>"], ...limits });
    for (const key of ["a", "goes", "goes", "b"]) await jetstream(app).publish(`$KV.data.${key}`, "v");
    const store = createBucketStore({ lease: own, clock, site: SITE, epoch: 1, clockOffsetUs: 0 }, DATA, false);
    await store.open();
    await store.forget(GOES, 3);
    expect([await store.read(GOES), await store.count()]).toMatchObject([null, { keys: 2, lastSequence: 4 }]);
  });

  it("a tail knows only what belongs to its bucket, also where a stream has more", async () => {
    const { app, clock, own } = await staged(version);
    await (await jetstreamManager(app)).streams.add({ name: "KV_data", subjects: ["$KV.data.>", "other.>"], allow_rollup_hdrs: true });
    const store = createBucketStore({ lease: own, clock, site: SITE, epoch: 1, clockOffsetUs: 0 }, DATA, false);
    await store.open();
    const keys: string[] = [];
    const reader = await store.tail({
      onEntry(entry, bytes) {
        keys.push(entry.key);
        reader.release(1, bytes);
      },
      onCaughtUp: () => undefined,
      onLost: ({ message }) => keys.push(message),
    });
    cleanup.push(() => reader.stop());
    for (const subject of ["$KV.data.a", "other.long.enough", "$KV.data.b", "other.x", "$KV.data.c"]) await jetstream(app).publish(subject, "v");
    await eventually(() => expect(keys).toEqual(["a", "b", "c"]), { what: "the keys of the bucket" });
  });

  it("a tail has caught up although its last key's last entry has ended, and hides an older one", async () => {
    const { app, clock, own } = await staged(version);
    const bucket = await openBucket(app, DATA, { history: 5 });
    for (let n = 0; n < READ_WINDOW_MESSAGES; n++) void jetstream(app).publish(`$KV.data.k${n}`, "v");
    await bucket.put("goes", "older");
    const last = await bucket.put("goes", "ends");
    const store = createBucketStore({ lease: own, clock, site: SITE, epoch: 1, clockOffsetUs: 0 }, DATA, false);
    await store.open();
    let [entries, bytes, caughtUp] = [0, 0, false];
    const onEntry = (_entry: unknown, size: number) => void (entries++, (bytes += size));
    const reader = await store.tail({ onEntry, onCaughtUp: () => (caughtUp = true), onLost: ({ message }) => expect.unreachable(message) });
    cleanup.push(() => reader.stop());
    await eventually(() => expect(entries).toBe(READ_WINDOW_MESSAGES), { what: "a full window" });
    await (await jetstreamManager(app)).streams.deleteMessage("KV_data", last);
    reader.release(entries, bytes);
    await eventually(() => expect(caughtUp).toBe(true), { what: "caught up" });
    expect(entries).toBe(READ_WINDOW_MESSAGES);
  });

  it("a log that forgets a key leaves its readers where they are", async () => {
    const { clock, own, reading } = await staged(version);
    const place = { lease: own, clock, domain: null, epoch: 1 };
    const log = createOperationLog(place, { site: SITE, bucket: DATA, subject: "rep.data", format: "raw" });
    await log.open(1);
    for (const [n, key] of ["a", "goes", "b"].entries()) await appended(log, operationOf(key), n);
    const { last } = await reading(logStream(SITE, DATA));
    await log.forget(GOES, 2);
    expect(await last()).toEqual(["a", "b"]);
  });
});

describe("what a consumer has passed over", () => {
  const started = (stream: readonly number[], from = 0, room = { left: Infinity }) => {
    const given: number[] = [];
    const asked: number[] = [];
    const failures: unknown[] = [];
    const passedOver: PassedOver = createPassedOver({
      from,
      find: (sequence) => {
        asked.push(sequence);
        if (sequence < 0) return Promise.reject(new Error("unreachable"));
        const seq = stream.find((each) => each >= sequence);
        return Promise.resolve(seq === undefined ? null : ({ seq } as never));
      },
      give({ seq }) {
        room.left--;
        given.push(seq);
      },
      hasRoom: () => room.left > 0,
      onFailure: (thrown) => failures.push(thrown),
    });
    const deliver = (sequence: number) => passedOver.delivered(sequence, () => given.push(sequence));
    return { given, asked, failures, passedOver, deliver };
  };

  it("is asked for where the numbering has a hole, and nowhere else, at once where there is none", async () => {
    const { given, asked, deliver } = started([1, 2, 4, 5, 9]);
    deliver(1);
    deliver(2);
    expect([given, asked]).toEqual([[1, 2], []]);
    deliver(9);
    expect(given).toEqual([1, 2]);
    await eventually(() => expect(given).toEqual([1, 2, 4, 5, 9]), { what: "all of them" });
    expect(asked).toEqual([3, 5, 6]);
  });

  it("is found in a long hole, a few places at a time", async () => {
    const stream = Array.from({ length: 100 }, (_, n) => n * 3 + 1);
    const { given, asked, deliver } = started(stream);
    deliver(298);
    await eventually(() => expect(given).toEqual(stream), { what: "all of them" });
    expect(asked.length).toBeLessThan(400);
    expect(Math.max(...asked)).toBeLessThan(298);
    // As most holes are: what stood there was overwritten.
    const single = started([10]);
    single.deliver(10);
    await eventually(() => expect(single.given).toEqual([10]), { what: "the only one" });
    expect(single.asked).toEqual([1]);
  });

  it("is given one after the other, however much waits, also where each is released at once", async () => {
    const stream = Array.from({ length: 20_000 }, (_, n) => n + 1);
    const { given, passedOver } = started(stream);
    for (const sequence of stream.slice(40)) {
      passedOver.delivered(sequence, () => {
        given.push(sequence);
        passedOver.resume();
      });
    }
    await eventually(() => expect(given).toHaveLength(stream.length), { what: "all of them" });
    expect(given).toEqual(stream);
  });

  it("is not asked for while its reader has all that it can take, and then goes on where it was", async () => {
    const stream = Array.from({ length: 100 }, (_, n) => n + 1);
    const room = { left: 10 };
    const { given, asked, passedOver, deliver } = started(stream, 0, room);
    deliver(100);
    await eventually(() => expect(given.length).toBeGreaterThanOrEqual(10), { what: "what there was room for" });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(given.length).toBeLessThan(10 + PASSED_OVER_AT_ONCE);
    const before = asked.length;
    passedOver.resume();
    expect(asked).toHaveLength(before);
    room.left = 1_000;
    passedOver.resume();
    await eventually(() => expect(given).toEqual(stream), { what: "the rest" });
  });

  it("lets nothing overtake, and finds what stands before a place where nothing was delivered", async () => {
    const { given, deliver, passedOver } = started([3, 5, 6, 7], 2);
    deliver(5);
    deliver(6);
    passedOver.passed(7, () => given.push(-7));
    passedOver.passed(7, () => given.push(-7));
    await eventually(() => expect(given).toEqual([3, 5, 6, 7, -7, -7]), { what: "all of them" });
  });

  it("is not told any more once it is stopped, and says that it could not be asked for", async () => {
    const { given, deliver, passedOver } = started([1, 2]);
    deliver(2);
    passedOver.stop();
    const broken = started([], -5);
    broken.deliver(9);
    await eventually(() => expect(broken.failures).toHaveLength(1), { what: "the failure" });
    expect([given, broken.given]).toEqual([[], []]);
  });
});

describe("a server's version", () => {
  it.each<[string | undefined, boolean]>([
    ["2.9.10", true],
    ["2.9.13", true],
    ["2.9.14", false],
    ["2.9.14-beta.1", false],
    ["2.10.0", false],
    ["2.10.27", false],
    ["3.0.0", false],
    ["1.4.1", true],
    ["", true],
    ["unknown", true],
    [undefined, true],
  ])("%s is before 2.9.14: %s", (version, expected) => {
    const first: ServerVersion = [2, 9, 14];
    expect(isBefore(version, first)).toBe(expected);
  });
});
