/** I6: how far a peer's log has been applied is never claimed too high, and survives whatever happens to readers. */
import { describe, expect, it } from "vitest";
import type { Checkpoint } from "../../src/core/checkpoint.js";
import { GatewayError } from "../../src/core/errors.js";
import { HEARTBEAT_MS, READER_STOP_MS } from "../../src/core/limits.js";
import { compareVersions, parseVersion } from "../../src/core/version.js";
import { headerValue } from "../../src/nats/message.js";
import { createSeededRandom } from "../memory/seeded-random.js";
import type { MemoryStream } from "../memory/stream.js";
import { type Place, type World, type WorldOptions, createWorld } from "./world.js";

async function running(options: WorldOptions = {}): Promise<World & { readonly a: Place; readonly b: Place }> {
  const world = createWorld(options);
  world.start();
  await world.settle();
  return { ...world, a: world.place("a"), b: world.place("b") };
}

const KEY = "checkpoint.config.a";
const checkpointOf = (place: Place) => place.saved(KEY) as Checkpoint | null;
const peerOf = (place: Place, peer: Place) => place.gateway().snapshot().peers.get(peer.id);

/** Looks at every checkpoint in the moment in which it becomes durable. */
function atEverySave(place: Place, look: (sequence: number) => void): void {
  const { state } = place.site;
  const set = state.set.bind(state);
  state.set = (key, text) => {
    if (key === KEY) look((JSON.parse(text) as Checkpoint).sequence);
    return set(key, text);
  };
}

const versionIn = (block = "") => parseVersion(headerValue(block, "Kvgw-Version") ?? "");

/** The readers that the server of the log has, from now on. */
function countReaders(log: MemoryStream): { open: number; ever: number } {
  const readers = { open: 0, ever: 0 };
  const watch = log.watch.bind(log);
  (log as { watch: MemoryStream["watch"] }).watch = (watcher) => {
    readers.open++;
    readers.ever++;
    const unwatch = watch(watcher);
    return () => {
      readers.open--;
      unwatch();
    };
  };
  return readers;
}

describe("a checkpoint", () => {
  it("is never durable before the operations below it are applied, however slow and unsure each write is", async () => {
    const world = await running();
    const { a, b } = world;
    const random = createSeededRandom(7);
    const { faults } = b.gateway().local;
    faults.delayMs = () => Math.floor(random.next() * 400);
    faults.fate = ({ to }) => {
      if (to !== "bucket" || random.next() < 0.8) return "arrives";
      return random.next() < 0.5 ? "answer lost" : "request lost";
    };
    const violations: string[] = [];
    let saves = 0;
    atEverySave(b, (sequence) => {
      saves++;
      for (const { sequence: logged, subject, block } of a.log.messages()) {
        const [here, there] = [versionIn(b.bucket.last(subject)?.block), versionIn(block)];
        const applied = here !== null && there !== null && compareVersions(here, there) >= 0;
        if (logged <= sequence && !applied) violations.push(`${sequence} passes ${subject}@${logged}`);
      }
    });
    for (let n = 0; n < 300; n++) {
      a.app.put(`k${n % 40}`, `${n}`);
      await world.clock.advance(100);
    }
    await world.clock.advance(60_000);
    expect(violations).toEqual([]);
    expect(saves).toBeGreaterThan(5);
    expect(checkpointOf(b)?.sequence).toBe(300);
    expect(world.contents()["b"]).toEqual(world.contents()["a"]);
  });

  it("is written behind the work, at most once a second", async () => {
    const world = await running();
    const savedMs: number[] = [];
    atEverySave(world.b, () => void savedMs.push(world.clock.nowMs()));
    for (let n = 0; n < 500; n++) {
      world.a.app.put(`k${n}`, "v");
      await world.clock.advance(10);
    }
    expect(savedMs.length).toBeGreaterThan(2);
    for (const [at, ms] of savedMs.entries()) if (at > 0) expect(ms - (savedMs[at - 1] ?? 0)).toBeGreaterThanOrEqual(1_000);
  });

  it("names the life of the log that it belongs to", async () => {
    const world = await running();
    world.a.app.put("k", "v");
    await world.settle();
    expect(checkpointOf(world.b)).toEqual({ created: world.a.log.mark().created, sequence: 1 });
  });

  it("is where the next life begins: what was applied is not read again", async () => {
    const world = await running();
    for (let n = 0; n < 10; n++) world.a.app.put(`k${n}`, "v");
    await world.settle();
    world.b.gateway().crash();
    world.b.start();
    await world.settle();
    expect(world.b.gateway().counters.peers.get(world.a.id)).toMatchObject({ applied: 0, ignored: { duplicate: 0 } });
    expect(peerOf(world.b, world.a)?.checkpoint).toBe(10);
  });

  it("that cannot be read is none: everything is read again, and nothing changes", async () => {
    const world = await running();
    world.a.app.put("k", "v");
    await world.settle();
    world.b.gateway().crash();
    world.b.site.state.set(KEY, JSON.stringify({ sequence: "1" }));
    const before = world.b.bucket.mark();
    world.b.start();
    await world.settle();
    expect(world.b.gateway().counters.peers.get(world.a.id)?.ignored.duplicate).toBe(1);
    expect(world.b.bucket.mark()).toEqual(before);
    expect(checkpointOf(world.b)?.sequence).toBe(1);
  });
});

