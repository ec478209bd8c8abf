/** A pause on request: it outlives the process, gives way to nothing but a resume, and the config's own pause is above it. */
import { describe, expect, it } from "vitest";
import type { BucketConfig } from "../../src/config/config.js";
import { GatewayError } from "../../src/core/errors.js";
import { PARK_AFTER_FAILURES } from "../../src/core/limits.js";
import { BUCKET } from "../pipeline/world.js";
import { type MemoryGround, type Supervised, createMemoryGround, superviseOn } from "./supervised.js";

const FLAG = `pause.${BUCKET}`;
const HOUR_MS = 3_600_000;

interface Running extends MemoryGround, Supervised {
  /** What was asked for, when it is done. */
  done(work: Promise<void>): Promise<void>;
  /** The next process at the same site. */
  restart(initial?: Partial<BucketConfig>): Promise<Supervised>;
}

async function running(initial: Partial<BucketConfig> = {}): Promise<Running> {
  const ground = createMemoryGround();
  const { clock, ports } = ground;
  const start = async (config: Partial<BucketConfig>) => {
    const supervised = superviseOn(clock, () => Promise.resolve(ports), config);
    await clock.advance(1_000);
    return supervised;
  };
  const done = async (work: Promise<void>) => {
    let over = false;
    const noted = work.finally(() => (over = true));
    noted.catch(() => undefined);
    expect(await clock.runUntil(() => over, 10_000)).toBe(true);
    await noted;
  };
  const first = await start(initial);
  return {
    ...{ ...ground, ...first, done },
    async restart(next = {}) {
      await done(first.supervisor.stop());
      return start(next);
    },
  };
}

describe("a pause on request", () => {
  it("is over when nothing runs any more, and a resume lets it go on", async () => {
    const { clock, a, supervisor, counters, done } = await running();
    await done(supervisor.pause());
    expect([supervisor.state(), supervisor.pausedBy()]).toEqual(["paused", ["request"]]);
    a.bucket(BUCKET).app.put("k", "v");
    await clock.advance(HOUR_MS);
    expect(counters.captured).toBe(0);
    await done(supervisor.resume());
    await clock.advance(1_000);
    expect([supervisor.state(), supervisor.pausedBy(), counters.captured]).toEqual(["live", [], 1]);
  });

  it("outlives the process, and so does its end", async () => {
    const { supervisor, done, restart, clock, a } = await running();
    await done(supervisor.pause());
    const next = await restart();
    expect([next.states(), next.supervisor.pausedBy()]).toEqual([["paused"], ["request"]]);
    await done(next.supervisor.resume());
    await done(next.supervisor.stop());
    expect(a.state.get(FLAG)).toBe("false");
    await clock.advance(1_000);
    expect((await restart()).supervisor.state()).toBe("live");
  });

  it("asked for again changes nothing, and a resume of what runs writes nothing", async () => {
    const { supervisor, done, states, a } = await running();
    await done(supervisor.resume());
    expect([supervisor.state(), a.state.has(FLAG)]).toEqual(["live", false]);
    await done(supervisor.pause());
    await done(supervisor.pause());
    expect(states()).toEqual(["live", "paused"]);
  });

  it("comes also while the bucket still starts", async () => {
    const { clock, ports } = createMemoryGround();
    let letGo: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    const load: typeof ports.state.load = (key) => (key === FLAG ? held.then(() => ports.state.load(key)) : ports.state.load(key));
    const { supervisor } = superviseOn(clock, () => Promise.resolve({ ...ports, state: { ...ports.state, load } }));
    await clock.advance(1_000);
    const paused = supervisor.pause();
    await clock.advance(1_000);
    await paused;
    letGo();
    await clock.advance(HOUR_MS);
    expect([supervisor.state(), supervisor.pausedBy()]).toEqual(["paused", ["request"]]);
  });
});

