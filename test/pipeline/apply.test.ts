/** Compare-and-set against the replica: races, vanished messages, lost answers, full buckets. */
import { describe, expect, it } from "vitest";
import { createBucketCounters, peerCounters } from "../../src/core/counters.js";
import { GatewayError } from "../../src/core/errors.js";
import { APPLY_ATTEMPTS_MAX, PUBLISH_TIMEOUT_MS } from "../../src/core/limits.js";
import type { Operation } from "../../src/core/operation.js";
import { lww } from "../../src/core/policy/lww.js";
import type { BucketCount, WriteOutcome } from "../../src/core/ports.js";
import { createReplica } from "../../src/core/replica.js";
import type { Appender } from "../../src/pipeline/append.js";
import { createApplier } from "../../src/pipeline/apply.js";
import { createFailures } from "../../src/pipeline/failures.js";
import { createClockGuard } from "../../src/pipeline/clock-guard.js";
import { createKeyGate } from "../../src/pipeline/key-gate.js";
import { createTailPosition } from "../../src/pipeline/tail-position.js";
import { operationAt } from "../core/arbitraries.js";
import { keyNamed, siteNamed } from "../core/names.js";
import { createVirtualClock } from "../memory/virtual-clock.js";
import { BUCKET, type Place, type World, type WorldOptions, createWorld } from "./world.js";

const FULL = new GatewayError("KVGW_BUCKET_FULL", "the bucket is full");

async function running(options: WorldOptions = {}): Promise<World & { readonly a: Place; readonly b: Place }> {
  const world = createWorld(options);
  world.start();
  await world.settle();
  return { ...world, a: world.place("a"), b: world.place("b") };
}

/** In the moment in which the first apply leaves the gateway; it reaches the server later. */
function whenSent(place: Place, then: () => void): void {
  const { faults } = place.gateway().local;
  faults.delayMs = () => 200;
  faults.fate = ({ to }) => {
    if (to !== "bucket") return "arrives";
    faults.fate = () => "arrives";
    then();
    return "arrives";
  };
}

const fromA = ({ a, b }: { readonly a: Place; readonly b: Place }) => peerCounters(b.gateway().counters, a.id);

describe("an apply that races a local write", () => {
  it("loses at the server, waits for the tail, and is decided again: the later write stays", async () => {
    const world = await running();
    const { a, b } = world;
    whenSent(b, () => void b.app.put("k", "later"));
    a.app.put("k", "earlier");
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "later" }));
    expect(b.gateway().counters.races).toBe(1);
    expect(fromA(world)).toMatchObject({ applied: 0, ignored: { stale: 1 } });
  });

  it("wins in the end where it is the later one", async () => {
    const world = await running();
    const { a, b } = world;
    a.site.skewMs = 60_000;
    whenSent(b, () => void b.app.put("k", "earlier"));
    a.app.put("k", "later");
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "later" }));
    expect(b.gateway().counters.races).toBe(1);
    expect(fromA(world)).toMatchObject({ applied: 1 });
  });

  it("never hides a write of the application: each is applied or logged, however hot the key", async () => {
    const world = await running({ sites: ["a", "b", "c"] });
    for (const { gateway } of world.places()) gateway().local.faults.delayMs = () => 3;
    for (let n = 0; n < 60; n++) {
      for (const { id, app } of world.places()) app.put("hot", `${id}${n}`);
      await world.clock.advance(7);
    }
    await world.settle();
    const [winner] = Object.values(world.contents());
    expect(world.contents()).toEqual(world.everywhere(winner ?? {}));
    expect(winner?.["hot"]).toMatch(/59$/);
  });
});