describe("a reader that is lost", () => {
  it("is replaced, and nothing is missed or applied twice", async () => {
    const world = await running();
    const { a, b } = world;
    for (let n = 0; n < 30; n++) {
      a.app.put(`k${n}`, "v");
      if (n % 7 === 0) a.log.dropConsumers();
      await world.clock.advance(40);
    }
    await world.settle();
    expect(world.contents()["b"]).toEqual(world.contents()["a"]);
    expect(b.gateway().counters.peers.get(a.id)?.applied).toBe(30);
    expect(b.gateway().counters.restarts).toBe(0);
    expect(checkpointOf(b)?.sequence).toBe(30);
  });

  it("is told of with a reason, and of its return", async () => {
    const world = await running();
    const { a, b } = world;
    b.gateway().peer(a.id).cut();
    await world.clock.advance(60_000);
    expect(peerOf(b, a)).toMatchObject({ state: "degraded", reason: { code: "KVGW_UNREACHABLE" } });
    expect(peerOf(b, a)?.lagSeconds).toBeGreaterThanOrEqual(59);
    b.gateway().peer(a.id).heal();
    await world.clock.advance(100);
    expect(peerOf(b, a)).toMatchObject({ state: "live", reason: null, lagOperations: 0, lagSeconds: 0 });
    expect(b.events("peer-state").map(({ state }) => state)).toEqual(["live", "degraded", "degraded", "live"]);
  });

  it("because the run ends is stopped also while it is being opened", async () => {
    const world = await running();
    const { a, b } = world;
    const connection = b.gateway().peer(a.id);
    connection.cut();
    connection.faults.delayMs = () => 700;
    connection.heal();
    const readers = countReaders(a.log);
    await world.until(() => readers.open === 1, "the server has made a reader, and the answer is on its way");
    await world.stop(b);
    await world.settle();
    expect(readers.open).toBe(0);
  });

  it("because the run ends is not opened any more where the answer before that comes late", async () => {
    const world = await running();
    const { a, b } = world;
    const connection = b.gateway().peer(a.id);
    connection.cut();
    connection.faults.delayMs = () => 700;
    connection.heal();
    const readers = countReaders(a.log);
    await world.clock.advance(300);
    await world.stop(b);
    await world.settle();
    expect(readers.ever).toBe(0);
  });

  it("and cannot be replaced, because the peer answers nothing, does not hold up a stop", async () => {
    const world = await running();
    const { a, b } = world;
    const connection = b.gateway().peer(a.id);
    connection.cut();
    connection.faults.delayMs = () => 3_600_000;
    connection.heal();
    await world.clock.advance(500);
    const beforeMs = world.clock.elapsedMs();
    await world.stop(b);
    expect(world.clock.elapsedMs() - beforeMs).toBeLessThan(READER_STOP_MS + 100);
    const told = b.gateway().events.length;
    await world.settle();
    expect(b.gateway().events).toHaveLength(told);
  });
});

describe("one operation that waits while others pass it", () => {
  const FULL = new GatewayError("KVGW_BUCKET_FULL", "the bucket is full");

  /** A full bucket refuses new keys and takes overwrites. */
  async function withOneThatWaits(options: WorldOptions = {}) {
    const world = await running(options);
    const { a, b } = world;
    let full = true;
    b.gateway().local.faults.fate = ({ to, key }) => (to === "bucket" && full && key === "new" ? FULL : "arrives");
    a.app.put("hot", "0");
    a.app.put("new", "v");
    await world.settle();
    return { ...world, makeRoom: () => void (full = false) };
  }

  it("holds the checkpoint, and nothing of the others is remembered", async () => {
    const world = await withOneThatWaits({ config: { limits: { inFlight: 16, opsPerSecond: 0 } } });
    const { a, b } = world;
    for (let n = 1; n <= 2_000; n++) {
      a.app.put("hot", `${n}`);
      await world.clock.advance(2);
    }
    await world.clock.advance(2_000);
    expect(b.app.read().get("hot")).toBe("2000");
    expect(peerOf(b, a)).toMatchObject({ lagOperations: 1, checkpoint: 1 });
    expect(checkpointOf(b)?.sequence).toBe(1);
    world.makeRoom();
    await world.settle();
    expect([peerOf(b, a)?.lagOperations, checkpointOf(b)?.sequence]).toEqual([0, 2_002]);
  });

  it("is what the lag is told of, not the newest that came", async () => {
    const world = await withOneThatWaits();
    const { a, b } = world;
    for (let n = 0; n < 60; n++) {
      a.app.put("hot", `${n}`);
      await world.clock.advance(1_000);
    }
    expect(peerOf(b, a)?.lagSeconds).toBeGreaterThan(60);
    expect(peerOf(b, a)?.lagSeconds).toBeLessThan(90);
    world.makeRoom();
    await world.settle();
    expect(peerOf(b, a)?.lagSeconds).toBe(0);
  });
});

