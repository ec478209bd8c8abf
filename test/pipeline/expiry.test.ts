/** A value ends everywhere at the deadline that it was written with, whatever the servers do about it. */
import { describe, expect, it } from "vitest";
import { type Entry, NO_BYTES } from "../../src/core/operation.js";
import { createReplica } from "../../src/core/replica.js";
import { createExpiry } from "../../src/pipeline/expiry.js";
import { operationAt } from "../core/arbitraries.js";
import { keyNamed, siteNamed } from "../core/names.js";
import { createVirtualClock } from "../memory/virtual-clock.js";
import { type Place, type World, type WorldOptions, createWorld } from "./world.js";

type Two = World & Record<"a" | "b", Place>;

async function running(options: WorldOptions = {}): Promise<Two> {
  const world = createWorld(options);
  world.start();
  await world.settle();
  return { ...world, a: world.place("a"), b: world.place("b") };
}

const TTL = { messageTtl: true, markers: false } as const;
const ttl = (seconds: number) => ({ "Nats-TTL": `${seconds}s` });
const tombstonesAt = ({ gateway }: Place) => gateway().snapshot().tombstones;
/** Of the key, as they stand in the bucket: `put`, `DEL`, `marker`. */
const messagesOf = ({ bucket }: Place, key: string) =>
  [...bucket.messages()]
    .filter(({ subject }) => subject === key)
    .map(({ block }) => (block.includes("Nats-Marker-Reason") ? "marker" : (/KV-Operation: (\w+)/.exec(block)?.[1] ?? "put")));
const written = (world: World) => world.places().map(({ bucket, log }) => [bucket.mark().lastSequence, log.mark().lastSequence]);

describe("an entry with a time to live", () => {
  it.each([true, false])("ends at every site without a write, where the server leaves a marker: %s", async (markers) => {
    const world = await running({ stream: { ...TTL, markers } });
    world.a.app.put("k", "v", ttl(30));
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "v" }));
    const before = written(world);
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({}));
    expect(world.places().map(tombstonesAt)).toEqual([1, 1]);
    const marks = markers ? 1 : 0;
    expect(written(world)).toEqual(before.map(([bucket = 0, log]) => [bucket + marks, log]));
    expect(world.a.logged().length).toBe(1);
  });

  it("stays ended at a site that held an older value of it and was away", async () => {
    const world = await running({ stream: TTL });
    world.b.app.put("k", "old");
    await world.settle();
    await world.stop(world.b);
    world.a.app.put("k", "new", ttl(10));
    await world.settle();
    world.b.start();
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({}));
    expect(messagesOf(world.b, "k")).toEqual(["DEL"]);
  });

  it("is swept as any other tombstone", async () => {
    const world = await running({ stream: TTL, config: { tombstoneTtlMs: 3_600_000, reconcileIntervalMs: 300_000 } });
    world.a.app.put("k", "v", ttl(10));
    await world.clock.advance(5_000_000);
    expect(world.places().map(tombstonesAt)).toEqual([0, 0]);
    expect(world.a.log.last("k")).toBeUndefined();
  });

  it("that is written again in time does not end", async () => {
    const world = await running({ stream: TTL });
    world.a.app.put("k", "short", ttl(10));
    await world.clock.advance(5_000);
    world.b.app.put("k", "for good");
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "for good" }));
    expect(world.places().map(tombstonesAt)).toEqual([0, 0]);
  });
});

