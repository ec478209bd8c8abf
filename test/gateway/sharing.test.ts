/** Gateways that share a site's buckets, in virtual time: each bucket is worked by one of them, whoever comes, goes, dies or is
 *  cut off, and while nothing happens nothing is written. */
import { describe, expect, it } from "vitest";
import { GatewayError } from "../../src/core/errors.js";
import type { GatewayEvent } from "../../src/core/events.js";
import type { BucketName } from "../../src/core/ids.js";
import { LEASE_LOOK_MS, LEASE_TTL_MS, MEMBERS_MAX } from "../../src/core/limits.js";
import { createSiteLease } from "../../src/gateway/lease.js";
import { createSharing } from "../../src/gateway/sharing.js";
import { bucketNamed } from "../core/names.js";
import { createMemoryConnection } from "../memory/connection.js";
import { type Present, createMemoryPresence } from "../memory/presence.js";
import { createMemorySiteState } from "../memory/site-state.js";
import { createMortalClock, createVirtualClock } from "../memory/virtual-clock.js";

/** What the design promises, and what of it a process that is killed needs. */
const TAKEOVER_MS = 15_000;
const KILLED_MS = 5 * LEASE_LOOK_MS;
/** How long a bucket of this test takes to end. */
const ENDING_MS = 700;
const BUCKETS = Array.from({ length: 12 }, (_, n) => bucketNamed(`bucket-${n}`));

function createGround() {
  const clock = createVirtualClock();
  const durable = new Map<string, string>();
  const present: Present = new Map();
  const workers = new Map<BucketName, Set<string>>();
  const overlaps: string[] = [];
  const saved: string[] = [];
  durable.set = (key, text) => {
    saved.push(key);
    return Map.prototype.set.call(durable, key, text) as typeof durable;
  };
  const at = (bucket: BucketName) => {
    const found = workers.get(bucket) ?? new Set<string>();
    workers.set(bucket, found);
    return found;
  };

  function portsOver(own: ReturnType<typeof createMortalClock>) {
    const connection = createMemoryConnection(clock);
    const ports = {
      state: createMemorySiteState(connection, durable),
      presence: createMemoryPresence(connection, present, own),
      ready: () => connection.request(() => undefined),
      onUp: (callback: () => void) => connection.onUp(callback),
      release: () => undefined,
    };
    return { connection, ports };
  }

  function start(name: string, buckets = BUCKETS) {
    const own = createMortalClock(clock);
    const { connection, ports } = portsOver(own);
    const events: GatewayEvent[] = [];
    const sharing = createSharing({
      ...{ holder: { id: name, name: `process ${name}` }, clock: own },
      observe: (event) => void events.push(event),
      onHeld(taken) {
        for (const bucket of taken) {
          if (at(bucket).size > 0) overlaps.push(`${bucket}: ${[...at(bucket), name].join(" ")}`);
          at(bucket).add(name);
        }
      },
      async onLost(bucket) {
        await new Promise<void>((resolve) => void own.schedule(ENDING_MS, resolve));
        at(bucket).delete(name);
      },
    });
    const forget = () => workers.forEach((of) => of.delete(name));
    sharing.follow(() => ports, buckets);
    const bucketLease = (bucket: BucketName) => sharing.bucketLease(bucket) ?? expect.fail("the buckets are shared");
    const lease = () => sharing.lease() ?? expect.fail("there is a lease");
    return {
      ...{ name, sharing, connection, events, ports, bucketLease, lease },
      works: () => BUCKETS.filter((bucket) => at(bucket).has(name)),
      /** As SIGTERM does: all that runs has ended before. */
      async leave() {
        forget();
        let over = false;
        void sharing.release().then(() => (over = true));
        await clock.runUntil(() => over, 5_000);
      },
      /** As `kill -9` does: the server sees the connection close. */
      kill() {
        own.kill();
        connection.kill();
        forget();
      },
      /** The machine is gone, and nobody tells the server. */
      vanish() {
        own.kill();
        connection.hold("to client");
        forget();
      },
    };
  }

  /** The lease under which one gateway works all buckets. */
  function startAlone(name: string) {
    const own = createMortalClock(clock);
    const { ports } = portsOver(own);
    return createSiteLease({ ports: () => ports, holder: { id: name, name }, clock: own, observe: () => undefined, onRole: () => undefined });
  }

  const workedBy = (names: readonly string[]) => () =>
    BUCKETS.every((bucket) => at(bucket).size === 1 && names.some((name) => at(bucket).has(name)));
  /** Every bucket is worked by exactly one of these, and each of them works some. */
  const shared = (among: readonly { readonly name: string; works(): readonly BucketName[] }[], withinMs: number) =>
    clock.runUntil(() => workedBy(among.map(({ name }) => name))() && among.every((each) => each.works().length > 0), withinMs);
  return { clock, durable, start, startAlone, shared, overlaps, saved, at };
}

