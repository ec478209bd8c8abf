/** What the logs did not bring, reconcile does: each side takes what the other has, deletes included (I8, I12). */
import { describe, expect, it } from "vitest";
import { peerCounters } from "../../src/core/counters.js";
import { type Place, type World, type WorldOptions, createWorld } from "./world.js";

async function running(options: WorldOptions = {}): Promise<World & { readonly a: Place; readonly b: Place }> {
  const world = createWorld(options);
  world.start();
  await world.settle();
  return { ...world, a: world.place("a"), b: world.place("b") };
}

const roundsOf = (place: Place, peer: Place) => peerCounters(place.gateway().counters, peer.id).reconcile;
const INTERVAL_MS = 300_000;
/** One round at each side, and whatever follows it. */
const aRound = (world: World) => world.clock.advance(INTERVAL_MS * 1.2);

describe("sites that are equal", () => {
  it("prove it soon after the start, and on every interval", async () => {
    const world = await running();
    const { a, b } = world;
    for (let n = 0; n < 300; n++) (n % 2 === 0 ? a : b).app.put(`k${n}`, "v");
    a.app.delete("k7");
    await aRound(world);
    for (const [one, other] of [[a, b], [b, a]] as const) {
      const { rounds, repairs, lastEqualMs } = roundsOf(one, other);
      expect(rounds.equal).toBeGreaterThanOrEqual(2);
      expect([rounds.failed, repairs]).toEqual([0, 0]);
      expect(world.clock.nowMs() - lastEqualMs).toBeLessThan(INTERVAL_MS * 1.2);
    }
  });

  it("write nothing while they prove it", async () => {
    const world = await running();
    const { a, b } = world;
    for (let n = 0; n < 100; n++) a.app.put(`k${n}`, "v");
    await world.settle();
    const before = [a, b].map(({ bucket, log, site }) => [bucket.mark(), log.mark(), [...site.state]]);
    await aRound(world);
    expect([a, b].map(({ bucket, log, site }) => [bucket.mark(), log.mark(), [...site.state]])).toEqual(before);
  });

  it("prove it also while they are written to all the time", async () => {
    const world = await running({ sites: ["a", "b"] });
    const { a, b } = world;
    const equalBefore = roundsOf(b, a).rounds.equal;
    for (let n = 0; n < 4_000; n++) {
      (n % 2 === 0 ? a : b).app.put(`k${n % 50}`, `${n}`);
      await world.clock.advance(100);
    }
    expect(roundsOf(b, a).rounds.equal).toBeGreaterThan(equalBefore);
  });
});

describe("what a log lost", () => {
  it("is brought by the next round: values, later values, and deletes", async () => {
    const world = await running();
    const { a, b } = world;
    for (const key of ["changed", "deleted"]) a.app.put(key, "old");
    await world.settle();
    b.gateway().peer(a.id).cut();
    a.app.put("new", "v");
    a.app.put("changed", "new");
    a.app.delete("deleted");
    await world.clock.advance(1_000);
    for (const key of ["new", "changed", "deleted"]) a.log.purge(key);
    b.gateway().peer(a.id).heal();
    await aRound(world);
    expect(world.contents()).toEqual(world.everywhere({ new: "v", changed: "new" }));
    expect(roundsOf(b, a).repairs).toBe(3);
    expect(b.log.mark().lastSequence).toBe(0);
  });

  it("comes with its version, so that a third site does not see two writes", async () => {
    const world = createWorld({ sites: ["a", "b", "c"] });
    const [a, b, c] = [world.place("a"), world.place("b"), world.place("c")];
    a.app.put("k", "v");
    a.start();
    await world.settle();
    a.log.purge("k");
    b.start();
    await aRound(world);
    c.start();
    await aRound(world);
    expect(world.contents()).toEqual(world.everywhere({ k: "v" }));
    expect(new Set([b, c].map(({ bucket }) => /Kvgw-Version: .*/.exec(bucket.last("k")?.block ?? "")?.[0])).size).toBe(1);
  });

  it("does not undo what was written meanwhile", async () => {
    const world = await running();
    const { a, b } = world;
    b.gateway().peer(a.id).cut();
    a.app.put("k", "lost");
    await world.clock.advance(1_000);
    a.log.purge("k");
    b.app.put("k", "later");
    b.gateway().peer(a.id).heal();
    await aRound(world);
    expect(world.contents()).toEqual(world.everywhere({ k: "later" }));
  });

  it("is brought also where it is much, with large values and deadlines", async () => {
    const world = createWorld({ stream: { messageTtl: true, markers: true } });
    const [a, b] = [world.place("a"), world.place("b")];
    for (let n = 0; n < 2_500; n++) a.app.put(`some.longer.key.${n}`, `${n}`.repeat(n % 7));
    a.app.put("brief", "v", { "Nats-TTL": "7200s" });
    a.start();
    await world.settle();
    for (const { subject } of [...a.log.messages()]) a.log.purge(subject);
    b.start();
    await aRound(world);
    expect(b.app.read()).toEqual(a.app.read());
    expect(b.bucket.last("brief")?.block).toMatch(/Nats-TTL: 7[01]\d\ds/);
    expect(roundsOf(b, a).repairs).toBe(2_501);
  });
});