describe("a site whose server knows no time to live", () => {
  const only = { streamAt: { a: TTL } };

  it("ends an applied entry by a delete of the same version, once", async () => {
    const world = await running(only);
    world.a.app.put("k", "v", ttl(30));
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "v" }));
    await world.clock.advance(12_000);
    expect(world.contents()).toEqual(world.everywhere({}));
    expect(messagesOf(world.b, "k")).toEqual(["DEL"]);
    const before = written(world);
    await world.clock.advance(600_000);
    expect(written(world)).toEqual(before);
    expect(world.b.logged()).toEqual([]);
  });

  it("ends it also when its gateway was down at the time", async () => {
    const world = await running(only);
    world.a.app.put("k", "v", ttl(30));
    await world.settle();
    world.b.gateway().crash();
    await world.settle();
    expect(world.contents()["b"]).toEqual({ k: "v" });
    world.b.start();
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({}));
    expect(world.b.logged()).toEqual([]);
  });

  it("knows the deadline after a restart", async () => {
    const world = await running(only);
    world.a.app.put("k", "v", ttl(60));
    await world.settle();
    world.b.gateway().crash();
    world.b.start();
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "v" }));
    await world.settle();
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({}));
  });

  it("leaves a local write alone that has replaced it", async () => {
    const world = await running(only);
    world.a.app.put("k", "v", ttl(30));
    await world.settle();
    world.b.app.put("k", "mine");
    await world.settle();
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "mine" }));
  });

  it("tries again until its server answers", async () => {
    const world = await running(only);
    world.a.app.put("k", "v", ttl(30));
    await world.settle();
    const { faults } = world.b.gateway().local;
    faults.requestFate = () => "request lost";
    faults.fate = () => "answer lost";
    await world.clock.advance(15_000);
    expect(world.contents()["b"]).toEqual({ k: "v" });
    faults.requestFate = () => "arrives";
    await world.clock.advance(15_000);
    faults.fate = () => "arrives";
    await world.clock.advance(60_000);
    expect(world.contents()).toEqual(world.everywhere({}));
    expect(messagesOf(world.b, "k")).toEqual(["DEL"]);
  });
});

describe("very many entries that end at once", () => {
  it("all end, where the gateway ends them, too", async () => {
    const world = await running({ streamAt: { a: TTL } });
    for (let n = 0; n < 1_000; n++) world.a.app.put(`k${n}`, "v", ttl(30));
    await world.settle();
    expect(world.b.app.read().size).toBe(1_000);
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({}));
    expect(world.places().map(tombstonesAt)).toEqual([1_000, 1_000]);
    expect(world.b.bucket.mark().lastSequence).toBe(2_000);
  });
});

describe("a bucket that keeps a history", () => {
  const stream = { ...TTL, history: 5 };

  it.each([true, false])("does not bring an older value back when an entry ends (markers: %s)", async (markers) => {
    const world = await running({ stream: { ...stream, markers } });
    world.a.app.put("k", "oldest");
    world.a.app.put("k", "old");
    await world.settle();
    world.a.app.put("k", "new", ttl(10));
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({}));
    expect(messagesOf(world.a, "k")).toEqual(["put", "put", "DEL"]);
    const before = written(world);
    await world.clock.advance(600_000);
    expect(written(world)).toEqual(before);
    expect(world.a.logged().length).toBe(1);
  });

  it("does not bring a peer's older value back", async () => {
    const world = await running({ stream });
    world.b.app.put("k", "peer's");
    await world.settle();
    world.a.app.put("k", "new", ttl(10));
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({}));
  });

  it("gets no delete where an end has uncovered nothing", async () => {
    const world = await running({ stream });
    world.a.app.put("k", "v", ttl(10));
    await world.settle();
    await world.settle();
    expect(world.places().map((place) => messagesOf(place, "k"))).toEqual([[], []]);
  });

  it("is left alone while the server, by its own clock, is yet to end a local entry", async () => {
    const world = await running({ stream, sites: ["a", "b"] });
    world.a.app.put("k", "old");
    world.a.app.put("k", "new", ttl(10));
    await world.clock.advance(5_000);
    world.a.site.skewMs = 30_000;
    await world.clock.advance(3_000);
    expect(world.contents()["a"]).toEqual({ k: "new" });
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({}));
  });
});

