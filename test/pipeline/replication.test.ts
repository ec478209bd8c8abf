/** Writes travel between sites once each, and all sites end equal (I2, I4; promises 1-3). */
import { describe, expect, it } from "vitest";
import type { BucketConfig } from "../../src/config/config.js";
import { READ_WINDOW_MESSAGES } from "../../src/core/limits.js";
import { type Place, type World, type WorldOptions, createWorld } from "./world.js";

async function running(options: WorldOptions = {}): Promise<World & { readonly a: Place; readonly b: Place }> {
  const world = createWorld(options);
  world.start();
  await world.settle();
  return { ...world, a: world.place("a"), b: world.place("b") };
}

const operationsEver = ({ log }: Place) => log.mark().lastSequence;
const cut = (place: Place, from: Place) => place.gateway().peer(from.id).cut();
const heal = (place: Place, from: Place) => place.gateway().peer(from.id).heal();

describe("a local write", () => {
  it("reaches the other site, in both directions", async () => {
    const world = await running();
    world.a.app.put("from.a", "1");
    world.b.app.put("from.b", "2");
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ "from.a": "1", "from.b": "2" }));
  });

  it("that deletes or purges is a delete at the other site, and a later put brings the key back", async () => {
    const world = await running();
    for (const key of ["deleted", "purged", "back"]) world.a.app.put(key, "v");
    await world.settle();
    world.b.app.delete("deleted");
    world.b.app.purge("purged");
    world.b.app.delete("back");
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({}));
    world.a.app.put("back", "again");
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ back: "again" }));
  });

  it.each(["raw", "json"] as const)("keeps its value byte by byte in %s", async (format) => {
    const world = await running({ config: { format } });
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const values = { empty: new Uint8Array(0), bytes, large: new Uint8Array(300_000).fill(0x61) };
    for (const [key, value] of Object.entries(values)) world.a.app.put(key, value);
    await world.settle();
    for (const [key, value] of Object.entries(values)) {
      expect(Buffer.compare(world.b.bucket.last(key)?.payload ?? Buffer.from("missing"), value), key).toBe(0);
    }
  });

  it("that was there before any gateway is found at the start, also where all have one timestamp", async () => {
    const world = createWorld();
    const [a, b] = [world.place("a"), world.place("b")];
    for (let n = 0; n < 50; n++) a.app.put(`a.${n}`, `${n}`);
    for (let n = 0; n < 50; n++) b.app.put(`b.${n}`, `${n}`);
    a.app.put("both", "of a");
    b.app.put("both", "of b");
    world.start();
    await world.settle();
    expect(a.app.read()).toEqual(b.app.read());
    expect(a.app.read().size).toBe(101);
    expect(a.app.read().get("both")).toBe("of b");
    expect(operationsEver(a) + operationsEver(b)).toBe(102);
  });

  it("reaches every one of three sites, once each", async () => {
    const world = await running({ sites: ["a", "b", "c"] });
    for (const { id, app } of world.places()) app.put(`from.${id}`, id);
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ "from.a": "a", "from.b": "b", "from.c": "c" }));
    for (const { gateway } of world.places()) {
      for (const peer of gateway().counters.peers.values()) {
        expect(peer).toMatchObject({ applied: 1, ignored: { stale: 0, duplicate: 0 } });
      }
    }
  });

  it("keeps its place among the writes of its key, under a burst with history 1 and slow connections", async () => {
    const world = await running();
    for (const { gateway } of world.places()) gateway().local.faults.delayMs = () => 7;
    for (let n = 1; n <= 300; n++) {
      world.a.app.put("hot", `${n}`);
      if (n % 10 === 0) await world.clock.advance(5);
    }
    const seen: number[] = [];
    world.b.bucket.watch({
      onChange: () => void seen.push(Number(world.b.app.read().get("hot"))),
      onGone: () => undefined,
    });
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ hot: "300" }));
    expect(seen.length).toBeGreaterThan(1);
    expect(seen).toEqual([...seen].sort((x, y) => x - y));
  });
});