describe("a pause in the config", () => {
  it("holds the bucket whatever is asked for", async () => {
    const { supervisor, done, config, clock } = await running({ paused: true });
    await done(supervisor.resume());
    expect([supervisor.state(), supervisor.pausedBy()]).toEqual(["paused", ["config"]]);
    supervisor.update(config());
    await clock.advance(1_000);
    expect([supervisor.state(), supervisor.pausedBy()]).toEqual(["live", []]);
  });

  it("that ends leaves a pause on request as it is, also one that an earlier process was asked for", async () => {
    const { supervisor, done, restart, config, clock } = await running();
    await done(supervisor.pause());
    const next = await restart({ paused: true });
    next.supervisor.update(config());
    await clock.advance(1_000);
    expect([next.supervisor.state(), next.supervisor.pausedBy()]).toEqual(["paused", ["request"]]);
  });
});

describe("a site's state that does not answer", () => {
  it("refuses a pause with its code, and the bucket runs on", async () => {
    const { supervisor, local, clock, done } = await running();
    local.faults.fate = ({ to }) => (to === "state" ? new GatewayError("KVGW_STATE_UNAVAILABLE", "no room") : "arrives");
    await expect(done(supervisor.pause())).rejects.toMatchObject({ code: "KVGW_STATE_UNAVAILABLE" });
    await clock.advance(1_000);
    expect([supervisor.state(), supervisor.pausedBy()]).toEqual(["live", []]);
  });

  it("refuses a resume with its code, and the bucket stays paused", async () => {
    const { supervisor, local, done } = await running();
    await done(supervisor.pause());
    local.faults.fate = () => new GatewayError("KVGW_STATE_UNAVAILABLE", "no room");
    await expect(done(supervisor.resume())).rejects.toMatchObject({ code: "KVGW_STATE_UNAVAILABLE" });
    expect([supervisor.state(), supervisor.pausedBy()]).toEqual(["paused", ["request"]]);
  });

  it("keeps a bucket from starting, which might be paused, until it answers", async () => {
    const { clock, ports } = createMemoryGround();
    let answers = false;
    const load: typeof ports.state.load = (key) =>
      answers ? ports.state.load(key) : Promise.reject(new GatewayError("KVGW_STATE_UNAVAILABLE", "not yet"));
    const { supervisor } = superviseOn(clock, () => Promise.resolve({ ...ports, state: { ...ports.state, load } }));
    await clock.advance(60_000);
    expect([supervisor.state(), supervisor.reason()?.code]).toEqual(["degraded", "KVGW_STATE_UNAVAILABLE"]);
    answers = true;
    await clock.advance(60_000);
    expect(supervisor.state()).toBe("live");
  });
});

describe("a parked bucket", () => {
  it("is tried again by a resume, as often as at first", async () => {
    const { clock, ports } = createMemoryGround();
    let attempts = 0;
    const open: typeof ports.store.open = () => {
      attempts++;
      return Promise.reject(new GatewayError("KVGW_BUCKET_UNSUITABLE", "the stream is sealed"));
    };
    const { supervisor } = superviseOn(clock, () => Promise.resolve({ ...ports, store: { ...ports.store, open } }));
    await clock.advance(HOUR_MS);
    expect([supervisor.state(), attempts]).toEqual(["parked", PARK_AFTER_FAILURES]);
    await supervisor.resume();
    expect(supervisor.state()).not.toBe("parked");
    await clock.advance(HOUR_MS);
    expect([supervisor.state(), attempts]).toEqual(["parked", 2 * PARK_AFTER_FAILURES]);
  });
});

describe("a request for rounds", () => {
  it("is taken while the bucket runs, and refused while it does not", async () => {
    const { supervisor, done, clock } = await running();
    expect(supervisor.reconcile()).toBe(true);
    await done(supervisor.pause());
    expect(supervisor.reconcile()).toBe(false);
    await done(supervisor.resume());
    await clock.advance(1_000);
    expect(supervisor.reconcile()).toBe(true);
  });

  it("leaves behind why a round failed, until the bucket stops", async () => {
    const { supervisor, counters, done, clock, away } = await running();
    const [peer] = [...counters.peers.keys()];
    if (peer === undefined) expect.fail("no peer");
    away.cut();
    supervisor.reconcile();
    await clock.advance(60_000);
    expect(supervisor.roundFailure(peer)?.code).toBe("KVGW_UNREACHABLE");
    await done(supervisor.pause());
    expect(supervisor.roundFailure(peer)).toBeNull();
  });
});