describe("a bucket with an age", () => {
  it.each([false, true])("ends an entry everywhere when it ends at home, however late it came (own times to live: %s)", async (messageTtl) => {
    const world = await running({ stream: { maxAgeMs: 60_000, messageTtl } });
    await world.stop(world.b);
    world.a.app.put("k", "v");
    await world.clock.advance(50_000);
    world.b.start();
    await world.clock.advance(8_000);
    expect(world.contents()).toEqual(world.everywhere({ k: "v" }));
    await world.clock.advance(7_000);
    expect(world.contents()).toEqual(world.everywhere({}));
    await world.clock.advance(200_000);
    expect(world.places().map((place) => messagesOf(place, "k"))).toEqual([[], []]);
    expect([world.a.logged().length, world.b.logged().length]).toEqual([1, 0]);
  });

  it("keeps an entry at every site that was written to stay for ever", async () => {
    const world = await running({ stream: { maxAgeMs: 30_000, messageTtl: true } });
    world.a.app.put("k", "v", { "Nats-TTL": "never" });
    await world.settle();
    await world.clock.advance(120_000);
    expect(world.contents()).toEqual(world.everywhere({ k: "v" }));
  });

  it("hands a deadline on by reconcile as it is", async () => {
    const world = await running({ stream: { maxAgeMs: 120_000 } });
    await world.stop(world.b);
    world.a.app.put("k", "v");
    await world.settle();
    world.a.log.purge("k");
    world.b.start();
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "v" }));
    expect(world.b.bucket.last("k")?.block).toContain(`Kvgw-Expires: ${(Number(world.a.bucket.last("k")?.timestampNs) / 1e6 + 120_000) * 1_000}`);
  });
});

describe("the look into a bucket", () => {
  /** A bucket of `b` that answers when it is told to, and one entry of it that ends within a second. */
  function ending() {
    const clock = createVirtualClock();
    const replica = createReplica(siteNamed("b"));
    const key = keyNamed("k");
    const looks: ((entry: Entry) => void)[] = [];
    const buried: string[] = [];
    const ended = new AbortController();
    const expiry = createExpiry({
      ...{ site: siteNamed("b"), info: { history: 5, messageTtl: true, maxAgeUs: 0 }, replica, clock, signal: ended.signal },
      store: { read: () => new Promise((resolve) => looks.push(resolve)) },
      applier: { isBusy: () => false, bury: (tombstone) => Promise.resolve(void buried.push(tombstone.key)) },
    });
    replica.recordApplied({ ...operationAt(5, siteNamed("a"), { key }), expiresUs: (clock.nowMs() + 1_000) * 1_000 }, 17);
    const running = expiry.run();
    const isLooking = () => clock.runUntil(() => looks.length > 0, 60_000);
    const entry = { key, value: NO_BYTES, timestampUs: 5, timestampNs: "5000", expiresUs: null };
    async function end(): Promise<void> {
      ended.abort();
      await clock.advance(10_000);
      await running;
    }
    return { clock, replica, key, looks, buried, entry, isLooking, end };
  }

  it("covers an older value that has come to light, also where something was about to be written over that", async () => {
    const { clock, replica, key, looks, buried, entry, isLooking, end } = ending();
    await isLooking();
    // What was to be written there has become needless meanwhile (simulator, seed 65714).
    replica.recordVanished(key, 17, 12);
    looks.shift()?.({ ...entry, kind: "put", version: null, revision: 12 });
    await isLooking();
    looks.shift()?.({ ...entry, kind: "put", version: null, revision: 12 });
    await clock.advance(1);
    await end();
    expect(buried).toEqual(["k"]);
  });

  it("says nothing where something else has come while it was read", async () => {
    const { clock, replica, key, looks, buried, entry, isLooking, end } = ending();
    await isLooking();
    replica.recordApplied(operationAt(9, siteNamed("b"), { key, kind: "delete", value: NO_BYTES }), 18);
    looks.shift()?.({ ...entry, kind: "put", version: { ts: 5, site: siteNamed("a") }, revision: 17 });
    await isLooking();
    expect(buried).toEqual([]);
    looks.shift()?.({ ...entry, kind: "delete", version: { ts: 9, site: siteNamed("b") }, revision: 18 });
    await clock.advance(60_000);
    expect([buried, looks.length]).toEqual([[], 0]);
    await end();
  });
});