describe("a message that vanished from a bucket", () => {
  it("is brought back after a restart, by who has it", async () => {
    const world = await running();
    const { a, b } = world;
    a.app.put("k", "v");
    await world.settle();
    b.gateway().crash();
    b.bucket.purge("k");
    b.start();
    await aRound(world);
    expect(world.contents()).toEqual(world.everywhere({ k: "v" }));
  });
});

describe("a round", () => {
  it("is on demand, too", async () => {
    const world = await running();
    const { a, b } = world;
    const before = roundsOf(b, a).rounds.equal;
    b.gateway().reconcile();
    await world.clock.advance(2_000);
    expect(roundsOf(b, a).rounds.equal).toBe(before + 1);
  });

  it("comes when the peer is back, and fails meanwhile without any harm", async () => {
    const world = await running();
    const { a, b } = world;
    b.gateway().peer(a.id).cut();
    b.gateway().reconcile();
    await world.clock.advance(60_000);
    const { failed, equal } = roundsOf(b, a).rounds;
    expect(failed).toBeGreaterThan(0);
    expect(b.gateway().state()).toBe("live");
    expect(b.events("reconciled").map(({ reason }) => reason?.code)).toEqual(["KVGW_UNREACHABLE"]);
    b.gateway().peer(a.id).heal();
    await world.clock.advance(10_000);
    expect(roundsOf(b, a).rounds.equal).toBeGreaterThan(equal);
    expect(b.events("reconciled").at(-1)?.reason).toBeNull();
  });

  it("ends when the peer's gateway dies in the middle, and the next one does the rest", async () => {
    const world = await running();
    const { a, b } = world;
    b.gateway().peer(a.id).cut();
    for (let n = 0; n < 200; n++) a.app.put(`k${n}`, "v");
    await world.clock.advance(1_000);
    for (const { subject } of [...a.log.messages()]) a.log.purge(subject);
    b.gateway().peer(a.id).faults.delayMs = () => 50;
    b.gateway().peer(a.id).heal();
    await world.until(() => b.app.read().size > 10, "the round is under way");
    a.gateway().crash();
    await world.clock.advance(20_000);
    expect(b.app.read().size).toBeLessThan(200);
    a.start();
    await aRound(world);
    expect(b.app.read().size).toBe(200);
  });

  it("measures by how much the peer's clock is ahead, or behind", async () => {
    const world = createWorld();
    const [a, b] = [world.place("a"), world.place("b")];
    a.site.skewMs = 30_000;
    world.start();
    b.gateway().peer(a.id).faults.delayMs = () => 40;
    await world.settle();
    expect(Math.abs((roundsOf(b, a).clockSkewMs ?? 0) - 30_000)).toBeLessThan(100);
    expect(Math.abs((roundsOf(a, b).clockSkewMs ?? 0) + 30_000)).toBeLessThan(100);
  });

  it("with a peer whose settings differ is refused, and told", async () => {
    const world = await running();
    const { a, b } = world;
    a.gateway().update({ ...world.config, tombstoneTtlMs: 1 });
    await aRound(world);
    expect(b.events("reconciled").at(-1)?.reason?.code).toBe("KVGW_PEER_UNSUITABLE");
    a.gateway().update(world.config);
    await aRound(world);
    expect(b.events("reconciled").at(-1)?.reason).toBeNull();
  });
});
