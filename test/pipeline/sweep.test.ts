/** Tombstones are forgotten when, and only when, no site needs them any more (I7); nothing that was deleted comes back. */
import { describe, expect, it } from "vitest";
import type { BucketConfig } from "../../src/config/config.js";
import { GatewayError } from "../../src/core/errors.js";
import { type Place, type World, type WorldOptions, createWorld } from "./world.js";

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const TTL = { tombstoneTtlMs: HOUR_MS, reconcileIntervalMs: 5 * MINUTE_MS } satisfies Partial<BucketConfig>;

async function running(options: WorldOptions = {}): Promise<World & Record<"a" | "b" | "c", Place>> {
  const world = createWorld({ sites: ["a", "b", "c"], ...options, config: { ...TTL, ...options.config } });
  world.start();
  await world.settle();
  return { ...world, a: world.place("a"), b: world.place("b"), c: world.place("c") };
}

/** What a place still has of the key, anywhere. */
const traces = ({ bucket, log, site, gateway }: Place, key: string) => ({
  bucket: bucket.last(key) !== undefined,
  log: log.last(key) !== undefined,
  state: [...site.state].some(([name, text]) => name.startsWith("tombstone.") && text.includes(`"key":"${key}"`)),
  known: gateway().snapshot().tombstones,
});
const NONE = { bucket: false, log: false, state: false, known: 0 };
const tracesOf = (world: World, key: string) => world.places().map((place) => traces(place, key));

/** Written at `a`, overwritten at `b`, deleted at `c`: each log has something of it. */
async function deleted(world: World & Record<"a" | "b" | "c", Place>, key = "k"): Promise<void> {
  world.a.app.put(key, "first");
  await world.settle();
  world.b.app.put(key, "second");
  await world.settle();
  world.c.app.delete(key);
  await world.settle();
}

describe("a tombstone that all sites have had", () => {
  it("leaves every place once it is old enough, and not before", async () => {
    const world = await running();
    await deleted(world);
    await world.clock.advance(HOUR_MS - 5 * MINUTE_MS);
    expect(tracesOf(world, "k").map(({ bucket, log, known }) => [bucket, log, known])).toEqual([
      [true, true, 1],
      [true, true, 1],
      [true, true, 1],
    ]);
    expect(traces(world.a, "k").state && traces(world.b, "k").state).toBe(true);
    await world.clock.advance(30 * MINUTE_MS);
    expect(tracesOf(world, "k")).toEqual([NONE, NONE, NONE]);
    expect(world.places().map((place) => place.gateway().counters.swept)).toEqual([1, 1, 1]);
  });

  it("takes the whole history with it, and an older value does not come to light", async () => {
    const world = await running({ stream: { history: 64 } });
    await deleted(world);
    await world.clock.advance(1.5 * HOUR_MS);
    expect(tracesOf(world, "k")).toEqual([NONE, NONE, NONE]);
    expect(world.contents()).toEqual(world.everywhere({}));
  });

  it("is as if it had never been: nothing is written any more, and restarts bring nothing back", async () => {
    const world = await running();
    await deleted(world);
    await world.clock.advance(1.5 * HOUR_MS);
    const marks = () => world.places().map(({ bucket, log }) => [bucket.mark().lastSequence, log.mark().lastSequence]);
    const before = marks();
    for (const place of world.places()) place.gateway().crash();
    world.start();
    await world.clock.advance(3 * HOUR_MS);
    expect([marks(), world.contents()]).toEqual([before, world.everywhere({})]);
  });

  it("does not come back with a site that is added, and reads all logs from their beginning", async () => {
    const world = await running();
    await deleted(world);
    await world.clock.advance(1.5 * HOUR_MS);
    world.c.gateway().crash();
    for (const key of [...world.c.site.state.keys()]) world.c.site.state.delete(key);
    world.c.start();
    await world.clock.advance(HOUR_MS);
    expect(world.contents()).toEqual(world.everywhere({}));
  });

  it("gives way to a new value of the key, whatever its writer's clock says", async () => {
    const world = await running();
    await deleted(world);
    await world.clock.advance(1.5 * HOUR_MS);
    world.b.app.put("k", "anew");
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "anew" }));
    await world.clock.advance(2 * HOUR_MS);
    expect(world.contents()).toEqual(world.everywhere({ k: "anew" }));
  });

  it("goes where many go at once", async () => {
    const world = await running();
    const keys = Array.from({ length: 1_000 }, (_, n) => `k.${n}`);
    for (const key of keys) world.a.app.put(key, "v");
    await world.settle();
    for (const key of keys) world.b.app.delete(key);
    await world.clock.advance(1.5 * HOUR_MS);
    expect(world.places().map(({ gateway }) => gateway().counters.swept)).toEqual([1_000, 1_000, 1_000]);
    expect(world.places().map(({ bucket, log }) => [...bucket.messages(), ...log.messages()].length)).toEqual([0, 0, 0]);
  });

  it("goes also in a bucket of a single site, by its age", async () => {
    const world = createWorld({ sites: ["a"], config: TTL });
    world.start();
    const a = world.place("a");
    a.app.put("k", "v");
    a.app.delete("k");
    await world.clock.advance(1.5 * HOUR_MS);
    expect(traces(a, "k")).toEqual(NONE);
  });
});