describe("an echo", () => {
  it("is never logged: the operations in all logs are the local writes", async () => {
    const world = await running();
    for (let n = 0; n < 20; n++) {
      world.a.app.put(`k${n % 5}`, `a${n}`);
      await world.clock.advance(300);
      world.b.app.put(`k${n % 7}`, `b${n}`);
      if (n % 4 === 0) world.b.app.delete(`k${n % 5}`);
      await world.clock.advance(300);
    }
    await world.settle();
    expect([operationsEver(world.a), operationsEver(world.b)]).toEqual([20, 25]);
    expect([world.a, world.b].map(({ gateway }) => gateway().counters.captured)).toEqual([20, 25]);
    expect(world.contents()["a"]).toEqual(world.contents()["b"]);
  });

  it("is not counted, and a write that one run could not log is counted once, when the next one has", async () => {
    const world = await running();
    const { local, counters } = world.a.gateway();
    local.faults.fate = ({ to }) => (to === "log" ? "request lost" : "arrives");
    world.a.app.put("k", "v");
    await world.clock.advance(1_000);
    expect(counters.captured).toBe(0);
    local.cut();
    local.faults.fate = () => "arrives";
    local.heal();
    await world.settle();
    expect(counters.restarts).toBeGreaterThan(0);
    expect([operationsEver(world.a), counters.captured]).toEqual([1, 1]);
  });

  it("is not logged after a restart either", async () => {
    const world = await running();
    world.a.app.put("k", "v");
    world.b.app.put("l", "w");
    await world.settle();
    for (const place of world.places()) await world.stop(place);
    world.start();
    await world.settle();
    expect(world.places().map(operationsEver)).toEqual([1, 1]);
    expect(world.contents()).toEqual(world.everywhere({ k: "v", l: "w" }));
  });
});

describe("writes at both sites while they are cut off", () => {
  it("end with the later one everywhere, counted as a conflict at both", async () => {
    const world = await running();
    const { a, b } = world;
    cut(a, b);
    cut(b, a);
    a.app.put("k", "earlier");
    await world.clock.advance(1_000);
    b.app.put("k", "later");
    await world.settle();
    expect(world.contents()).toEqual({ a: { k: "earlier" }, b: { k: "later" } });
    heal(a, b);
    heal(b, a);
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "later" }));
    expect(a.gateway().counters.peers.get(b.id)?.conflicts).toEqual({ local_won: 0, peer_won: 1 });
    expect(b.gateway().counters.peers.get(a.id)?.conflicts).toEqual({ local_won: 1, peer_won: 0 });
  });

  it("end alike with equal timestamps, and with a delete against a put", async () => {
    const world = await running({ sites: ["a", "b", "c"] });
    for (const place of world.places()) for (const peer of world.places()) if (peer !== place) cut(place, peer);
    for (const { id, app } of world.places()) app.put("tie", id);
    world.a.app.put("k", "put");
    await world.clock.advance(1);
    world.b.app.delete("k");
    for (const place of world.places()) for (const peer of world.places()) if (peer !== place) heal(place, peer);
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ tie: "c" }));
  });

  it("are no conflict where the later write knew the earlier one", async () => {
    const world = await running();
    for (let n = 0; n < 5; n++) {
      (n % 2 === 0 ? world.a : world.b).app.put("k", `${n}`);
      await world.settle();
    }
    for (const { gateway } of world.places()) {
      for (const { conflicts } of gateway().counters.peers.values())
        expect(conflicts).toEqual({ local_won: 0, peer_won: 0 });
    }
  });

  it("send only the last operation per key afterwards", async () => {
    const world = await running();
    const { a, b } = world;
    cut(b, a);
    for (let n = 0; n < 100; n++) a.app.put(`k${n % 4}`, `${n}`);
    await world.settle();
    heal(b, a);
    await world.settle();
    expect(b.gateway().counters.peers.get(a.id)?.applied).toBe(4);
    expect(world.contents()["b"]).toEqual(world.contents()["a"]);
  });

  it("go on reaching a third site that both can reach", async () => {
    const world = await running({ sites: ["a", "b", "c"] });
    const [a, b, c] = ["a", "b", "c"].map((site) => world.place(site)) as [Place, Place, Place];
    cut(b, a);
    a.app.put("k", "v");
    await world.settle();
    expect(world.contents()).toMatchObject({ b: {}, c: { k: "v" } });
    expect(b.gateway().snapshot().peers.get(a.id)?.state).toBe("degraded");
    expect(b.gateway().snapshot().peers.get(c.id)?.state).toBe("live");
    expect(b.gateway().state()).toBe("live");
    c.app.put("l", "w");
    await world.settle();
    expect(b.app.read().get("l")).toBe("w");
  });
});

