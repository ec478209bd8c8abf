/** What has been handed on and has not settled, over all readers of a peer: nothing twice, nothing swallowed, bounded. */
import { describe, expect, it } from "vitest";
import { createProgress } from "../../src/core/checkpoint.js";
import { GatewayError } from "../../src/core/errors.js";
import { READ_WINDOW_BYTES } from "../../src/core/limits.js";
import { type Brought, type Reading, createInHand } from "../../src/pipeline/in-hand.js";
import { siteNamed } from "../core/names.js";
import { type Place, type World, type WorldOptions, createWorld } from "./world.js";

const FULL = new GatewayError("KVGW_BUCKET_FULL", "the bucket is full");

async function running(options: WorldOptions = {}): Promise<World & { readonly a: Place; readonly b: Place }> {
  const world = createWorld({ reconcile: false, ...options });
  world.start();
  await world.settle();
  return { ...world, a: world.place("a"), b: world.place("b") };
}

const peerOf = (place: Place, peer: Place) => place.gateway().snapshot().peers.get(peer.id);

/** The bucket takes none of these keys until it is told to. */
function refuses(place: Place, keys: RegExp, onTry: (key: string) => void = () => undefined): () => void {
  const { faults } = place.gateway().local;
  faults.fate = ({ to, key }) => {
    if (to !== "bucket" || !keys.test(key)) return "arrives";
    onTry(key);
    return FULL;
  };
  return () => (faults.fate = () => "arrives");
}

async function comeAndGo(world: World, place: Place, peer: Place): Promise<void> {
  const link = place.gateway().peer(peer.id);
  link.cut();
  await world.clock.advance(100);
  link.heal();
  await world.clock.advance(2_000);
}

describe("a log that is put back to an older copy while operations of it are in hand", () => {
  it("has its new operations under the old sequences applied, and the checkpoint waits for them (I6)", async () => {
    const world = await running();
    const { a, b } = world;
    for (const key of ["k1", "k2"]) a.app.put(key, "v");
    await world.settle();
    const putBack = a.log.copy();
    const take = refuses(b, /./);
    for (const key of ["k3", "k4", "k5"]) a.app.put(key, "old");
    await world.clock.advance(3_000);
    expect(peerOf(b, a)?.lagOperations).toBe(3);
    a.gateway().crash();
    putBack();
    // Found at the start, the last of the three in the bucket, and so behind the others in the log.
    a.app.put("k3", "new");
    a.start();
    await world.settle();
    expect(a.log.mark().lastSequence).toBe(5);
    expect(b.saved("checkpoint.config.a")).toMatchObject({ sequence: 2 });
    take();
    await world.settle();
    expect(world.contents()["b"]).toEqual(world.contents()["a"]);
    expect(b.saved("checkpoint.config.a")).toMatchObject({ sequence: 5 });
  });
});

describe("a link that comes and goes while the bucket takes nothing", () => {
  it("brings no more than the window, though its keys are written anew in between", async () => {
    const world = await running({ config: { limits: { inFlight: 8, opsPerSecond: 0 } } });
    const { a, b } = world;
    const take = refuses(b, /^k/);
    for (let round = 0; round < 30; round++) {
      for (let n = 0; n < 8; n++) a.app.put(`k${n}`, `${round}`);
      await world.clock.advance(2_000);
      await comeAndGo(world, b, a);
    }
    expect(b.events("peer-state").at(-1)).toMatchObject({ state: "degraded", reason: { code: "KVGW_APPLY_STUCK" } });
    take();
    await world.settle();
    await world.settle();
    expect(world.contents()["b"]).toEqual(world.contents()["a"]);
    expect(peerOf(b, a)).toMatchObject({ state: "live", lagOperations: 0 });
    // What was held until then is counted only now: one window of old writes, and the eight that were read afterwards.
    const { applied, ignored } = b.gateway().counters.peers.get(a.id) ?? expect.fail("a is a peer of b");
    expect(applied + ignored.stale + ignored.duplicate).toBeLessThanOrEqual(16);
  });

  it("brings only what there is room for beside what was left before", async () => {
    const world = await running({ config: { limits: { inFlight: 8, opsPerSecond: 0 } } });
    const { a, b } = world;
    const tried = new Set<string>();
    const take = refuses(b, /./, (key) => tried.add(key));
    const link = b.gateway().peer(a.id);
    const keys = ["k1", "k2", "k3", "k4", "k5"];
    for (const key of keys) a.app.put(key, "old");
    await world.clock.advance(2_000);
    link.cut();
    // The log holds these behind what was read, and no longer what was.
    for (const key of keys) a.app.put(key, "new");
    for (const key of ["x1", "x2", "x3"]) a.app.put(key, "v");
    await world.clock.advance(100);
    link.heal();
    await world.settle();
    expect(peerOf(b, a)).toMatchObject({ state: "live" });
    expect([...tried].sort()).toEqual(keys);
    take();
    await world.settle();
    expect(world.contents()["b"]).toEqual(world.contents()["a"]);
  });

  it("brings no more bytes than a reader may, twice over", async () => {
    const world = await running();
    const { a, b } = world;
    const take = refuses(b, /^k/);
    const value = new Uint8Array(1_000_000);
    for (let round = 0; round < 6; round++) {
      for (let n = 0; n < 20; n++) a.app.put(`k${n}`, value);
      await world.clock.advance(2_000);
      await comeAndGo(world, b, a);
    }
    take();
    await world.settle();
    await world.settle();
    expect(peerOf(b, a)).toMatchObject({ state: "live", lagOperations: 0 });
    const { applied, ignored } = b.gateway().counters.peers.get(a.id) ?? expect.fail("a is a peer of b");
    const heldMax = 2 * Math.ceil(READ_WINDOW_BYTES / value.length);
    expect(applied + ignored.stale + ignored.duplicate).toBeLessThanOrEqual(heldMax + 20);
  });

  it("still brings the keys that the bucket does take", async () => {
    const world = await running({ config: { limits: { inFlight: 8, opsPerSecond: 0 } } });
    const { a, b } = world;
    refuses(b, /^no/);
    for (const key of ["no1", "no2", "no3"]) a.app.put(key, "v");
    for (let round = 0; round < 5; round++) {
      await world.clock.advance(2_000);
      await comeAndGo(world, b, a);
      for (let n = 0; n < 50; n++) a.app.put(`k${n}`, `${round}`);
      await world.settle();
      expect([b.app.read().size, b.app.read().get("k49")]).toEqual([50, `${round}`]);
    }
    expect(peerOf(b, a)).toMatchObject({ state: "live", lagOperations: 3, checkpoint: 0 });
  });
});

