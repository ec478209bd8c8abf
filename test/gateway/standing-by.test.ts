/** A bucket of a gateway that must not work: it rests, whatever it did before, and begins when the gateway may work. */
import { describe, expect, it } from "vitest";
import type { BucketConfig } from "../../src/config/config.js";
import { GatewayError } from "../../src/core/errors.js";
import { BUCKET } from "../pipeline/world.js";
import { type MemoryGround, type Supervised, createMemoryGround, superviseOn } from "./supervised.js";

const FLAG = `pause.${BUCKET}`;
const HOUR_MS = 3_600_000;

interface Placed extends MemoryGround, Supervised {
  /** The gateway must not work, or may. */
  become(role: "active" | "standby"): Promise<void>;
  readonly opened: () => number;
}

async function placed(role: "active" | "standby", initial: Partial<BucketConfig> = {}): Promise<Placed> {
  const ground = createMemoryGround();
  let now = role;
  let opened = 0;
  const standby = () => (now === "standby" ? new GatewayError("KVGW_STANDBY", "another gateway works") : null);
  const open = () => {
    opened++;
    const why = standby();
    return why === null ? Promise.resolve(ground.ports) : Promise.reject(why);
  };
  const supervised = superviseOn(ground.clock, open, initial, standby);
  await ground.clock.advance(1_000);
  return {
    ...{ ...ground, ...supervised, opened: () => opened },
    async become(next) {
      now = next;
      void supervised.supervisor.roleChanged();
      await ground.clock.advance(1_000);
    },
  };
}

describe("a bucket of a gateway that stands by", () => {
  it("is starting, says why, and touches nothing", async () => {
    const { clock, supervisor, counters, a, states, opened } = await placed("standby");
    a.bucket(BUCKET).app.put("k", "v");
    await clock.advance(HOUR_MS);
    expect([supervisor.state(), supervisor.reason()?.code, opened()]).toEqual(["starting", "KVGW_STANDBY", 0]);
    expect([counters.captured, counters.restarts, states()]).toEqual([0, 0, ["starting KVGW_STANDBY"]]);
    expect(supervisor.reconcile()).toBe(false);
  });

  it("begins when the gateway may work, and ends in order when it may no longer", async () => {
    const { clock, supervisor, counters, a, states, become } = await placed("standby");
    await become("active");
    a.bucket(BUCKET).app.put("k", "1");
    await clock.advance(1_000);
    expect([supervisor.state(), counters.captured]).toEqual(["live", 1]);
    a.bucket(BUCKET).app.put("k", "2");
    await become("standby");
    // What was captured is logged before the end.
    expect([...a.bucket(BUCKET).log.messages()]).toHaveLength(counters.captured);
    const before = counters.captured;
    a.bucket(BUCKET).app.put("k", "3");
    await clock.advance(HOUR_MS);
    expect([supervisor.state(), counters.captured, counters.restarts]).toEqual(["starting", before, 0]);
    await become("active");
    expect([supervisor.state(), supervisor.reason()]).toEqual(["live", null]);
    expect(states()).toEqual(["starting KVGW_STANDBY", "starting", "live", "starting KVGW_STANDBY", "starting", "live"]);
  });

  it("rests at once where it was waiting for its next attempt, and is not parked for what was before", async () => {
    const { clock, supervisor, local, become, counters } = await placed("active");
    local.cut();
    await clock.advance(60_000);
    expect(supervisor.state()).toBe("degraded");
    await become("standby");
    const { restarts } = counters;
    await clock.advance(HOUR_MS);
    expect([supervisor.state(), supervisor.reason()?.code, counters.restarts]).toEqual(["starting", "KVGW_STANDBY", restarts]);
  });

  it("asks the state again whether it is paused: the other gateway was asked in between", async () => {
    const { ports, supervisor, become, clock } = await placed("active");
    let over = false;
    void supervisor.pause().then(() => (over = true));
    expect(await clock.runUntil(() => over, 10_000)).toBe(true);
    await become("standby");
    void ports.state.save(FLAG, false);
    await clock.advance(1_000);
    await become("active");
    expect([supervisor.state(), supervisor.pausedBy()]).toEqual(["live", []]);
    await become("standby");
    void ports.state.save(FLAG, true);
    await clock.advance(1_000);
    await become("active");
    expect([supervisor.state(), supervisor.pausedBy()]).toEqual(["paused", ["request"]]);
  });

  it("refuses a pause, and stops at once", async () => {
    const { supervisor, clock } = await placed("standby");
    await expect(supervisor.pause()).rejects.toMatchObject({ code: "KVGW_STANDBY" });
    let over = false;
    void supervisor.stop().then(() => (over = true));
    expect(await clock.runUntil(() => over, 10)).toBe(true);
    expect([supervisor.state(), clock.scheduled()]).toEqual(["stopped", 0]);
  });
});