describe("a tombstone stays", () => {
  it("while a site is away, is shown as held back by it, and goes when it is back", async () => {
    const world = await running();
    world.a.app.put("k", "v");
    await world.settle();
    for (const place of [world.a, world.b]) place.gateway().peer(world.c.id).cut();
    world.c.gateway().crash();
    world.b.app.delete("k");
    await world.clock.advance(5 * HOUR_MS);
    expect(world.c.app.read().get("k")).toBe("v");
    for (const { gateway } of [world.a, world.b]) {
      const { peers, tombstones } = gateway().snapshot();
      const blocked = [...peers].map(([peer, { sweepBlocked }]) => [peer, sweepBlocked]);
      expect([tombstones, blocked.filter(([, count]) => count !== 0)]).toEqual([1, [["c", 1]]]);
    }
    for (const place of [world.a, world.b]) place.gateway().peer(world.c.id).heal();
    world.c.start();
    await world.clock.advance(HOUR_MS);
    expect(world.contents()).toEqual(world.everywhere({}));
    expect(tracesOf(world, "k")).toEqual([NONE, NONE, NONE]);
  });

  it("as long as an older write of a site may still be on its way in that site's log", async () => {
    const world = await running();
    // What b writes stays in its log, where a cannot read it; the delete comes to a from c.
    world.a.gateway().peer(world.b.id).cut();
    world.b.app.put("k", "old");
    await world.settle();
    world.c.app.delete("k");
    await world.clock.advance(3 * HOUR_MS);
    expect(traces(world.a, "k")).toMatchObject({ bucket: true, known: 1 });
    expect(traces(world.c, "k")).toEqual(NONE);
    world.a.gateway().peer(world.b.id).heal();
    await world.clock.advance(HOUR_MS);
    expect([world.contents(), tracesOf(world, "k")]).toEqual([world.everywhere({}), [NONE, NONE, NONE]]);
  });

  it("where a gateway does not answer, although its log can be read", async () => {
    const world = await running({ reconcile: false });
    await deleted(world);
    await world.clock.advance(5 * HOUR_MS);
    expect(tracesOf(world, "k").map(({ known }) => known)).toEqual([1, 1, 1]);
  });

  it("where a client has purged its mark, also over a restart, so that no older write comes back", async () => {
    const world = await running();
    world.a.app.put("k", "old");
    await world.settle();
    world.b.app.delete("k");
    await world.settle();
    for (const place of world.places()) place.bucket.purge("k");
    for (const place of world.places()) place.gateway().crash();
    // The checkpoint is lost as well: the log of a brings the old write once more.
    world.c.site.state.delete("checkpoint.config.a");
    world.start();
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({}));
    expect(world.places().map((place) => place.gateway().snapshot().tombstones)).toEqual([1, 1, 1]);
    await world.clock.advance(2 * HOUR_MS);
    expect(tracesOf(world, "k")).toEqual([NONE, NONE, NONE]);
  });
});

describe("a sweep", () => {
  it.each(["bucket", "log", "state"] as const)("that is cut off after the %s is begun again and brings nothing back", async (after) => {
    const world = await running();
    await deleted(world);
    await world.clock.advance(HOUR_MS - 5 * MINUTE_MS);
    const { bucket, log, site } = world.b;
    world.b.gateway().crash();
    bucket.purge("k");
    if (after !== "bucket") log.purge("k");
    if (after === "state") for (const key of [...site.state.keys()]) if (key.startsWith("tombstone.")) site.state.delete(key);
    world.b.start();
    await world.clock.advance(2 * HOUR_MS);
    expect([world.contents(), tracesOf(world, "k")]).toEqual([world.everywhere({}), [NONE, NONE, NONE]]);
  });

  it("does not touch a write that comes at the same moment", async () => {
    const world = await running();
    await deleted(world);
    const { bucket, app } = world.a;
    const purge = bucket.purge.bind(bucket);
    let written = false;
    bucket.purge = (key, upTo) => {
      if (!written) app.put("k", "just in time");
      written = true;
      purge(key, upTo);
    };
    await world.clock.advance(2 * HOUR_MS);
    expect(written).toBe(true);
    expect(world.contents()).toEqual(world.everywhere({ k: "just in time" }));
  });

  it("removes the record of a key that has a value again", async () => {
    const world = await running();
    await deleted(world);
    expect(traces(world.a, "k").state).toBe(true);
    world.a.app.put("k", "again");
    await world.clock.advance(10 * MINUTE_MS);
    expect(world.places().map((place) => traces(place, "k").state)).toEqual([false, false, false]);
  });

  it("that cannot remove anything says so once, and goes on when it can", async () => {
    const world = await running();
    await deleted(world);
    await world.clock.advance(HOUR_MS - 5 * MINUTE_MS);
    const purge = world.a.bucket.purge.bind(world.a.bucket);
    world.a.bucket.purge = () => {
      throw new GatewayError("KVGW_DENIED", "permission denied");
    };
    await world.clock.advance(HOUR_MS);
    expect(world.a.events("sweep").map(({ reason }) => reason === null)).toEqual([false]);
    expect([world.a.gateway().state(), world.a.gateway().snapshot().tombstones]).toEqual(["live", 1]);
    world.a.bucket.purge = purge;
    await world.clock.advance(10 * MINUTE_MS);
    expect(world.a.events("sweep").map(({ reason }) => reason === null)).toEqual([false, true]);
    expect(traces(world.a, "k")).toEqual(NONE);
  });
});
