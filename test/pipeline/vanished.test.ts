/** What goes from a bucket without a message is noticed while the gateway runs, and comes back; it is never a delete (I8). */
import { describe, expect, it } from "vitest";
import { peerCounters } from "../../src/core/counters.js";
import { GatewayError } from "../../src/core/errors.js";
import type { Key } from "../../src/core/ids.js";
import type { Entry } from "../../src/core/operation.js";
import { createReplica } from "../../src/core/replica.js";
import { createTailPosition } from "../../src/pipeline/tail-position.js";
import { createVanished } from "../../src/pipeline/vanished.js";
import { operationAt } from "../core/arbitraries.js";
import { keyNamed, siteNamed } from "../core/names.js";
import { createVirtualClock } from "../memory/virtual-clock.js";
import { type Place, type World, type WorldOptions, createWorld } from "./world.js";

const MINUTE_MS = 60_000;

async function running(options: WorldOptions = {}): Promise<World & Record<"a" | "b", Place>> {
  const world = createWorld({ sites: ["a", "b"], ...options });
  world.start();
  await world.settle();
  return { ...world, a: world.place("a"), b: world.place("b") };
}
const anInterval = (world: World) => world.clock.advance(10 * MINUTE_MS);

describe("a value that vanished while the gateway runs", () => {
  it("comes back from its own log, where it was written", async () => {
    const world = await running();
    for (const key of ["k", "other"]) world.a.app.put(key, "v");
    await world.settle();
    world.a.bucket.purge("k");
    await anInterval(world);
    expect(world.contents()).toEqual(world.everywhere({ k: "v", other: "v" }));
    expect(world.a.events("vanished")).toEqual([{ type: "vanished", bucket: "config", keys: 1 }]);
    expect(world.a.logged()).toHaveLength(2);
  });

  it("comes back from a peer, where it was applied", async () => {
    const world = await running();
    world.a.app.put("k", "v");
    await world.settle();
    world.b.bucket.purge("k");
    await anInterval(world);
    expect(world.contents()).toEqual(world.everywhere({ k: "v" }));
    expect(world.b.logged()).toEqual([]);
  });

  it("comes back at all sites, from whoever wrote it", async () => {
    const world = await running({ sites: ["a", "b", "c"] });
    world.a.app.put("k", "v");
    await world.settle();
    for (const place of world.places()) place.bucket.purge("k");
    await anInterval(world);
    expect(world.contents()).toEqual(world.everywhere({ k: "v" }));
  });

  it("does not undo a delete of it that came meanwhile", async () => {
    const world = await running();
    world.a.app.put("k", "v");
    await world.settle();
    world.a.gateway().peer(world.b.id).cut();
    world.b.app.delete("k");
    world.a.bucket.purge("k");
    await world.clock.advance(MINUTE_MS);
    world.a.gateway().peer(world.b.id).heal();
    await anInterval(world);
    expect(world.contents()).toEqual(world.everywhere({}));
  });

  it("is below a write that comes instead of it", async () => {
    const world = await running();
    world.b.app.put("k", "v");
    await world.settle();
    world.a.site.skewMs = -2 * MINUTE_MS;
    world.a.bucket.purge("k");
    world.a.gateway().reconcile();
    await world.clock.advance(10);
    world.a.app.put("k", "later");
    await anInterval(world);
    expect(world.contents()).toEqual(world.everywhere({ k: "later" }));
  });

  it("is found although keys that take no part come and go", async () => {
    const world = await running({ config: { keys: { include: ["x.>"], exclude: [] } } });
    for (const key of ["x.1", "x.2", "y.1", "y.2"]) world.a.app.put(key, "v");
    await world.settle();
    world.b.app.put("y.9", "v");
    for (const key of ["x.1", "y.1"]) world.a.bucket.purge(key);
    await anInterval(world);
    expect(world.a.app.read()).toEqual(new Map(["x.1", "x.2", "y.2"].map((key) => [key, "v"])));
  });

  it("comes back where there are many", async () => {
    const world = await running();
    for (let n = 0; n < 500; n++) (n % 2 === 0 ? world.a : world.b).app.put(`k.${n}`, `${n}`);
    await world.settle();
    const before = world.contents();
    for (let n = 0; n < 500; n += 3) world.a.bucket.purge(`k.${n}`);
    await anInterval(world);
    expect(world.contents()).toEqual(before);
  });
});

