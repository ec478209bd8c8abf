/** The site lease in virtual time: of a site's gateways one works, whatever happens to it another one takes over, and a
 *  gateway that is alone writes nothing. */
import { describe, expect, it } from "vitest";
import type { GatewayEvent } from "../../src/core/events.js";
import { LEASE_LOOK_MS, LEASE_RENEW_MS, LEASE_TTL_MS } from "../../src/core/limits.js";
import { type SitePorts, createSiteLease } from "../../src/gateway/lease.js";
import type { Role } from "../../src/gateway/status.js";
import { createMemoryConnection } from "../memory/connection.js";
import { type Present, createMemoryPresence } from "../memory/presence.js";
import { createMemorySiteState } from "../memory/site-state.js";
import { createMortalClock, createVirtualClock } from "../memory/virtual-clock.js";

/** What the design promises, and what of it a process that is killed needs. */
const TAKEOVER_MS = 15_000;
const KILLED_MS = 4 * LEASE_LOOK_MS;

function createGround() {
  const clock = createVirtualClock();
  const durable = new Map<string, string>();
  const present: Present = new Map();
  let saves = 0;
  durable.set = (key, text) => {
    saves++;
    return Map.prototype.set.call(durable, key, text) as typeof durable;
  };

  function start(name: string) {
    const own = createMortalClock(clock);
    const connection = createMemoryConnection(clock);
    const state = createMemorySiteState(connection, durable);
    const ports: SitePorts = {
      state,
      presence: createMemoryPresence(connection, present, own),
      ready: () => connection.request(() => undefined),
      onUp: (callback) => connection.onUp(callback),
    };
    const roles: Role[] = [];
    const events: GatewayEvent[] = [];
    const lease = createSiteLease({
      ...{ ports: () => ports, holder: { id: name, name }, clock: own },
      observe: (event) => void events.push(event),
      onRole: (role) => void roles.push(role),
    });
    return {
      ...{ lease, connection, roles, state },
      told: () => events.flatMap((event) => (event.type === "lease" ? [event.state] : [])),
      /** As `kill -9` does: the server sees the connection close. */
      kill() {
        own.kill();
        connection.kill();
      },
      /** The machine is gone, and nobody tells the server. */
      vanish() {
        own.kill();
        connection.hold("to client");
      },
    };
  }

  const takesWithin = (lease: { role(): Role | null }, ms: number) => clock.runUntil(() => lease.role() === "active", ms);
  return { clock, durable, start, takesWithin, saves: () => saves };
}

describe("a gateway that is alone", () => {
  it("holds the lease at once, and from then on writes nothing", async () => {
    const { clock, start, saves } = createGround();
    const a = start("a");
    await clock.advance(100);
    expect([a.roles, a.lease.status(), a.told()]).toEqual([
      ["active"],
      { held: true, holder: "a", since: "2023-11-14T22:13:20.000Z", reason: null },
      ["held"],
    ]);
    await clock.advance(3_600_000);
    expect([saves(), a.roles, a.lease.status().held]).toEqual([1, ["active"], true]);
  });

  it("goes on after its state was away, and nothing of that ends its work", async () => {
    const { clock, start } = createGround();
    const a = start("a");
    await clock.advance(100);
    a.connection.cut();
    await clock.advance(60_000);
    expect([a.lease.role(), a.lease.status().reason?.code]).toEqual(["active", "KVGW_STATE_UNAVAILABLE"]);
    a.connection.heal();
    await clock.advance(LEASE_RENEW_MS);
    expect([a.roles, a.told(), a.lease.status().reason]).toEqual([["active"], ["held", "unknown"], null]);
  });

  it("works without the lease where the state is away from the start, and takes it later", async () => {
    const { clock, start, takesWithin } = createGround();
    const a = start("a");
    a.connection.cut();
    expect(await takesWithin(a.lease, 10_000)).toBe(true);
    expect(a.lease.status().held).toBe(false);
    a.connection.heal();
    await clock.advance(100);
    expect([a.lease.status().held, a.roles]).toEqual([true, ["active"]]);
  });

  it("takes back what an operator has removed, or what nobody can read", async () => {
    const { clock, durable, start } = createGround();
    const a = start("a");
    await clock.advance(100);
    for (const change of [() => durable.delete("lease"), () => durable.set("lease", `{"holder":7}`)]) {
      change();
      await clock.advance(2 * LEASE_RENEW_MS);
      expect(JSON.parse(durable.get("lease") ?? "null")).toMatchObject({ holder: "a" });
    }
    expect(a.roles).toEqual(["active"]);
  });

  it("renews all the time where questions cannot reach it", async () => {
    const { clock, start, saves } = createGround();
    const a = start("a");
    a.connection.push = () => undefined;
    await clock.advance(60_000);
    expect(saves()).toBeGreaterThan(60_000 / LEASE_RENEW_MS / 2);
  });
});