describe("a gateway that is alone", () => {
  it("works all buckets at once, and from then on writes nothing", async () => {
    const { clock, start, shared, saved } = createGround();
    const a = start("a");
    expect(await shared([a], 100)).toBe(true);
    expect(a.lease()).toEqual({ held: true, holder: "process a", since: "2023-11-14T22:13:20.000Z", reason: null });
    expect(saved).toHaveLength(1 + BUCKETS.length);
    await clock.advance(3_600_000);
    expect(saved).toHaveLength(1 + BUCKETS.length);
    expect(a.events).toEqual([{ type: "sharing", state: "known", members: ["process a"], reason: null }]);
  });

  it("waits for its state, since nothing works without it, and begins as soon as it is there", async () => {
    const { clock, start, shared } = createGround();
    const a = start("a");
    a.connection.cut();
    await clock.advance(60_000);
    expect([a.works(), a.sharing.role(), a.lease().reason?.code]).toEqual([[], null, "KVGW_UNREACHABLE"]);
    a.connection.heal();
    expect(await shared([a], 100)).toBe(true);
  });

  it("follows one that was killed at once", async () => {
    const { start, shared } = createGround();
    const a = start("a");
    await shared([a], 100);
    a.kill();
    expect(await shared([start("b")], 100)).toBe(true);
  });

  it("takes what is new in its config, and gives back what is gone from it", async () => {
    const { clock, durable, start, at } = createGround();
    const [first, second] = BUCKETS as [BucketName, BucketName];
    const a = start("a", [first]);
    await clock.advance(100);
    expect([a.works(), a.bucketLease(second)]).toEqual([[first], { held: false, due: true, holder: null }]);
    a.sharing.follow(() => a.ports, [second]);
    await clock.advance(2 * LEASE_LOOK_MS);
    expect([a.works(), at(first).size]).toEqual([[second], 0]);
    expect(JSON.parse(durable.get(`lease.${first}`) ?? "")).toMatchObject({ holder: null });
  });
});

describe("gateways that come", () => {
  it("are given their share, and nothing moves between the others", async () => {
    const { clock, start, shared, overlaps, saved } = createGround();
    const a = start("a");
    await shared([a], 100);
    const b = start("b");
    expect(await shared([a, b], TAKEOVER_MS)).toBe(true);
    const before = { a: a.works(), b: b.works() };
    const c = start("c");
    expect(await shared([a, b, c], TAKEOVER_MS)).toBe(true);
    expect(before.a).toEqual(expect.arrayContaining(a.works()));
    expect(before.b).toEqual(expect.arrayContaining(b.works()));
    expect(overlaps).toEqual([]);
    // And then nothing is written again, however long they ask each other.
    await clock.advance(2 * LEASE_LOOK_MS);
    const until = saved.length;
    await clock.advance(3_600_000);
    expect(saved.length).toBe(until);
  });

  it("share alike where all come in the same moment", async () => {
    const { start, shared, overlaps } = createGround();
    const all = ["a", "b", "c"].map((name) => start(name));
    expect(await shared(all, TAKEOVER_MS)).toBe(true);
    expect(overlaps).toEqual([]);
  });

  it("wait for a bucket until the one that had it has ended it, and say for whom", async () => {
    const { clock, start, shared } = createGround();
    const a = start("a");
    await shared([a], 100);
    const b = start("b");
    await clock.advance(LEASE_LOOK_MS + 100);
    const waiting = BUCKETS.filter((bucket) => b.bucketLease(bucket).due);
    expect([waiting.length > 0, b.works()]).toEqual([true, []]);
    for (const bucket of waiting) {
      expect(b.bucketLease(bucket)).toEqual({ held: false, due: true, holder: "process a" });
      const why = b.sharing.standby(bucket);
      expect([why?.code, why?.message]).toEqual(["KVGW_WORKED_ELSEWHERE", expect.stringContaining("waits for the one that had it: process a")]);
    }
    expect(await shared([a, b], TAKEOVER_MS)).toBe(true);
    for (const bucket of a.works()) {
      expect(a.sharing.standby(bucket)).toBeNull();
      expect(b.sharing.standby(bucket)).toMatchObject({ code: "KVGW_WORKED_ELSEWHERE", message: expect.stringContaining("process a") });
      expect(b.bucketLease(bucket)).toEqual({ held: false, due: false, holder: "process a" });
    }
  });

  it("are no more than can ask each other, and the next one takes part when one has gone", async () => {
    const { clock, start } = createGround();
    const all = Array.from({ length: MEMBERS_MAX }, (_, n) => start(`g${n}`));
    await clock.runUntil(() => all.every(({ sharing }) => sharing.role() === "active"), 60_000);
    const late = start("late");
    await clock.advance(10_000);
    expect([late.sharing.role(), late.lease().reason?.code]).toEqual([null, "KVGW_STANDBY"]);
    await all[0]?.leave();
    expect(await clock.runUntil(() => late.sharing.role() === "active", TAKEOVER_MS)).toBe(true);
  });
});