describe("a message that vanished", () => {
  it("does not keep a later operation away", async () => {
    const world = await running();
    const { a, b } = world;
    a.app.put("k", "first");
    await world.settle();
    b.bucket.purge("k");
    a.app.put("k", "second");
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "second" }));
    expect(b.gateway().counters.races).toBe(1);
  });

  it("is no delete: the other site keeps the key (I8)", async () => {
    const world = await running();
    world.a.app.put("k", "v");
    await world.settle();
    world.b.bucket.purge("k");
    await world.settle();
    expect(world.contents()).toEqual({ a: { k: "v" }, b: {} });
    expect(world.b.log.mark().lastSequence).toBe(0);
  });

  it("and a marker that the server left for a key of which nothing is known, are no obstacle after a restart", async () => {
    const world = createWorld({ stream: { messageTtl: true, markers: true } });
    const [a, b] = [world.place("a"), world.place("b")];
    b.app.put("k", "brief", { "Nats-TTL": "1s" });
    await world.clock.advance(2_000);
    world.start();
    await world.settle();
    a.app.put("k", "v");
    await world.settle();
    expect(b.app.read().get("k")).toBe("v");
    expect(b.gateway().counters.restarts).toBe(0);
  });
});

describe("an apply without an answer", () => {
  it.each(["answer lost", "request lost"] as const)("(%s) is done once and counted once", async (fate) => {
    const world = await running();
    const { a, b } = world;
    let asked = 0;
    b.gateway().local.faults.fate = ({ to }) => (to === "bucket" && ++asked === 1 ? fate : "arrives");
    a.app.put("k", "v");
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "v" }));
    expect(fromA(world)).toMatchObject({ applied: 1, ignored: { stale: 0, duplicate: 0 } });
    expect(b.bucket.mark().lastSequence).toBe(1);
    expect(b.saved("checkpoint.config.a")).toMatchObject({ sequence: 1 });
  });
});