describe("a second gateway of the site", () => {
  async function createPair() {
    const ground = createGround();
    const a = ground.start("a");
    await ground.clock.advance(500);
    const b = ground.start("b");
    await ground.clock.advance(500);
    return { ...ground, a, b };
  }

  it("waits as long as the first one is there, and says for whom", async () => {
    const { clock, a, b } = await createPair();
    expect([b.roles, b.told(), b.lease.status()]).toMatchObject([["standby"], ["waiting"], { held: false, holder: "a" }]);
    await clock.advance(3_600_000);
    expect([a.roles, b.roles]).toEqual([["active"], ["standby"]]);
  });

  it("takes over within seconds when the first one is killed, and a process that follows that one waits", async () => {
    const { clock, a, b, start, takesWithin } = await createPair();
    await clock.advance(60_000);
    a.kill();
    expect(await takesWithin(b.lease, KILLED_MS)).toBe(true);
    const next = start("a2");
    await clock.advance(60_000);
    expect([b.roles, next.roles, b.told()]).toEqual([["standby", "active"], ["standby"], ["waiting", "held"]]);
  });

  it.each([0, 700, 1_500])("takes over within the promised time when the first one's machine vanishes (after %d ms)", async (afterMs) => {
    const { clock, a, b, takesWithin } = await createPair();
    await clock.advance(60_000 + afterMs);
    a.vanish();
    expect(await takesWithin(b.lease, LEASE_TTL_MS - 2 * LEASE_RENEW_MS)).toBe(false);
    expect(await takesWithin(b.lease, TAKEOVER_MS)).toBe(true);
    expect(clock.elapsedMs() - 61_000 - afterMs).toBeLessThan(TAKEOVER_MS);
  });

  it("takes over at its next look when the first one stops in order", async () => {
    const { a, b, takesWithin } = await createPair();
    const released = a.lease.release();
    expect(await takesWithin(b.lease, LEASE_LOOK_MS + 100)).toBe(true);
    await released;
    expect(b.lease.status()).toMatchObject({ held: true, holder: "b" });
  });

  it("does not take over because the server was restarted and the first one is back a moment later", async () => {
    const { clock, a, b } = await createPair();
    a.connection.cut();
    b.connection.cut();
    await clock.advance(5_000);
    b.connection.heal();
    await clock.advance(LEASE_LOOK_MS - 100);
    a.connection.heal();
    await clock.advance(60_000);
    expect([a.roles, b.roles]).toEqual([["active"], ["standby"]]);
  });

  it("goes on waiting while the state is away", async () => {
    const { clock, b } = await createPair();
    b.connection.cut();
    await clock.advance(60_000);
    expect([b.roles, b.lease.status().reason?.code]).toEqual([["standby"], "KVGW_STATE_UNAVAILABLE"]);
  });

  it("does not take the time in which it was cut off itself for the silence of the first one, whenever that began", async () => {
    for (let afterMs = 0; afterMs < LEASE_RENEW_MS + LEASE_LOOK_MS; afterMs += LEASE_LOOK_MS / 4) {
      const { clock, a, b } = await createPair();
      await clock.advance(afterMs);
      b.connection.cut();
      await clock.advance(60_000);
      b.connection.heal();
      await clock.advance(60_000);
      expect([a.roles, b.roles], `cut off after ${afterMs} ms`).toEqual([["active"], ["standby"]]);
    }
  });

  it("waits for a holder that no question reaches, as long as that one renews", async () => {
    const { clock, start } = createGround();
    const a = start("a");
    a.connection.push = () => undefined;
    await clock.advance(3_000);
    const b = start("b");
    await clock.advance(600_000);
    expect([a.roles, b.roles]).toEqual([["active"], ["standby"]]);
  });
});

describe("a holder that was cut off or stood still", () => {
  it("steps back as soon as it sees that another one took over, and then waits for that one", async () => {
    const { clock, start, takesWithin } = createGround();
    const a = start("a");
    await clock.advance(500);
    const b = start("b");
    await clock.advance(500);
    a.connection.cut();
    expect(await takesWithin(b.lease, KILLED_MS)).toBe(true);
    expect(a.lease.role()).toBe("active");
    a.connection.heal();
    await clock.advance(100);
    expect([a.lease.role(), a.told()]).toEqual(["standby", ["held", "unknown", "lost"]]);
    b.kill();
    expect(await takesWithin(a.lease, KILLED_MS)).toBe(true);
  });

  it("finds its own save that nobody had told it of", async () => {
    const { clock, start } = createGround();
    const a = start("a");
    a.connection.faults.fate = ({ to }) => (to === "state" ? "answer lost" : "arrives");
    await clock.advance(10_000);
    a.connection.faults.fate = () => "arrives";
    await clock.advance(10_000);
    expect([a.roles, a.lease.status()]).toMatchObject([["active"], { held: true, holder: "a", reason: null }]);
  });
});

describe("several that take over at once", () => {
  it("find one holder among them, by the fence of the save", async () => {
    const { clock, start } = createGround();
    const a = start("a");
    await clock.advance(500);
    const others = ["b", "c", "d", "e"].map(start);
    await clock.advance(500);
    a.kill();
    await clock.advance(20_000);
    const roles = others.map(({ lease }) => lease.role());
    expect(roles.filter((role) => role === "active")).toHaveLength(1);
    expect(others.filter(({ lease }) => lease.status().held)).toHaveLength(1);
    // Never two of them, not even for a moment.
    expect(others.flatMap((other) => other.roles.filter((role) => role === "active"))).toHaveLength(1);
  });

  it("are one from the start, where all start in the same moment", async () => {
    const { clock, start } = createGround();
    const all = ["a", "b", "c"].map(start);
    await clock.advance(20_000);
    expect(all.flatMap(({ roles }) => roles).sort()).toEqual(["active", "standby", "standby"]);
  });
});
