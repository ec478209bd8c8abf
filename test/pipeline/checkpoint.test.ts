/** I6: how far a peer's log has been applied is never claimed too high, and survives whatever happens to readers. */
import { describe, expect, it } from "vitest";
import type { Checkpoint } from "../../src/core/checkpoint.js";
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
    let open = 0;
    const watch = a.log.watch.bind(a.log);
    (a.log as { watch: MemoryStream["watch"] }).watch = (watcher) => {
      open++;
      const unwatch = watch(watcher);
      return () => {
        open--;
        unwatch();
      };
    };
    await world.until(() => open === 1, "the server has made a reader, and the answer is on its way");
    await world.stop(b);
    await world.settle();
    expect(open).toBe(0);
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
