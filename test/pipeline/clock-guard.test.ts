/** One site's broken clock decides nothing for years: what is far in the future waits, and is logged again (F6, F10). */
import { describe, expect, it } from "vitest";
import type { SetAsideRecord } from "../../src/core/ports.js";
import { BUCKET, type Place, type World, type WorldOptions, createWorld } from "./world.js";

const HOUR_MS = 3_600_000;
const YEARS_MS = 10 * 365 * 24 * HOUR_MS;

async function running(options: WorldOptions = {}): Promise<World & { readonly a: Place; readonly b: Place }> {
  const world = createWorld(options);
  world.start();
  await world.settle();
  return { ...world, a: world.place("a"), b: world.place("b") };
}

const records = ({ site }: Place): SetAsideRecord[] =>
  [...site.state].filter(([key]) => key.startsWith("set-aside.")).map(([, text]) => JSON.parse(text) as SetAsideRecord);
const farFutureOf = (place: Place, peer: Place) => place.gateway().counters.peers.get(peer.id)?.setAside.far_future;
const aYearOf = (text: string | undefined) => new Date(Number(text?.split(" ")[2]) / 1_000).getUTCFullYear();
/** Its clock is wrong from now on, for its server and its gateway alike. */
const setClock = ({ site }: Place, skewMs: number) => void (site.skewMs = skewMs);
const A_ROUND_MS = 6 * 60_000;

describe("an operation that is far in the future", () => {
  it("is set aside and counted, the rest flows, and the checkpoint passes it", async () => {
    const world = await running();
    const { a, b } = world;
    setClock(a, YEARS_MS);
    a.app.put("wrong", "v");
    await world.clock.advance(1_000);
    expect(world.contents()["b"]).toEqual({});
    expect(records(b)).toMatchObject([{ key: "wrong", origin: "a", reason: "far_future", kind: "put", at: { position: 1 } }]);
    expect(records(b)[0]?.sinceMs).toBeGreaterThan(1_700_000_000_000);
    expect([farFutureOf(b, a), b.gateway().snapshot().setAside]).toEqual([1, 1]);
    setClock(a, 0);
    a.app.put("right", "w");
    await world.clock.advance(2_000);
    expect(world.contents()["b"]).toMatchObject({ right: "w" });
    expect((b.saved("checkpoint.config.a") as { sequence: number }).sequence).toBeGreaterThanOrEqual(2);
    expect(b.events("set-aside")).toMatchObject([{ setAside: { key: "wrong", detail: expect.stringMatching(/ahead of the clock/) as string } }]);
  });

  it("is applied by itself when its time has come near, and its record goes", async () => {
    const world = await running();
    const { a, b } = world;
    // Its clock goes on to be wrong: nothing is logged again.
    setClock(a, 3 * HOUR_MS);
    a.app.put("k", "v");
    await world.settle();
    expect([world.contents()["b"], records(b).length]).toEqual([{}, 1]);
    await world.clock.advance(HOUR_MS);
    expect([world.contents()["b"], records(b).length]).toEqual([{}, 1]);
    await world.clock.advance(HOUR_MS + A_ROUND_MS);
    expect(world.contents()["b"]).toEqual({ k: "v" });
    expect([records(b), b.gateway().snapshot().setAside]).toEqual([[], 0]);
  });

  it("is applied when maxClockSkew is raised", async () => {
    const world = await running();
    const { a, b } = world;
    setClock(a, 3 * HOUR_MS);
    a.app.put("k", "v");
    await world.settle();
    b.gateway().update({ ...world.config, maxClockSkewMs: 4 * HOUR_MS });
    await world.settle();
    expect([world.contents()["b"], records(b)]).toEqual([{ k: "v" }, []]);
    expect(b.gateway().counters.restarts).toBe(0);
  });

  it("is set aside as well where reconcile finds it, and makes the round a different one", async () => {
    const world = await running();
    const { a, b } = world;
    setClock(a, 3 * HOUR_MS);
    b.gateway().peer(a.id).cut();
    a.app.put("k", "v");
    await world.clock.advance(1_000);
    a.log.purge("k", Number.MAX_SAFE_INTEGER);
    b.gateway().peer(a.id).heal();
    const { rounds } = b.gateway().counters.peers.get(a.id)!.reconcile;
    const before = rounds.equal;
    await world.clock.advance(60_000);
    expect(records(b)).toMatchObject([{ key: "k", origin: "a", reason: "far_future" }]);
    expect([rounds.equal - before, rounds.different > 0, farFutureOf(b, a)]).toEqual([0, true, 1]);
  });

  it("does not keep another key from being repaired by the same rounds", async () => {
    const world = await running();
    const { a, b } = world;
    setClock(a, 3 * HOUR_MS);
    a.app.put("early", "v");
    await world.settle();
    b.app.put("k", "w");
    await world.settle();
    a.bucket.purge("k", Number.MAX_SAFE_INTEGER);
    a.gateway().crash();
    a.start();
    await world.clock.advance(60_000);
    expect(a.app.read().get("k")).toBe("w");
  });

  it("goes from the record when a later write of its origin replaces it", async () => {
    const world = await running();
    const { a, b } = world;
    a.app.put("other", "v");
    setClock(a, YEARS_MS);
    a.app.put("k", "v");
    await world.settle();
    a.app.put("k", "w");
    await world.settle();
    expect(records(b)).toMatchObject([{ key: "k", at: { position: 3 } }]);
    expect(farFutureOf(b, a)).toBe(2);
  });
});