describe("a bucket that refuses to be written", () => {
  it("is in trouble until it takes writes again, and other keys go on meanwhile", async () => {
    const world = await running();
    const { a, b } = world;
    let full = true;
    b.gateway().local.faults.fate = ({ to, key }) => (to === "bucket" && full && key === "new" ? FULL : "arrives");
    a.app.put("new", "v");
    a.app.put("other", "w");
    await world.settle();
    expect(world.contents()["b"]).toEqual({ other: "w" });
    expect(b.gateway().state()).toBe("degraded");
    expect(b.saved("checkpoint.config.a")).toBeNull();
    full = false;
    await world.settle();
    expect(world.contents()["b"]).toEqual({ new: "v", other: "w" });
    expect(b.gateway().state()).toBe("live");
    expect(b.gateway().counters.restarts).toBe(0);
  });

  it("is in trouble no longer than the operation that it refuses", async () => {
    const world = await running();
    const { a, b } = world;
    b.gateway().local.faults.fate = ({ to }) => (to === "bucket" ? FULL : "arrives");
    a.app.put("k", "refused");
    await world.clock.advance(100);
    expect(b.gateway().state()).toBe("degraded");
    b.app.put("k", "later");
    await world.settle();
    expect(b.gateway().state()).toBe("live");
    expect(world.contents()).toEqual(world.everywhere({ k: "later" }));
  });

  it("by silence is in trouble from the second time on", async () => {
    const world = await running();
    const { a, b } = world;
    let denied = true;
    b.gateway().local.faults.fate = ({ to }) => (to === "bucket" && denied ? "request lost" : "arrives");
    a.app.put("k", "v");
    await world.clock.advance(PUBLISH_TIMEOUT_MS + 100);
    expect(b.gateway().state()).toBe("live");
    await world.clock.advance(PUBLISH_TIMEOUT_MS + 1_000);
    expect(b.gateway().state()).toBe("degraded");
    expect(b.events("bucket-state").at(-1)).toMatchObject({ reason: { code: "KVGW_TIMEOUT" } });
    denied = false;
    await world.settle();
    expect(b.gateway().state()).toBe("live");
    expect(world.contents()).toEqual(world.everywhere({ k: "v" }));
  });

  it("does not pile up what a link that comes and goes brings again", async () => {
    const world = await running();
    const { a, b } = world;
    let full = true;
    const refused: string[] = [];
    b.gateway().local.faults.fate = ({ to, key }) => {
      if (to !== "bucket" || !full) return "arrives";
      refused.push(key);
      return FULL;
    };
    for (let n = 0; n < 20; n++) a.app.put(`k${n}`, "v");
    for (let n = 0; n < 50; n++) {
      await world.clock.advance(2_000);
      b.gateway().peer(a.id).cut();
      b.gateway().peer(a.id).heal();
    }
    refused.length = 0;
    await world.clock.advance(15_000);
    // Each has one attempt in the longest interval, not one per time that it came.
    expect(refused.length).toBeLessThan(20 * 4);
    full = false;
    await world.settle();
    expect(world.contents()["b"]).toEqual(world.contents()["a"]);
    expect(fromA(world)).toMatchObject({ applied: 20, ignored: { duplicate: 0 } });
    expect(b.saved("checkpoint.config.a")).toMatchObject({ sequence: 20 });
  });

  it("tells the reason of now, not the one that it began with", async () => {
    const world = await running();
    const { a, b } = world;
    const { faults } = b.gateway().local;
    const reason = () => b.events("bucket-state").at(-1)?.reason?.code;
    const down = new GatewayError("KVGW_UNREACHABLE", "no stream answers; retried");
    faults.fate = ({ to }) => (to === "bucket" ? down : "arrives");
    for (const key of ["k", "l"]) a.app.put(key, "v");
    await world.clock.advance(5_000);
    expect(reason()).toBe("KVGW_UNREACHABLE");
    faults.fate = ({ to, key }) => (to === "bucket" && key === "k" ? FULL : to === "bucket" ? down : "arrives");
    await world.settle();
    expect(reason()).toBe("KVGW_BUCKET_FULL");
    faults.fate = ({ to, key }) => (to === "bucket" && key === "l" ? down : "arrives");
    await world.settle();
    expect(reason()).toBe("KVGW_UNREACHABLE");
    faults.fate = () => "arrives";
    await world.settle();
    expect([b.gateway().state(), reason()]).toEqual(["live", undefined]);
  });

  it("for two reasons tells each once, not at every attempt", async () => {
    const world = await running();
    const { a, b } = world;
    const down = new GatewayError("KVGW_UNREACHABLE", "no stream answers; retried");
    b.gateway().local.faults.fate = ({ to, key }) => (to !== "bucket" ? "arrives" : key === "k" ? FULL : down);
    for (const key of ["k", "l"]) a.app.put(key, "v");
    await world.clock.advance(600_000);
    const reasons = b.events("bucket-state").flatMap(({ reason }) => reason?.code ?? []);
    expect(reasons).toEqual(["KVGW_BUCKET_FULL", "KVGW_UNREACHABLE"]);
  });

  it("for an hour does not count as races lost", async () => {
    const world = await running();
    const { a, b } = world;
    let full = true;
    b.gateway().local.faults.fate = ({ to }) => (to === "bucket" && full ? FULL : "arrives");
    a.app.put("k", "v");
    await world.clock.advance(3_600_000);
    b.bucket.publish("k", new Uint8Array(0), "NATS/1.0\r\nKvgw-Version: 5 c\r\n\r\n");
    b.bucket.purge("k");
    full = false;
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "v" }));
    expect(b.gateway().counters.restarts).toBe(0);
  });
});

describe("the reasons of many failures", () => {
  it("are told when the latest that still holds is another one, and when none does", () => {
    const told: (string | null)[] = [];
    const failures = createFailures((error) => void told.push(error?.code ?? null));
    const down = new GatewayError("KVGW_UNREACHABLE", "down");
    failures.change(null, FULL);
    failures.change(null, FULL);
    failures.change(null, null);
    expect(told).toEqual(["KVGW_BUCKET_FULL"]);
    failures.change(null, down);
    failures.change(FULL, null);
    failures.change(down, down);
    expect(told).toEqual(["KVGW_BUCKET_FULL", "KVGW_UNREACHABLE"]);
    failures.change(down, null);
    failures.change(FULL, null);
    expect(told).toEqual(["KVGW_BUCKET_FULL", "KVGW_UNREACHABLE", "KVGW_BUCKET_FULL", null]);
  });
});