describe("operations in hand", () => {
  const brought = (sequence: number, ts: number, more: Partial<Brought> = {}): Brought => ({
    ...{ sequence, key: "k", version: { ts, site: siteNamed("a") }, writtenMs: ts, bytes: 10 },
    ...more,
  });

  function rig() {
    const released: string[] = [];
    const reading = (name: string): Reading => ({
      progress: createProgress(0),
      reader: {
        release: (count, bytes) => void released.push(`${name} ${count} ${bytes}`),
        pending: () => 0,
        position: () => 0,
        isWaiting: () => false,
        isHeldBack: () => false,
        stop: () => Promise.resolve(),
      },
    });
    const [first, second] = [reading("first"), reading("second")];
    const now: { reading: Reading } = { reading: first };
    return { released, first, second, now, inHand: createInHand(() => now.reading) };
  }

  it("are handed on once: the reader that brings one again hears of its end, and may ask for more", () => {
    const { inHand, first, second, now, released } = rig();
    const done = inHand.take(first, brought(1, 7));
    now.reading = second;
    expect(inHand.take(second, brought(1, 7, { bytes: 12 }))).toBeNull();
    expect([inHand.operations(), inHand.bytes(), released]).toEqual([1, 12, ["second 0 0"]]);
    done?.();
    expect(released).toEqual(["second 0 0", "second 1 12"]);
    expect([inHand.operations(), inHand.bytes(), second.progress.outstanding()]).toEqual([0, 0, 0]);
  });

  it.each([
    ["another version", { version: { ts: 8, site: siteNamed("a") } }],
    ["the same time of another site", { version: { ts: 7, site: siteNamed("b") } }],
    ["another key", { key: "l" }],
    ["something unreadable", { version: null }],
  ])("do not swallow %s under the same sequence", (_, more) => {
    const { inHand, first, second, now } = rig();
    const done = inHand.take(first, brought(1, 7));
    now.reading = second;
    const doneOther = inHand.take(second, brought(1, 7, more));
    expect(doneOther).not.toBeNull();
    expect(inHand.operations()).toBe(2);
    done?.();
    expect([second.progress.checkpoint(), inHand.operations()]).toEqual([0, 1]);
    doneOther?.();
    expect([second.progress.checkpoint(), inHand.operations()]).toEqual([1, 0]);
  });

  it("of a reader before let the one of now look for room when they settle", () => {
    const { inHand, first, second, now, released } = rig();
    const done = inHand.take(first, brought(1, 7));
    now.reading = second;
    done?.();
    expect(released).toEqual(["first 1 10", "second 0 0"]);
  });

  it("tell when the first of them was written", () => {
    const { inHand, first } = rig();
    expect(inHand.oldestMs()).toBeNull();
    const done = [1, 2, 3].map((sequence) => inHand.take(first, brought(sequence, 100 * sequence)));
    done[1]?.();
    expect(inHand.oldestMs()).toBe(100);
    done[0]?.();
    expect(inHand.oldestMs()).toBe(300);
  });
});
