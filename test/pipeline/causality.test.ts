/** I5: a local write that overwrote an applied value gets a version above it, whatever happened in between. */
import { describe, expect, it } from "vitest";
import type { Version } from "../../src/core/version.js";
import { parseVersion } from "../../src/core/version.js";
import { CAUSALITY_KEY_BYTES_MAX, CAUSALITY_RECORDS_MAX } from "../../src/core/limits.js";
import { headerValue } from "../../src/nats/message.js";
import { loadCausality } from "../../src/pipeline/causality.js";
import { operationAt } from "../core/arbitraries.js";
import { keyNamed, siteNamed } from "../core/names.js";
import { createMemoryConnection } from "../memory/connection.js";
import { createMemorySiteState } from "../memory/site-state.js";
import { createVirtualClock } from "../memory/virtual-clock.js";
import { BUCKET, type Place, type World, type WorldOptions, createWorld } from "./world.js";

const HOUR_MS = 3_600_000;

interface Story extends World {
  /** Its clock runs ahead; it writes first. */
  readonly ahead: Place;
  /** Its clock is right, or an hour behind; it writes over what it got from the other one. */
  readonly behind: Place;
}

function story(options: WorldOptions = {}): Story {
  // So far apart that nothing is held back: what is told here is about the clocks that the guard lets pass.
  const world = createWorld({ ...options, config: { maxClockSkewMs: 4 * HOUR_MS, ...options.config } });
  const [ahead, behind] = [world.place("a"), world.place("b")];
  ahead.site.skewMs = HOUR_MS;
  behind.site.skewMs = -HOUR_MS;
  return { ...world, ahead, behind };
}

const versionOf = (place: Place, key: string): Version => {
  const text = place.logged().find((logged) => logged.split(" ")[1] === key);
  const version = parseVersion(text?.split(" ").slice(2).join(" ") ?? "");
  if (version === null) throw new Error(`${place.id} has not logged ${key}`);
  return version;
};

/** At the server, in the moment in which an apply of the key is stored, and before anybody has been told. */
function whenApplied(place: Place, key: string, then: () => void): void {
  const unwatch = place.bucket.watch({
    onChange() {
      if (headerValue(place.bucket.last(key)?.block ?? "", "Kvgw-Version") === null) return;
      unwatch();
      then();
    },
    onGone: () => undefined,
  });
}

async function convergedOn(world: Story, value: string): Promise<void> {
  await world.settle();
  expect(world.contents()).toEqual(world.everywhere({ k: value }));
  expect(versionOf(world.behind, "k").ts).toBeGreaterThan(versionOf(world.ahead, "k").ts);
  expect(world.places().map(({ log }) => log.mark().lastSequence)).toEqual([1, 1]);
}