describe("an orderly stop", () => {
  it("finishes what is in flight, and has its checkpoint", async () => {
    const world = await running();
    const { a, b } = world;
    b.gateway().local.faults.delayMs = () => 300;
    for (let n = 0; n < 20; n++) a.app.put(`k${n}`, "v");
    b.app.put("own", "w");
    await world.clock.advance(50);
    await world.stop(b);
    expect(b.app.read().size).toBe(21);
    expect(b.logged()).toHaveLength(1);
    expect(b.saved("checkpoint.config.a")).toMatchObject({ sequence: 20 });
    b.start();
    await world.settle();
    expect(fromA(world)).toMatchObject({ applied: 0, ignored: { duplicate: 0 } });
  });

  it.each([0, 1])("leaves nothing behind that waits, with a pace of %d operations per second", async (opsPerSecond) => {
    const world = await running({ config: { limits: { inFlight: 1_024, opsPerSecond } } });
    const { a, b } = world;
    b.gateway().local.faults.fate = ({ to }) => (to === "bucket" ? FULL : "arrives");
    for (let n = 0; n < 100; n++) a.app.put(`k${n}`, "v");
    await world.clock.advance(60_000);
    for (const place of [a, b]) await world.stop(place);
    // What is on its way to a server at the end arrives or times out; an attempt would be 15 s away, a turn up to 40 s.
    const stoppedMs = world.clock.elapsedMs();
    await world.clock.runUntil(() => world.clock.scheduled() === 0, 3_600_000);
    expect(world.clock.elapsedMs() - stoppedMs).toBeLessThan(1_000);
  });
});