describe("a bucket from which nothing vanished", () => {
  it("is counted and not read, and nothing is written", async () => {
    const world = await running();
    for (let n = 0; n < 50; n++) world.a.app.put(`k.${n}`, "v");
    for (let n = 0; n < 50; n += 2) world.a.app.delete(`k.${n}`);
    await world.settle();
    let reads = 0;
    const { lastOfEach } = world.a.bucket;
    world.a.bucket.lastOfEach = () => (reads++, lastOfEach());
    const before = world.places().map(({ bucket, log }) => [bucket.mark(), log.mark()]);
    await anInterval(world);
    const rounds = peerCounters(world.a.gateway().counters, world.b.id).reconcile.rounds.equal;
    expect(rounds).toBeGreaterThan(1);
    expect(reads).toBeLessThanOrEqual(rounds);
    expect(world.places().map(({ bucket, log }) => [bucket.mark(), log.mark()])).toEqual(before);
    expect(world.a.events("vanished")).toEqual([]);
  });

  it("keeps a tombstone whose mark a client purged", async () => {
    const world = await running();
    world.a.app.put("k", "v");
    await world.settle();
    world.a.app.delete("k");
    await world.settle();
    for (const place of world.places()) place.bucket.purge("k");
    await anInterval(world);
    expect(world.places().map(({ gateway }) => gateway().snapshot().tombstones)).toEqual([1, 1]);
    expect(world.contents()).toEqual(world.everywhere({}));
    expect(world.a.events("vanished")).toEqual([]);
  });
});

/** The next tail takes the newer write of the key for the last one, which has gone before it can be brought. */
function whileTheTailBegins({ bucket }: Place, key: string): void {
  const { lastOfEach } = bucket;
  bucket.lastOfEach = () => {
    const lasts = lastOfEach();
    bucket.lastOfEach = lastOfEach;
    const last = bucket.last(key);
    if (last !== undefined) bucket.remove(last.sequence);
    return lasts;
  };
}

describe("an entry that its tail has never brought", () => {
  it.each<[string, (place: Place) => unknown, Record<string, string>]>([
    ["value", ({ app }) => app.put("k", "older"), { k: "older", other: "v" }],
    ["delete", ({ app }) => app.delete("k"), { other: "v" }],
  ])("is found, and replicated like any other: a %s (simulator, seed 50494)", async (_, write, expected) => {
    const world = createWorld({ sites: ["a", "b"], stream: { history: 5 } });
    const [a, b] = [world.place("a"), world.place("b")];
    b.start();
    await world.clock.advance(MINUTE_MS);
    write(a);
    a.app.put("k", "ends at once");
    a.app.put("other", "v");
    whileTheTailBegins(a, "k");
    a.start();
    await world.clock.advance(4 * 10 * MINUTE_MS);
    expect(world.contents()).toEqual(world.everywhere(expected));
    expect(a.logged()).toHaveLength(2);
    expect(a.events("bucket-retry").map(({ reason }) => reason.code)).toEqual(["KVGW_READER_LOST"]);
    expect(a.events("bucket-retry")[0]?.reason.message).toContain("1 keys stand in the bucket that its tail has not brought, k first");
  });
});

