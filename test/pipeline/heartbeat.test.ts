/** The heartbeat between whole gateways under virtual time: lag is true when nobody writes, and silence is not zero lag. */
import { describe, expect, it } from "vitest";
import { HEARTBEAT_MS } from "../../src/core/limits.js";
import { type Place, createWorld } from "./world.js";

const peerOf = (place: Place, peer: Place) => place.gateway().snapshot().peers.get(peer.id);
const NOTICED_MS = 15_000;

async function running() {
  const world = createWorld();
  world.start();
  await world.settle();
  return { ...world, a: world.place("a"), b: world.place("b") };
}

describe("two gateways at rest", () => {
  it("have no lag, hour after hour, and nothing is written or told", async () => {
    const { clock, a, b } = await running();
    const [before, states] = [a.logged(), a.events("peer-state").length];
    for (let n = 0; n < 720; n++) {
      await clock.advance(7_001);
      expect([peerOf(a, b)?.lagSeconds, peerOf(b, a)?.lagSeconds]).toEqual([0, 0]);
    }
    expect(clock.nowMs() - (peerOf(a, b)?.lastHeardMs ?? 0)).toBeLessThanOrEqual(HEARTBEAT_MS);
    expect([a.logged(), a.events("peer-state").length]).toEqual([before, states]);
  });
});

describe("a gateway that has died", () => {
  it("is told within 15 s, once, and its peer's lag grows until another one answers", async () => {
    const { clock, a, b } = await running();
    b.gateway().crash();
    b.app.put("meanwhile", "1");
    await clock.advance(NOTICED_MS);
    expect(peerOf(a, b)).toMatchObject({ state: "degraded", reason: { code: "KVGW_PEER_SILENT" }, lagOperations: 0 });
    expect(peerOf(a, b)?.lagSeconds).toBeGreaterThanOrEqual(NOTICED_MS / 1_000);
    await clock.advance(600_000);
    expect(peerOf(a, b)?.lagSeconds).toBeGreaterThanOrEqual((600_000 + NOTICED_MS) / 1_000);
    expect(a.events("peer-state").filter(({ reason }) => reason?.code === "KVGW_PEER_SILENT")).toHaveLength(1);
    expect(a.events("bucket-state").at(-1)).toMatchObject({ state: "live" });

    b.start();
    await clock.advance(NOTICED_MS);
    expect(peerOf(a, b)).toMatchObject({ state: "live", reason: null, lagOperations: 0, lagSeconds: 0 });
    expect(a.app.read().get("meanwhile")).toBe("1");
  });
});

describe("a bucket that is paused at one site", () => {
  it("has a lag at the other one, with the reason", async () => {
    const { clock, a, b, config } = await running();
    b.gateway().update({ ...config, paused: true });
    b.app.put("meanwhile", "1");
    await clock.advance(NOTICED_MS);
    expect(peerOf(a, b)).toMatchObject({ state: "degraded", reason: { code: "KVGW_PEER_NOT_LIVE" } });
    expect(peerOf(a, b)?.reason?.message).toMatch(/paused there/);
    expect(peerOf(a, b)?.lagSeconds).toBeGreaterThan(10);
    b.gateway().update(config);
    await clock.advance(NOTICED_MS);
    expect(peerOf(a, b)).toMatchObject({ state: "live", lagSeconds: 0 });
  });
});

describe("a log that takes nothing", () => {
  it("is a lag at the peer, which is still live", async () => {
    const { clock, a, b } = await running();
    b.gateway().local.faults.fate = ({ to }) => (to === "log" ? "request lost" : "arrives");
    b.app.put("stuck", "1");
    await clock.advance(60_000);
    expect(peerOf(a, b)?.state).toBe("live");
    expect(peerOf(a, b)?.lagSeconds).toBeGreaterThan(50);
    b.gateway().local.faults.fate = () => "arrives";
    await clock.advance(60_000);
    expect(peerOf(a, b)).toMatchObject({ state: "live", lagSeconds: 0 });
    expect(a.app.read().get("stuck")).toBe("1");
  });
});