describe("a gateway that goes", () => {
  const three = async () => {
    const ground = createGround();
    const [a, b, c] = ["a", "b", "c"].map((name) => ground.start(name)) as [Started, Started, Started];
    await ground.shared([a, b, c], TAKEOVER_MS);
    await ground.clock.advance(2 * LEASE_LOOK_MS);
    return { ...ground, a, b, c };
  };
  type Started = ReturnType<ReturnType<typeof createGround>["start"]>;

  it("leaves its share to the others at once when it stops in order", async () => {
    const { shared, overlaps, a, b, c } = await three();
    await b.leave();
    expect(await shared([a, c], LEASE_LOOK_MS + 100)).toBe(true);
    expect(overlaps).toEqual([]);
  });

  it("is followed within a few looks when it is killed", async () => {
    const { shared, overlaps, a, b, c } = await three();
    b.kill();
    expect(await shared([a, c], KILLED_MS)).toBe(true);
    expect(overlaps).toEqual([]);
  });

  it("is followed in time when its machine vanishes, and nobody tells the server", async () => {
    const { shared, a, b, c } = await three();
    b.vanish();
    expect(await shared([a, c], TAKEOVER_MS)).toBe(true);
  });

  it("may be two of three in the same moment", async () => {
    const { shared, a, b, c } = await three();
    b.kill();
    c.kill();
    expect(await shared([a], TAKEOVER_MS)).toBe(true);
  });

  it("and is back under another name is given a share again", async () => {
    const { start, shared, a, b, c } = await three();
    b.kill();
    const again = start("b2");
    expect(await shared([a, c, again], TAKEOVER_MS)).toBe(true);
  });

  it("but is only cut off goes on with what it has, ends it when it is back, and is given its share again", async () => {
    const { clock, shared, at, a, b, c } = await three();
    const had = b.works();
    b.connection.cut();
    await clock.advance(TAKEOVER_MS);
    expect(b.works()).toEqual(had);
    // The others have taken over.
    for (const bucket of had) expect([...at(bucket)].some((name) => name !== "b")).toBe(true);
    expect(b.lease().reason?.code).toBe("KVGW_STATE_UNAVAILABLE");
    b.connection.heal();
    expect(await shared([a, b, c], TAKEOVER_MS)).toBe(true);
    expect([b.works(), b.lease().reason]).toEqual([had, null]);
  });

  it("is nobody's loss where all were cut off: nobody takes another for gone", async () => {
    const { clock, saved, shared, a, b, c } = await three();
    for (const { connection } of [a, b, c]) connection.cut();
    const until = saved.length;
    await clock.advance(60_000);
    for (const { connection } of [a, b, c]) connection.heal();
    await clock.advance(3 * LEASE_TTL_MS);
    expect(await shared([a, b, c], 100)).toBe(true);
    expect(saved.length).toBe(until);
  });
});