describe("an origin whose clock was far ahead and is right again", () => {
  it("logs the write again as of now, and its peers have it at once", async () => {
    const world = await running();
    const { a, b } = world;
    setClock(a, YEARS_MS);
    const revision = a.app.put("k", "v");
    await world.settle();
    expect(aYearOf(a.logged()[0])).toBeGreaterThan(2_030);
    setClock(a, 0);
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "v" }));
    expect([a.logged().length, aYearOf(a.logged()[0]), records(b)]).toEqual([1, 2_023, []]);
    expect(a.bucket.last("k")?.sequence).toBe(revision);
    expect(a.events("relogged")).toMatchObject([{ keys: 1 }]);
    expect(b.gateway().snapshot().setAside).toBe(0);
  });

  it("does so after a restart, too, and stamps later writes as of then", async () => {
    const world = await running();
    const { a, b } = world;
    setClock(a, YEARS_MS);
    b.app.put("seen", "x");
    a.app.put("k", "v");
    await world.settle();
    a.gateway().crash();
    setClock(a, 0);
    a.start();
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "v", seen: "x" }));
    a.app.put("later", "w");
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "v", later: "w", seen: "x" }));
    expect(a.logged().map(aYearOf)).toEqual([2_023, 2_023]);
    expect((a.saved("causality.config") as { floorUs: number }).floorUs).toBeLessThan(1_800_000_000_000_000);
  });

  it("logs it above what it wrote before, though that was stamped somewhat ahead, too", async () => {
    const world = await running();
    const { a } = world;
    setClock(a, HOUR_MS / 2);
    a.app.put("k", "first");
    await world.settle();
    setClock(a, YEARS_MS);
    a.app.put("k", "second");
    await world.settle();
    setClock(a, 0);
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "second" }));
  });

  it("waits for every peer to answer, but not for ever for one that is gone", async () => {
    const world = await running({ sites: ["a", "b", "c"] });
    const { a, b } = world;
    setClock(a, YEARS_MS);
    a.app.put("k", "v");
    await world.settle();
    world.place("c").gateway().crash();
    setClock(a, 0);
    await world.settle();
    expect(aYearOf(a.logged()[0])).toBeGreaterThan(2_030);
    await world.clock.advance(180_000);
    expect([aYearOf(a.logged()[0]), b.app.read().get("k")]).toEqual([2_023, "v"]);
  });

  it("gives way to what is written on top of it anywhere", async () => {
    const world = await running();
    const { a, b } = world;
    setClock(a, YEARS_MS);
    a.app.put("k", "old");
    await world.settle();
    setClock(a, 0);
    await world.settle();
    b.app.put("k", "new");
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "new" }));
  });

  it("waits as long as no other clock says that its own is right", async () => {
    const world = await running();
    const { a, b } = world;
    setClock(a, YEARS_MS);
    setClock(b, YEARS_MS);
    a.app.put("k", "v");
    await world.clock.advance(A_ROUND_MS);
    // Of two clocks one goes back to 2023: which of them is right?
    setClock(a, 0);
    await world.clock.advance(HOUR_MS);
    expect(aYearOf(a.logged()[0])).toBeGreaterThan(2_030);
    setClock(b, 0);
    await world.clock.advance(HOUR_MS);
    expect(aYearOf(a.logged()[0])).toBe(2_023);
    expect(world.contents()).toEqual(world.everywhere({ k: "v" }));
  });

  it("replaces the old version also where that had been applied", async () => {
    const world = await running({ sites: ["a", "b", "c"] });
    const { a, b } = world;
    setClock(a, YEARS_MS);
    setClock(b, YEARS_MS);
    a.app.put("k", "v");
    await world.settle();
    expect([world.contents()["b"], world.contents()["c"]]).toEqual([{ k: "v" }, {}]);
    setClock(a, 0);
    setClock(b, 0);
    await world.clock.advance(A_ROUND_MS);
    expect(world.contents()).toEqual(world.everywhere({ k: "v" }));
    world.place("c").app.put("k", "w");
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "w" }));
    for (const place of world.places()) expect(place.gateway().snapshot().setAside).toBe(0);
    await world.clock.advance(A_ROUND_MS);
    for (const { id } of world.places()) {
      if (id !== "a") expect(a.gateway().counters.peers.get(id)?.reconcile.lastEqualMs).toBeGreaterThan(world.clock.nowMs() - A_ROUND_MS);
    }
  });

  it("keeps what a peer wrote on top of it while both were wrong", async () => {
    const world = await running({ sites: ["a", "b", "c"] });
    const { a, b } = world;
    for (const place of [a, b]) setClock(place, YEARS_MS);
    a.app.put("k", "v");
    await world.settle();
    b.app.put("k", "w");
    await world.settle();
    for (const place of [a, b]) setClock(place, 0);
    await world.clock.advance(2 * A_ROUND_MS);
    expect(world.contents()).toEqual(world.everywhere({ k: "w" }));
    expect([...a.logged(), ...b.logged()].map(aYearOf)).toEqual([2_023, 2_023]);
    for (const place of world.places()) expect(place.gateway().snapshot().setAside).toBe(0);
  });

  it("brings deletes as well", async () => {
    const world = await running();
    const { a, b } = world;
    a.app.put("k", "v");
    await world.settle();
    setClock(a, YEARS_MS);
    a.app.delete("k");
    await world.settle();
    expect(b.app.read().get("k")).toBe("v");
    setClock(a, 0);
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({}));
  });

  it("logs nothing twice when the gateway dies in between", async () => {
    for (let n = 1; n <= 6; n++) {
      const world = await running();
      const { a } = world;
      setClock(a, YEARS_MS);
      a.app.put("k", "v");
      a.app.put("l", "w");
      await world.settle();
      setClock(a, 0);
      let writes = 0;
      a.gateway().local.faults.fate = () => {
        if (++writes === n) queueMicrotask(() => a.gateway().crash());
        return "arrives";
      };
      await world.settle();
      a.gateway().crash();
      a.start();
      await world.settle();
      expect([n, world.contents()]).toEqual([n, world.everywhere({ k: "v", l: "w" })]);
      expect(a.logged().map(aYearOf)).toEqual([2_023, 2_023]);
    }
  });
});