describe("the applier alone", () => {
  const [A, C] = [siteNamed("a"), siteNamed("c")];
  const K = keyNamed("k");
  const CREATED = "1700000000000000000";

  function rig(
    answer: (operation: Operation, expected: number, done: (outcome: WriteOutcome) => void) => void,
    isLogged: Appender["isLogged"] = () => true,
    count: () => Promise<BucketCount> = () => Promise.reject(FULL),
  ) {
    const clock = createVirtualClock();
    const replica = createReplica(siteNamed("b"));
    const position = createTailPosition(clock);
    const told = { fatal: [] as string[], settled: [] as number[] };
    const applier = createApplier({
      ...{ bucket: { name: BUCKET }, messageBytesMax: 1_000_000, policy: lww, replica, clock, gate: createKeyGate(), position },
      ...{ bucketCreated: CREATED, store: { apply: answer, count } },
      causality: { aboveUs: () => 0, cover: () => true, lowerTo: () => undefined, settled: () => Promise.resolve() },
      guard: createClockGuard({ site: siteNamed("b"), clock, maxClockSkewMs: () => 3_600_000 }),
      isLogged,
      counters: createBucketCounters([A, C]),
      signal: new AbortController().signal,
      onTrouble: () => undefined,
      onFatal: (error) => void told.fatal.push(error.code),
    });
    const submit = (ts: number, more: Partial<Operation> = {}) =>
      applier.submit(operationAt(ts, A, more), A, { done: () => void told.settled.push(ts), refuse: () => undefined });
    return { clock, replica, position, applier, told, submit };
  }

  it("gives up after a bounded number of races, so that the run starts afresh", async () => {
    let asked = 0;
    const { clock, told, submit } = rig((_, __, done) => {
      asked++;
      done({ kind: "refused", actual: 7 });
    });
    submit(1);
    await clock.advance(3_600_000);
    expect(told).toEqual({ fatal: ["KVGW_APPLY_STUCK"], settled: [] });
    expect(asked).toBe(APPLY_ATTEMPTS_MAX);
  });

  it.each([
    ["was made anew", { created: "1800000000000000000", keys: 1, lastSequence: 20 }],
    ["was put back", { created: CREATED, keys: 1, lastSequence: 11 }],
  ] as const)("replaces nothing at an older revision where the bucket %s: that may be a write that nobody has seen", async (_, found) => {
    const asked: number[] = [];
    const { clock, replica, position, told, submit } = rig(
      (__, expected, done) => (asked.push(expected), done({ kind: "refused", actual: 3 })),
      () => true,
      () => Promise.resolve(found),
    );
    replica.recordApplied(operationAt(5, C), 9);
    position.advance(12);
    submit(6);
    await clock.advance(60_000);
    expect([asked, told]).toEqual([[9], { fatal: ["KVGW_STREAM_CHANGED"], settled: [] }]);
  });

  it("stands at an older revision where the bucket is the same, and asks again where that cannot be said", async () => {
    const asked: number[] = [];
    let looks = 0;
    const { clock, replica, position, told, submit } = rig(
      (_, expected, done) => (asked.push(expected), done(expected === 3 ? { kind: "written", revision: 13 } : { kind: "refused", actual: 3 })),
      () => true,
      () => (++looks === 1 ? Promise.reject(FULL) : Promise.resolve({ created: CREATED, keys: 1, lastSequence: 12 })),
    );
    replica.recordApplied(operationAt(5, C), 9);
    position.advance(12);
    submit(6);
    await clock.advance(60_000);
    expect([asked, told]).toEqual([[9, 9, 3], { fatal: [], settled: [6] }]);
  });

  it("has one operation of a key in flight and keeps their order, while other keys pass", async () => {
    const waiting: { readonly ts: number; readonly land: () => void }[] = [];
    let revision = 0;
    const { told, submit, applier } = rig(({ version }, _, done) => {
      waiting.push({ ts: version.ts, land: () => done({ kind: "written", revision: ++revision }) });
    });
    for (const ts of [1, 2, 3]) submit(ts);
    submit(10, { key: keyNamed("other") });
    expect(waiting.map(({ ts }) => ts)).toEqual([1, 10]);
    expect(applier.outstanding()).toBe(4);
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) next.land();
    expect(told.settled).toEqual([1, 10, 2, 3]);
    expect(applier.outstanding()).toBe(0);
    await Promise.resolve();
  });

  it("settles a long row of stale operations of one key without growing the stack", () => {
    const lands: ((outcome: WriteOutcome) => void)[] = [];
    const { told, submit, replica } = rig((_, __, done) => void lands.push(done));
    for (let n = 0; n < 30_000; n++) submit(1);
    lands[0]?.({ kind: "written", revision: 1 });
    expect(told.settled).toHaveLength(30_000);
    expect(replica.get(K)).toMatchObject({ revision: 1 });
  });

  it("decides against a local write only once that is logged: its version may still fall", () => {
    const logs: (() => void)[] = [];
    let isInLog = false;
    const { told, submit, replica } = rig(
      (_, __, done) => done({ kind: "written", revision: 10 }),
      (_key, then) => {
        if (!isInLog && then !== undefined) logs.push(then);
        return isInLog;
      },
    );
    replica.recordApplied(operationAt(5, siteNamed("b")), 9);
    submit(4);
    expect(told.settled).toEqual([]);
    // Another gateway of the site has logged it under a lower version.
    replica.renamed(K, { ts: 3, site: siteNamed("b") }, null);
    isInLog = true;
    for (const then of logs) then();
    expect([told.settled, replica.get(K)?.version]).toEqual([[4], { ts: 4, site: "a" }]);
  });

  it("writes nothing that is not above what the site has", () => {
    let asked = 0;
    const { told, submit, replica } = rig(() => void asked++);
    replica.recordApplied(operationAt(5, C), 9);
    for (const ts of [1, 4, 5]) submit(ts);
    expect([asked, told.settled]).toEqual([0, [1, 4, 5]]);
  });
});
