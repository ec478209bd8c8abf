/** A tail whose consumer gives signs of life and no messages is given up; one whose bucket is at rest never is. */
import { jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { TAIL_LOOKS_SINGLE_MAX } from "../../src/core/limits.js";
import type { StreamMark } from "../../src/core/ports.js";
import { createBucketStore } from "../../src/nats/bucket-store.js";
import { createStreamLooks } from "../../src/nats/stream-looks.js";
import { bucketNamed, siteNamed } from "../core/names.js";
import { eventually } from "../support/eventually.js";
import { createStage } from "./leasing.js";

const SITE = siteNamed("site-a");
/** A server's signs of life, from which the reader knows how far it has looked, are 2 s apart. */
const LOOK_MS = 2_500;
const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const each of cleanup.splice(0).reverse()) await each();
});

async function staged(version: "2.15" | "2.10" | "2.9") {
  const stage = await createStage(version, (close) => void cleanup.push(close));
  return { ...stage, kvm: new Kvm(stage.app), manager: await jetstreamManager(stage.app) };
}

async function tailed(version: "2.15" | "2.10" | "2.9") {
  const stage = await staged(version);
  const { app, clock, own, kvm } = stage;
  const bucket = await kvm.create("config");
  await bucket.put("first", "1");
  const looks = createStreamLooks(clock, LOOK_MS);
  const store = createBucketStore({ lease: own, clock, site: SITE, epoch: 1, clockOffsetUs: 0, looks }, bucketNamed("config"), false);
  await store.open();
  const keys: string[] = [];
  const lost: string[] = [];
  const asked: string[] = [];
  app.subscribe("$JS.API.STREAM.>", { callback: (_, { subject }) => void asked.push(subject) });
  await app.flush();
  const reader = await store.tail({
    onEntry(entry, bytes) {
      keys.push(entry.key);
      reader.release(1, bytes);
    },
    onCaughtUp: () => undefined,
    onLost: ({ code, message }) => void lost.push(`${code} ${message}`),
  });
  cleanup.push(() => reader.stop());
  await eventually(() => expect(keys).toEqual(["first"]), { what: "the tail has begun" });
  const infos = () => asked.filter((subject) => subject === "$JS.API.STREAM.INFO.KV_config").length;
  return { ...stage, bucket, reader, keys, lost, infos };
}

describe("a tail whose consumer brings nothing", () => {
  it("is given up, once, and looks no more", { timeout: 60_000 }, async () => {
    const { manager, bucket, keys, lost, clock } = await tailed("2.15");
    const paused = await manager.consumers.pause("KV_config", "kvgw_site-a_tail_1", new Date(Date.now() + 600_000));
    expect(paused.paused).toBe(true);
    await bucket.put("second", "2");
    await eventually(() => expect(lost).toHaveLength(1), { what: "the tail is given up", withinMs: 30_000 });
    expect(lost).toEqual([expect.stringMatching(/^KVGW_READER_LOST tail of KV_config: more is in the bucket than comes/)]);
    expect(keys).toEqual(["first"]);
    await eventually(() => expect(clock.scheduled()).toBe(0), { what: "nothing is scheduled any more" });
  });
});

describe.each(["2.15", "2.10", "2.9"] as const)("a tail on nats-server %s that is quiet for good", (version) => {
  it("is not given up, though the end of its bucket was removed without a trace", { timeout: 60_000 }, async () => {
    const { manager, bucket, keys, lost, infos } = await tailed(version);
    for (const key of ["a", "b", "c"]) await bucket.put(key, "2");
    for (const key of ["c", "first"]) await manager.streams.purge("KV_config", { filter: `$KV.config.${key}` });
    await sleep(4 * LOOK_MS);
    await manager.streams.purge("KV_config");
    await sleep(3 * LOOK_MS);
    expect([lost, infos() > 2]).toEqual([[], true]);
    await bucket.put("d", "3");
    await eventually(() => expect(keys.at(-1)).toBe("d"), { what: "the tail goes on" });
  });

  it("is not given up when nothing was left of its bucket at the start", { timeout: 60_000 }, async () => {
    const { manager, clock, own, kvm } = await staged(version);
    const bucket = await kvm.create("config");
    for (const key of ["a", "b", "c"]) await bucket.put(key, "2");
    await manager.streams.purge("KV_config");
    const looks = createStreamLooks(clock, LOOK_MS);
    const store = createBucketStore({ lease: own, clock, site: SITE, epoch: 1, clockOffsetUs: 0, looks }, bucketNamed("config"), false);
    await store.open();
    const lost: unknown[] = [];
    const reader = await store.tail({ onEntry: () => undefined, onCaughtUp: () => undefined, onLost: (error) => void lost.push(error) });
    cleanup.push(() => reader.stop());
    await sleep(4 * LOOK_MS);
    expect(lost).toEqual([]);
  });
});

describe("a look", () => {
  it("is not taken of a tail that brings messages, nor of one that has stopped", { timeout: 60_000 }, async () => {
    const { bucket, reader, infos, clock } = await tailed("2.15");
    const before = infos();
    for (let n = 0; n < 30; n++) {
      await bucket.put("k", `${n}`);
      await sleep(LOOK_MS / 10);
    }
    expect(infos()).toBe(before);
    await reader.stop();
    expect(clock.scheduled()).toBe(0);
  });

  it("is one list for many streams, with what others have among them", { timeout: 60_000 }, async () => {
    const { app, clock, own, kvm, manager } = await staged("2.15");
    const names = Array.from({ length: TAIL_LOOKS_SINGLE_MAX + 2 }, (_, n) => `b${n}`);
    for (const name of [...names, "others"]) await (await kvm.create(name)).put("k", "v");
    await manager.streams.add({ name: "NO_BUCKET", subjects: ["no.bucket"] });
    const asked: string[] = [];
    app.subscribe("$JS.API.STREAM.>", { callback: (_, { subject }) => void asked.push(subject) });
    await app.flush();
    const marks = new Map<string, StreamMark>();
    const looks = createStreamLooks(clock, 100);
    const ends = names.map((name) =>
      looks.watch({ lease: own, stream: `KV_${name}`, isQuiet: () => !marks.has(name), onMark: (mark) => void marks.set(name, mark) }),
    );
    await eventually(() => expect(marks.size).toBe(names.length), { what: "every stream is seen" });
    expect(asked).toEqual(["$JS.API.STREAM.LIST"]);
    expect([...marks.values()].map(({ lastSequence }) => lastSequence)).toEqual(names.map(() => 1));
    for (const end of ends) end();
    await eventually(() => expect(clock.scheduled()).toBe(0), { what: "nothing is scheduled any more" });
  });
});