describe("a gateway whose clock is far behind", () => {
  it("sets aside what it is sent, changes nothing of its own, and has all of it when its clock is right", async () => {
    const world = await running();
    const { a, b } = world;
    a.app.put("k", "v");
    await world.settle();
    const logged = a.logged();
    setClock(a, -YEARS_MS);
    b.app.put("k", "w");
    await world.clock.advance(A_ROUND_MS);
    expect([a.app.read().get("k"), a.logged()]).toEqual(["v", logged]);
    setClock(a, 0);
    await world.clock.advance(A_ROUND_MS);
    expect(world.contents()).toEqual(world.everywhere({ k: "w" }));
    expect(records(a)).toEqual([]);
  });

  it("stamps a write above what it overwrites all the same", async () => {
    const world = await running();
    const { a, b } = world;
    b.app.put("k", "v");
    await world.settle();
    setClock(a, -YEARS_MS);
    a.app.put("k", "w");
    await world.clock.advance(A_ROUND_MS);
    expect(world.contents()).toEqual(world.everywhere({ k: "w" }));
  });
});

describe("the skew between two clocks", () => {
  it("is told once when it is wrong, and once when it is right again", async () => {
    const world = await running({ config: { reconcileIntervalMs: 10_000 } });
    const { a, b } = world;
    setClock(b, 60_000);
    await world.clock.advance(A_ROUND_MS);
    expect(a.events("clock-skew")).toMatchObject([{ bucket: BUCKET, peer: b.id, isWrong: true }]);
    expect(a.gateway().counters.peers.get(b.id)?.reconcile.clockSkewMs).toBeCloseTo(60_000, -2);
    setClock(b, 0);
    await world.clock.advance(A_ROUND_MS);
    expect(a.events("clock-skew").map(({ isWrong }) => isWrong)).toEqual([true, false]);
  });
});