describe("a record", () => {
  it("that an operator removes, or that nobody can read, is written again, and all go on", async () => {
    const { clock, durable, start, shared } = createGround();
    const all = ["a", "b"].map((name) => start(name));
    await shared(all, TAKEOVER_MS);
    for (const change of [() => durable.delete("members"), () => durable.set("members", `{"members":[{"id":7}]}`)]) {
      change();
      await clock.advance(LEASE_LOOK_MS + 100);
      expect(await shared(all, TAKEOVER_MS)).toBe(true);
    }
  });

  it("whose save nobody answered is taken again, or given back to whom it falls meanwhile", async () => {
    const { clock, start, shared, overlaps } = createGround();
    const a = start("a");
    let lost = 0;
    a.connection.faults.fate = ({ key }) => (key.startsWith("lease.") && lost++ < 20 ? "answer lost" : "arrives");
    await clock.advance(LEASE_LOOK_MS);
    const b = start("b");
    expect(await shared([a, b], 60_000)).toBe(true);
    expect([lost > 12, overlaps]).toEqual([true, []]);
  });

  it("that names a gateway which questions do not reach keeps changing, and is believed as long as it does", async () => {
    const { clock, start, shared, saved, overlaps } = createGround();
    const a = start("a");
    const mute = start("mute");
    // As where its user may not subscribe.
    Object.assign(mute.ports.presence, { announce: () => () => undefined });
    mute.ports.presence.isHere = () => Promise.reject(new GatewayError("KVGW_DENIED", "may not ask"));
    expect(await shared([a, mute], TAKEOVER_MS)).toBe(true);
    const until = saved.length;
    await clock.advance(60_000);
    expect(await shared([a, mute], 100)).toBe(true);
    expect(saved.length).toBeGreaterThan(until + 10);
    mute.kill();
    expect(await shared([a], TAKEOVER_MS)).toBe(true);
    expect(overlaps).toEqual([]);
  });
});

describe("a gateway that has another config", () => {
  it("goes on with all that it still has, in whatever moment the config came", async () => {
    const { clock, start, shared, at } = createGround();
    const a = start("a");
    await shared([a], 100);
    a.connection.faults.delayMs = () => 50;
    const added = bucketNamed("added");
    for (let n = 0; n < 60; n++) {
      a.sharing.follow(() => a.ports, n % 2 === 0 ? [...BUCKETS, added] : BUCKETS);
      await clock.advance(37);
      expect(a.works()).toEqual(BUCKETS);
    }
    a.sharing.follow(() => a.ports, [...BUCKETS, added]);
    expect(await clock.runUntil(() => at(added).has("a"), TAKEOVER_MS)).toBe(true);
  });


  it("works what it alone has, and takes nothing from the others that they have", async () => {
    const { clock, start, shared, at, overlaps } = createGround();
    const a = start("a");
    const b = start("b");
    await shared([a, b], TAKEOVER_MS);
    const added = bucketNamed("added");
    const before = [a.works(), b.works()];
    b.sharing.follow(() => b.ports, [...BUCKETS, added]);
    expect(await clock.runUntil(() => at(added).has("b"), 2 * LEASE_LOOK_MS)).toBe(true);
    await clock.advance(10_000);
    expect([a.works(), b.works()]).toEqual(before);
    a.sharing.follow(() => a.ports, [...BUCKETS, added]);
    await clock.advance(10_000);
    expect([a.works(), b.works()]).toEqual(before);
    expect([at(added).size, overlaps]).toEqual([1, []]);
  });
});

describe("beside a gateway that works alone", () => {
  it("all rest until it has gone, in whatever order they came", async () => {
    const { clock, start, startAlone, shared } = createGround();
    const first = startAlone("alone");
    await clock.advance(100);
    const [a, b] = [start("a"), start("b")];
    await clock.advance(10_000);
    expect([a.works(), b.works(), a.sharing.role()]).toEqual([[], [], "standby"]);
    expect(a.sharing.standby(BUCKETS[0] as BucketName)).toMatchObject({ code: "KVGW_STANDBY", message: expect.stringContaining("alone") });
    void first.release();
    expect(await shared([a, b], TAKEOVER_MS)).toBe(true);
    const second = startAlone("older");
    expect(await clock.runUntil(() => a.works().length + b.works().length === 0, TAKEOVER_MS)).toBe(true);
    expect([second.role(), a.sharing.role(), b.lease().holder]).toEqual(["active", "standby", "older"]);
    void second.release();
    expect(await shared([a, b], TAKEOVER_MS)).toBe(true);
  });
});