describe("a write over an applied value", () => {
  it("wins although the writer's clock is two hours behind", async () => {
    const world = story();
    world.start();
    world.ahead.app.put("k", "first");
    await world.settle();
    expect(world.behind.app.read().get("k")).toBe("first");
    world.behind.app.put("k", "second");
    await convergedOn(world, "second");
    const version = versionOf(world.behind, "k");
    expect(version.ts).toBe(versionOf(world.ahead, "k").ts + 1);
  });

  it.each([1, 5])("wins while the apply's answer is still on its way (case a), with history %d", async (history) => {
    const world = story({ stream: { history } });
    world.start();
    await world.settle();
    world.behind.gateway().local.faults.delayMs = () => 500;
    world.ahead.app.put("k", "first");
    await world.until(() => world.behind.app.read().get("k") === "first", "the apply is stored");
    // Its answer takes half a second from here.
    await world.clock.advance(100);
    world.behind.app.put("k", "second");
    await convergedOn(world, "second");
  });

  it("wins where the apply's echo was compacted before the tail saw it (case b)", async () => {
    const world = story();
    whenApplied(world.behind, "k", () => void world.behind.app.put("k", "second"));
    world.start();
    world.ahead.app.put("k", "first");
    await convergedOn(world, "second");
  });

  it("wins where that apply's answer was lost besides", async () => {
    const world = story();
    whenApplied(world.behind, "k", () => void world.behind.app.put("k", "second"));
    world.start();
    world.behind.gateway().local.faults.fate = ({ to }) => (to === "bucket" ? "answer lost" : "arrives");
    world.ahead.app.put("k", "first");
    await convergedOn(world, "second");
  });

  it("wins where every apply is answered too late, so that it lands after its outcome was unknown", async () => {
    const world = story();
    world.start();
    await world.settle();
    world.behind.gateway().local.faults.delayMs = () => 6_000;
    whenApplied(world.behind, "k", () => void world.behind.app.put("k", "second"));
    world.ahead.app.put("k", "first");
    await world.settle();
    world.behind.gateway().local.faults.delayMs = () => 0;
    await convergedOn(world, "second");
  });

  it.each(["stop", "crash"] as const)("wins while the gateway is down after a %s (case c)", async (how) => {
    const world = story();
    world.start();
    world.ahead.app.put("k", "first");
    await world.settle();
    if (how === "stop") await world.stop(world.behind);
    else world.behind.gateway().crash();
    world.behind.app.put("k", "second");
    await world.clock.advance(60_000);
    world.behind.start();
    await convergedOn(world, "second");
  });

  it("wins where the gateway died in the moment in which the apply was stored", async () => {
    const world = story();
    whenApplied(world.behind, "k", () => {
      world.behind.gateway().crash();
      world.behind.app.put("k", "second");
    });
    world.start();
    world.ahead.app.put("k", "first");
    await world.settle();
    world.behind.start();
    await convergedOn(world, "second");
  });

  it("wins where the gateway died with the apply still on its way", async () => {
    const world = story();
    world.start();
    await world.settle();
    const dying = world.behind.gateway();
    dying.local.faults.fate = ({ to }) => {
      // In the same moment, but after it has been sent.
      if (to === "bucket") queueMicrotask(() => dying.crash());
      return "arrives";
    };
    world.ahead.app.put("k", "first");
    await world.until(() => world.behind.app.read().has("k"), "the dead gateway's apply has landed");
    world.behind.app.put("k", "second");
    world.behind.start();
    await convergedOn(world, "second");
  });

  it("wins where a dead gateway's apply lands long after the next one has started", async () => {
    const world = story();
    world.start();
    await world.settle();
    const dying = world.behind.gateway();
    dying.local.faults.fate = ({ to }) => {
      if (to !== "bucket") return "arrives";
      // Held up behind a link for half a minute; the way to the peer is cut, so nothing else tells of the value.
      dying.local.faults.delayMs = () => 30_000;
      queueMicrotask(() => dying.crash());
      return "arrives";
    };
    whenApplied(world.behind, "k", () => void world.behind.app.put("k", "second"));
    world.ahead.app.put("k", "first");
    await world.clock.advance(100);
    world.behind.start();
    world.behind.gateway().peer(world.ahead.id).cut();
    await world.settle();
    expect(world.behind.gateway().state()).toBe("live");
    expect(world.behind.app.read().has("k")).toBe(false);
    await world.until(() => world.behind.app.read().has("k"), "the dead gateway's apply has landed");
    world.behind.gateway().peer(world.ahead.id).heal();
    await convergedOn(world, "second");
  });

  it("wins where the overwritten message has vanished, and the gateway was away meanwhile", async () => {
    const world = story();
    world.start();
    world.ahead.app.put("k", "first");
    await world.settle();
    world.behind.gateway().crash();
    world.behind.bucket.purge("k");
    world.behind.start();
    await world.settle();
    world.behind.app.put("k", "second");
    await convergedOn(world, "second");
  });

  it("wins through any number of crashes", async () => {
    const world = story();
    world.start();
    for (let n = 1; n <= 5; n++) {
      world.ahead.app.put("k", `first ${n}`);
      await world.settle();
      world.behind.gateway().crash();
      world.behind.app.put("k", `second ${n}`);
      world.behind.start();
      await world.settle();
      expect(world.contents()).toEqual(world.everywhere({ k: `second ${n}` }));
    }
  });

  it("wins for many keys at once, more than there are records", async () => {
    const world = story();
    world.start();
    const keys = Array.from({ length: 1_500 }, (_, n) => `k${n}`);
    for (const key of keys) world.ahead.app.put(key, "first");
    await world.settle();
    world.behind.gateway().crash();
    for (const key of keys) world.behind.app.put(key, "second");
    world.behind.start();
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere(Object.fromEntries(keys.map((key) => [key, "second"]))));
  });
});

describe("a write that overwrote nothing of another site", () => {
  it("keeps its server's time, also after a restart", async () => {
    const world = createWorld();
    const a = world.place("a");
    world.start();
    a.app.put("k", "v");
    await world.settle();
    a.gateway().crash();
    const nowMs = world.clock.nowMs();
    a.app.put("l", "w");
    a.start();
    await world.settle();
    expect(versionOf(a, "l")).toEqual({ ts: nowMs * 1_000, site: "a" });
  });

  it("is never stamped further ahead than the floor after a restart", async () => {
    const world = createWorld();
    const [a, b] = [world.place("a"), world.place("b")];
    world.start();
    a.app.put("k", "v");
    await world.settle();
    b.gateway().crash();
    const nowMs = world.clock.nowMs();
    b.app.put("unrelated", "w");
    b.start();
    await world.settle();
    expect(versionOf(b, "unrelated").ts).toBeGreaterThanOrEqual(nowMs * 1_000);
    expect(versionOf(b, "unrelated").ts).toBeLessThanOrEqual((nowMs + 5_000) * 1_000);
  });
});

