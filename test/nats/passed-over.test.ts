/** A key that a gateway forgets moves nobody's consumer: what an application has still to read of others comes (nats-server before 2.9.14). */
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { afterEach, describe, expect, it } from "vitest";
import { createBucketStore } from "../../src/nats/bucket-store.js";
import { createOperationLog } from "../../src/nats/operation-log.js";
import { type PassedOver, createPassedOver } from "../../src/nats/passed-over.js";
import { type ServerVersion, isBefore } from "../../src/nats/server-version.js";
import { logStream } from "../../src/nats/subjects.js";
import { appended, operationOf } from "../contract/operation-log-contract.js";
import { bucketNamed, keyNamed, siteNamed } from "../core/names.js";
import { connectTo, openBucket } from "../support/clients.js";
import { eventually } from "../support/eventually.js";
import { startNatsServer } from "../support/nats-server.js";
import { createLeasing } from "./leasing.js";

const SITE = siteNamed("site-a");
const DATA = bucketNamed("data");
const GOES = keyNamed("goes");
const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const each of cleanup.splice(0).reverse()) await each();
});

async function staged(version: "2.15" | "2.10" | "2.9") {
  const server = await startNatsServer({ version });
  cleanup.push(() => server.dispose());
  const app = await connectTo(server.url);
  cleanup.push(() => app.close());
  const { connections, clock, lease } = createLeasing(server);
  cleanup.push(() => connections.close());
  const own = lease();
  await own.ready();
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
  const started = (stream: readonly number[], from = 0) => {
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
      give: ({ seq }) => given.push(seq),
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
    expect(asked).toEqual([3, 4, 5, 6, 7, 8]);
  });

  it("is found in a long hole, a few places at a time", async () => {
    const stream = Array.from({ length: 100 }, (_, n) => n * 3 + 1);
    const { given, asked, deliver } = started(stream);
    deliver(298);
    await eventually(() => expect(given).toEqual(stream), { what: "all of them" });
    expect(asked.length).toBeLessThan(400);
    expect(Math.max(...asked)).toBeLessThan(298);
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