describe("a key filter", () => {
  const config: Partial<BucketConfig> = { keys: { include: [">"], exclude: ["local.>"] } };

  it("keeps excluded keys where they are written: neither sent nor applied nor deleted", async () => {
    const world = await running({ config });
    world.a.app.put("local.x", "of a");
    world.b.app.put("local.x", "of b");
    world.a.app.put("k", "v");
    await world.settle();
    world.a.app.delete("local.x");
    await world.settle();
    expect(world.contents()).toEqual({ a: { k: "v" }, b: { k: "v", "local.x": "of b" } });
    expect(world.a.logged()).toEqual([expect.stringMatching(/^put k /)]);
    expect(operationsEver(world.b)).toBe(0);
  });

  it("ignores what a peer with another filter has logged, counts it, and passes it", async () => {
    const world = createWorld({ config });
    const [a, b] = [world.place("a"), world.place("b")];
    const other = createWorld();
    other.place("a").app.put("local.x", "v");
    other.start();
    await other.settle();
    world.start();
    await world.settle();
    for (const { subject, payload, block } of other.place("a").log.messages()) {
      a.log.publish(subject, payload, block);
    }
    await world.settle();
    expect(b.app.read().size).toBe(0);
    expect(b.gateway().counters.peers.get(a.id)?.ignored.filtered).toBe(1);
    expect(b.saved("checkpoint.config.a")).toMatchObject({ sequence: 1 });
  });
});

describe("an entry with a deadline", () => {
  const ttl = { stream: { messageTtl: true, markers: true } };

  it("reaches the other site with what is left of its life, and ends at both as an expiry, logged nowhere", async () => {
    const world = await running(ttl);
    world.a.app.put("k", "v", { "Nats-TTL": "60s" });
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "v" }));
    await world.clock.advance(60_000);
    expect(world.contents()).toEqual(world.everywhere({}));
    expect(world.places().map(operationsEver)).toEqual([1, 0]);
  });

  it("that passes while the other site is away is a tombstone there, also where nothing can expire by itself", async () => {
    const world = await running({ streamAt: { a: ttl.stream } });
    const { a, b } = world;
    a.app.put("k", "old");
    await world.settle();
    cut(b, a);
    a.app.put("k", "brief", { "Nats-TTL": "5s" });
    await world.settle();
    heal(b, a);
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({}));
    expect(b.bucket.last("k")?.block).toMatch(/KV-Operation: DEL/);
    expect(b.gateway().snapshot()).toMatchObject({ keys: 0, tombstones: 1 });
  });
});

describe("a busy system", () => {
  it("goes on after more entries of every sort than a reader's window holds", async () => {
    const world = await running({ config: { keys: { include: [">"], exclude: ["local.>"] } } });
    const { a, b } = world;
    // Local writes at a, which are echoes at b; and keys at b that are none of our business.
    for (let n = 0; n < READ_WINDOW_MESSAGES + 50; n++) {
      a.app.put(`k${n}`, "v");
      b.app.put(`local.${n}`, "v");
    }
    await world.settle();
    a.app.put("last.of.a", "v");
    b.app.put("last.of.b", "v");
    await world.settle();
    expect([b.app.read().get("last.of.a"), a.app.read().get("last.of.b")]).toEqual(["v", "v"]);
    expect(a.app.read().size).toBe(READ_WINDOW_MESSAGES + 52);
  });
});

describe("an idle system", () => {
  it("writes nothing: no entry, no operation, no state (I13)", async () => {
    const world = await running({ sites: ["a", "b", "c"] });
    for (const { app, id } of world.places()) app.put(id, "v");
    await world.settle();
    const writes: string[] = [];
    for (const { id, gateway } of world.places()) {
      gateway().local.faults.fate = ({ to, key }) => {
        writes.push(`${id} ${to} ${key}`);
        return "arrives";
      };
    }
    await world.clock.advance(600_000);
    expect(writes).toEqual([]);
    world.a.app.put("k", "v");
    await world.settle();
    expect(writes.filter((write) => write.includes("log"))).toEqual(["a log k"]);
    expect(world.contents()["c"]).toEqual(world.contents()["a"]);
  });
});