describe("the causality floor", () => {
  it("is durable before the first apply is sent, and above its version or with a record of it", async () => {
    const world = story();
    const order: string[] = [];
    world.start();
    world.behind.gateway().local.faults.fate = ({ to, key }) => {
      if (!key.startsWith("seen.")) order.push(to);
      return "arrives";
    };
    world.ahead.app.put("k", "first");
    await world.settle();
    expect(order.slice(0, 2)).toEqual(["state", "bucket"]);
    const { floorUs, records } = world.behind.saved("causality.config") as { floorUs: number; records: [string, number][] };
    const { ts } = versionOf(world.ahead, "k");
    expect(Math.max(floorUs, new Map(records).get("k") ?? 0)).toBeGreaterThanOrEqual(ts);
  });

  it("never falls, though the clock steps back", async () => {
    const world = story();
    const { ahead, behind } = world;
    const floor = () => (behind.saved("causality.config") as { floorUs: number }).floorUs;
    world.start();
    ahead.app.put("k", "first");
    await world.settle();
    const before = floor();
    behind.site.skewMs -= HOUR_MS;
    ahead.app.put("l", "second");
    await world.settle();
    expect(behind.app.read().size).toBe(2);
    expect(floor()).toBeGreaterThanOrEqual(before);
  });

  it("is written once in seconds, not once per operation", async () => {
    const world = createWorld();
    const [a, b] = [world.place("a"), world.place("b")];
    world.start();
    await world.settle();
    const floors: number[] = [];
    b.gateway().local.faults.fate = ({ to, key }) => {
      if (to === "state" && key.startsWith("causality")) floors.push(world.clock.nowMs());
      return "arrives";
    };
    for (let n = 0; n < 1_000; n++) {
      a.app.put(`k${n}`, "v");
      await world.clock.advance(10);
    }
    expect(b.app.read().size).toBeGreaterThan(990);
    expect(floors.length).toBeGreaterThan(1);
    expect(floors.length).toBeLessThanOrEqual(6);
  });

  it("does not let an apply pass while it cannot be written", async () => {
    const world = story();
    world.start();
    await world.settle();
    const { faults } = world.behind.gateway().local;
    faults.fate = ({ to }) => (to === "state" ? "request lost" : "arrives");
    world.ahead.app.put("k", "first");
    await world.settle();
    expect(world.behind.app.read().size).toBe(0);
    expect(world.behind.events("bucket-retry").map(({ reason }) => reason.code)).toContain("KVGW_STATE_UNAVAILABLE");
    faults.fate = () => "arrives";
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "first" }));
    expect(world.behind.gateway().state()).toBe("live");
  });
});

describe("the records beside the floor", () => {
  const AHEAD_US = 60_000_000;

  /** Covers an operation of each key, all far ahead of the clock, the later the further. */
  async function coverAll(keys: readonly string[]) {
    const clock = createVirtualClock();
    const durable = new Map<string, string>();
    const failures: string[] = [];
    const state = createMemorySiteState(createMemoryConnection(clock), durable);
    const loading = loadCausality({ bucket: BUCKET, state, clock, share: 0, onFailure: ({ message }) => void failures.push(message) });
    await clock.advance(10);
    const guard = await loading;
    let released = 0;
    const fromUs = clock.nowMs() * 1_000 + AHEAD_US;
    for (const [at, key] of keys.entries()) {
      guard.cover(operationAt(fromUs + at, siteNamed("b"), { key: keyNamed(key) }), () => void released++);
    }
    await clock.advance(1_000);
    const text = durable.get(`causality.${BUCKET}`) ?? "";
    const { floorUs, records } = JSON.parse(text) as { floorUs: number; records: [string, number][] };
    return { failures, released, text, floorUs, records, highestUs: fromUs + keys.length - 1 };
  }

  it("are kept while they are few, so that the floor stays near the clock", async () => {
    const keys = Array.from({ length: CAUSALITY_RECORDS_MAX }, (_, n) => `k${n}`);
    const { failures, released, records, floorUs, highestUs } = await coverAll(keys);
    expect([failures, released, records.length]).toEqual([[], keys.length, keys.length]);
    expect(floorUs).toBeLessThan(highestUs - AHEAD_US / 2);
  });

  it.each([CAUSALITY_RECORDS_MAX + 1, 200_000])("of %d keys at once are covered by the floor", async (count) => {
    const keys = Array.from({ length: count }, (_, n) => `k${n}`);
    const { failures, released, records, floorUs, highestUs } = await coverAll(keys);
    expect([failures, released, records, floorUs]).toEqual([[], keys.length, [], highestUs]);
  });

  it("of long keys are covered by the floor before they are too large to be saved", async () => {
    const keys = Array.from({ length: CAUSALITY_RECORDS_MAX }, (_, n) => `${n}.${"k".repeat(1_000)}`);
    const { failures, released, text, records, floorUs, highestUs } = await coverAll(keys);
    expect([failures, released, records, floorUs]).toEqual([[], keys.length, [], highestUs]);
    expect(text.length).toBeLessThan(CAUSALITY_KEY_BYTES_MAX);
  });
});