describe("the lag", () => {
  it("is counted from the last contact until the first operation has come", async () => {
    const world = createWorld({ config: { limits: { inFlight: 1, opsPerSecond: 0 } } });
    const [a, b] = [world.place("a"), world.place("b")];
    a.start();
    for (const key of ["k", "l"]) a.app.put(key, "v");
    await world.settle();
    b.start();
    b.gateway().peer(a.id).faults.delayMs = () => 100;
    const lags: number[] = [];
    await world.until(() => {
      lags.push(peerOf(b, a)?.lagSeconds ?? 0);
      return b.app.read().size === 2;
    }, "both are applied");
    // Written a while before; never the half century since the epoch.
    expect(Math.max(...lags)).toBeLessThan(60);
    await world.settle();
    expect(peerOf(b, a)?.lagSeconds).toBe(0);
  });

  it("goes on from the loss of the link when the link is back, until what was missed has come", async () => {
    const world = await running({ config: { limits: { inFlight: 1, opsPerSecond: 0 } } });
    const { a, b } = world;
    a.app.put("k", "v");
    await world.clock.advance(600_000);
    const link = b.gateway().peer(a.id);
    link.cut();
    await world.clock.advance(60_000);
    for (const key of ["k", "l"]) a.app.put(key, "w");
    link.faults.delayMs = () => 100;
    link.heal();
    await world.until(() => peerOf(b, a)?.state === "live", "reading again");
    expect(peerOf(b, a)?.lagSeconds).toBeGreaterThanOrEqual(60);
    // What the peer had logged was heard of one beat before the loss at the earliest.
    expect(peerOf(b, a)?.lagSeconds).toBeLessThan(61 + HEARTBEAT_MS / 1_000);
    await world.settle();
    expect(peerOf(b, a)?.lagSeconds).toBe(0);
  });
});

describe("a peer's log", () => {
  it("is waited for while it does not exist", async () => {
    const world = createWorld();
    const [a, b] = [world.place("a"), world.place("b")];
    a.app.put("k", "v");
    b.start();
    await world.settle();
    expect(peerOf(b, a)).toMatchObject({ state: "degraded", reason: { code: "KVGW_LOG_MISSING" } });
    expect(b.gateway().state()).toBe("live");
    a.start();
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "v" }));
  });

  it("made anew is read from its beginning", async () => {
    const world = await running();
    const { a, b } = world;
    for (const key of ["k", "l"]) a.app.put(key, "v");
    await world.settle();
    a.gateway().crash();
    a.log.destroy();
    a.app.put("m", "w");
    a.start();
    await world.settle();
    expect(world.contents()["b"]).toEqual({ k: "v", l: "v", m: "w" });
    expect(b.events("checkpoint-reset")).toMatchObject([{ why: "the log was recreated" }]);
    expect(checkpointOf(b)).toEqual({ created: a.log.mark().created, sequence: 3 });
  });

  it("put back to an older copy is read from its beginning where our checkpoint is beyond its end", async () => {
    const world = await running();
    const { a, b } = world;
    a.app.put("k", "v");
    await world.settle();
    const putBack = a.log.copy();
    for (const key of ["l", "m"]) a.app.put(key, "v");
    await world.settle();
    putBack();
    await world.settle();
    expect(b.events("checkpoint-reset")[0]).toMatchObject({ why: "the log ends before our checkpoint" });
    expect(checkpointOf(b)?.sequence).toBe(1);
    a.app.put("n", "w");
    await world.settle();
    expect(world.contents()["b"]).toMatchObject({ k: "v", l: "v", m: "v", n: "w" });
  });

  it("is read no faster than this site settles it", async () => {
    const world = createWorld({ config: { limits: { inFlight: 8, opsPerSecond: 0 } } });
    const [a, b] = [world.place("a"), world.place("b")];
    for (let n = 0; n < 100; n++) a.app.put(`k${n}`, "v");
    a.start();
    await world.settle();
    const gateway = b.start();
    gateway.local.faults.delayMs = () => 50;
    let most = 0;
    let inFlight = 0;
    gateway.local.faults.fate = ({ to }) => {
      if (to === "bucket") most = Math.max(most, ++inFlight);
      return "arrives";
    };
    b.bucket.watch({ onChange: () => void inFlight--, onGone: () => undefined });
    await world.until(() => peerOf(b, a)?.state === "live", "reading");
    await world.clock.advance(5);
    expect(peerOf(b, a)?.lagOperations).toBeGreaterThan(50);
    await world.settle();
    expect(b.app.read().size).toBe(100);
    expect(most).toBe(8);
  });
});
