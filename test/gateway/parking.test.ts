/** When a supervisor gives up, and when it must not: only what nothing but a person mends, many times in a row. */
import { describe, expect, it } from "vitest";
import { GatewayError } from "../../src/core/errors.js";
import { BACKOFF_RESET_MS, PARK_AFTER_FAILURES } from "../../src/core/limits.js";
import { createVirtualClock } from "../memory/virtual-clock.js";
import { createMemoryGround, superviseOn } from "./supervised.js";

const HOUR_MS = 3_600_000;
const away = new GatewayError("KVGW_UNREACHABLE", "the local NATS is away");
const unsuitable = new GatewayError("KVGW_BUCKET_UNSUITABLE", "the stream is sealed");

/** @param failure of the attempt with that number, from 1 on */
function failing(failure: (attempt: number) => GatewayError) {
  const clock = createVirtualClock();
  let attempts = 0;
  const open = () => Promise.reject(failure(++attempts));
  return { clock, ...superviseOn(clock, open), attempts: () => attempts };
}

describe("a bucket whose failure only a person can mend", () => {
  it("is tried a number of times in a row, then parked with the reason", async () => {
    const { clock, supervisor, attempts } = failing(() => unsuitable);
    await clock.advance(HOUR_MS);
    expect([supervisor.state(), supervisor.reason()?.code, attempts()]).toEqual([
      ...["parked", "KVGW_BUCKET_UNSUITABLE", PARK_AFTER_FAILURES],
    ]);
  });

  it("is not parked for the time in which the local NATS was away before", async () => {
    const { clock, supervisor, attempts } = failing((attempt) => (attempt <= 100 ? away : unsuitable));
    await clock.runUntil(() => supervisor.reason()?.code === "KVGW_BUCKET_UNSUITABLE", HOUR_MS);
    expect([supervisor.state(), attempts()]).toEqual(["degraded", 101]);
    await clock.advance(HOUR_MS);
    expect([supervisor.state(), attempts()]).toEqual(["parked", 100 + PARK_AFTER_FAILURES]);
  });

  it("is counted afresh after any failure that mends itself", async () => {
    const { clock, supervisor } = failing((attempt) => (attempt % PARK_AFTER_FAILURES === 0 ? away : unsuitable));
    await clock.advance(HOUR_MS);
    expect(supervisor.state()).toBe("degraded");
  });

  it("is counted afresh with the end of a run that was healthy", async () => {
    const { clock, ports } = createMemoryGround();
    let attempts = 0;
    let endRun: () => void = () => undefined;
    const tail: typeof ports.store.tail = (handlers) => {
      endRun = () => handlers.onLost(unsuitable);
      return ports.store.tail(handlers);
    };
    const healthy = { ...ports, store: { ...ports.store, tail } };
    const healthyAt = PARK_AFTER_FAILURES - 1;
    const open = () => (++attempts === healthyAt ? Promise.resolve(healthy) : Promise.reject(unsuitable));
    const { supervisor } = superviseOn(clock, open);
    await clock.runUntil(() => supervisor.state() === "live", HOUR_MS);
    await clock.advance(BACKOFF_RESET_MS);
    endRun();
    await clock.advance(HOUR_MS);
    expect([supervisor.state(), attempts]).toEqual(["parked", healthyAt + PARK_AFTER_FAILURES - 1]);
  });

  it("is given as many attempts again when its settings are touched", async () => {
    const { clock, supervisor, attempts, config } = failing(() => unsuitable);
    await clock.advance(HOUR_MS);
    supervisor.update(config({ tombstoneTtlMs: 1 }));
    await clock.advance(0);
    expect(supervisor.state()).not.toBe("parked");
    await clock.advance(HOUR_MS);
    expect([supervisor.state(), attempts()]).toEqual(["parked", 2 * PARK_AFTER_FAILURES]);
  });
});

describe("a bucket whose failure is mended from outside", () => {
  it.each([
    "KVGW_SECRET_UNREADABLE",
    "KVGW_BUCKET_MISSING",
    "KVGW_BUCKET_FULL",
    "KVGW_LOG_FULL",
    "KVGW_DENIED",
  ] as const)("is tried for as long as it takes (%s)", async (code) => {
    const { clock, supervisor, attempts } = failing(() => new GatewayError(code, "not yet"));
    await clock.advance(HOUR_MS);
    const before = attempts();
    await clock.advance(HOUR_MS);
    expect([supervisor.state(), supervisor.reason()?.code, attempts() > before]).toEqual(["degraded", code, true]);
  });
});