describe("what only looks as if no tail had brought it", () => {
  const K = keyNamed("k");
  const put: Entry = {
    ...{ kind: "put", key: K, value: new Uint8Array(0), revision: 1, timestampUs: 1, timestampNs: "1000" },
    ...{ version: null, expiresUs: null },
  };
  const looked = async (change: { entry?: Partial<Entry>; passed?: number; key?: string; excludes?: boolean; known?: boolean; tombstone?: boolean }) => {
    const clock = createVirtualClock();
    const position = createTailPosition(clock);
    position.advance(change.passed ?? 1);
    const replica = createReplica(siteNamed("a"));
    if (change.tombstone === true) replica.remember(K, { ts: 5, site: siteNamed("b") }, "delete");
    const told: string[] = [];
    let scans = 0;
    const vanished = createVanished({
      ...{ replica, clock, position, includes: () => change.excludes !== true, isBusy: () => false },
      store: {
        count: () => Promise.resolve({ created: "", keys: 1, lastSequence: 1 }),
        scan: (onKey) => Promise.resolve(void (scans++, onKey(change.key ?? "k", 1))),
        read() {
          if (change.known === true) replica.recordApplied(operationAt(5, siteNamed("b"), { key: K }), 1);
          return Promise.resolve({ ...put, ...change.entry });
        },
      },
      onMissing: (values) => void told.push(...values.map(({ key }) => `missing ${key}`)),
      onUnseen: (error) => void told.push(error.code),
    });
    for (let looks = 0; looks < 2; looks++) await vanished.look().catch(({ code }: GatewayError) => told.push(`look ${code}`));
    return { told, scans };
  };

  it.each<[string, Parameters<typeof looked>[0], number]>([
    ["a key that the filter excludes", { excludes: true }, 1],
    ["a key that is none", { key: "no:key" }, 1],
    ["a forgotten tombstone of another site", { entry: { kind: "delete", version: { ts: 1, site: siteNamed("b") } } }, 1],
    ["the mark of an expiry", { entry: { kind: "expired" } }, 1],
    ["a key that is written meanwhile", { entry: { revision: 2 } }, 1],
    ["a key that comes to be known meanwhile", { known: true }, 1],
  ])("is left alone, and not read again and again: %s", async (_, change, scans) => {
    expect(await looked(change)).toEqual({ told: [], scans });
  });

  it.each<[string, Parameters<typeof looked>[0]]>([
    ["a value", {}],
    ["a value that a gateway wrote", { entry: { version: { ts: 1, site: siteNamed("b") } } }],
    ["a local purge", { entry: { kind: "purge" } }],
  ])("is told: %s", async (_, change) => {
    expect(await looked(change)).toEqual({
      told: ["KVGW_READER_LOST", "look KVGW_READER_LOST", "KVGW_READER_LOST", "look KVGW_READER_LOST"],
      scans: 2,
    });
  });

  it("is told where only a tombstone is known of the key, without a message", async () => {
    expect((await looked({ tombstone: true })).told).toContain("KVGW_READER_LOST");
  });
});

describe("a look that breaks off", () => {
  it("tells what it has found, and finds the rest the next time", async () => {
    const clock = createVirtualClock();
    const replica = createReplica(siteNamed("a"));
    const [x, y] = [keyNamed("x"), keyNamed("y")];
    for (const [at, key] of [x, y].entries()) replica.recordApplied(operationAt(5, siteNamed("b"), { key }), at + 1);
    const told: string[] = [];
    let isAway = true;
    const read = (key: Key) => (key === y && isAway ? Promise.reject(new GatewayError("KVGW_TIMEOUT", "no answer")) : Promise.resolve(null));
    const vanished = createVanished({
      ...{ replica, clock, position: createTailPosition(clock), includes: () => true, isBusy: () => false },
      store: { count: () => Promise.resolve({ created: "", keys: 0, lastSequence: 2 }), scan: () => Promise.resolve(), read },
      onMissing: (values) => void told.push(...values.map(({ key }) => key)),
      onUnseen: (error) => void told.push(error.code),
    });
    await expect(vanished.look()).rejects.toMatchObject({ code: "KVGW_TIMEOUT" });
    expect(told).toEqual(["x"]);
    isAway = false;
    await vanished.look();
    expect(told).toEqual(["x", "y"]);
  });
});
