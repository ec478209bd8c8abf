/** What a bucket shows: `live` only while it is captured and nothing of it is in trouble, else a reason that still holds. */
import { describe, expect, it } from "vitest";
import { GatewayError } from "../../src/core/errors.js";
import type { WriteFate } from "../memory/connection.js";
import { BUCKET } from "../pipeline/world.js";
import { createMemoryGround, superviseOn } from "./supervised.js";
import { createHealth } from "../../src/pipeline/state.js";

const logFull = new GatewayError("KVGW_LOG_FULL", "the log is full");
const bucketFull = new GatewayError("KVGW_BUCKET_FULL", "the bucket is full");
const noAnswer = new GatewayError("KVGW_TIMEOUT", "no answer");

/** A bucket with one entry, whose tail says that all is there only when the test lets it. */
function slowlyCaptured() {
  const { clock, ports, a, local } = createMemoryGround();
  let captured: () => void = () => undefined;
  const tail: typeof ports.store.tail = (handlers) =>
    ports.store.tail({ ...handlers, onCaughtUp: () => (captured = handlers.onCaughtUp) });
  a.bucket(BUCKET).app.put("k", "v");
  let fate: WriteFate = logFull;
  local.faults.fate = ({ to }) => (to === "log" ? fate : "arrives");
  const supervised = superviseOn(clock, () => Promise.resolve({ ...ports, store: { ...ports.store, tail } }));
  return { ...supervised, clock, capture: () => captured(), mend: () => void (fate = "arrives") };
}

describe("a bucket whose log takes nothing from the start", () => {
  it("is not live once it is captured, only once the log takes operations", async () => {
    const { clock, states, capture, mend } = slowlyCaptured();
    await clock.advance(5_000);
    capture();
    await clock.advance(5_000);
    expect(states()).toEqual(["degraded KVGW_LOG_FULL"]);
    mend();
    await clock.advance(20_000);
    expect(states()).toEqual(["degraded KVGW_LOG_FULL", "live"]);
  });

  it("is not live once the log takes operations, only once it is captured", async () => {
    const { clock, states, capture, mend } = slowlyCaptured();
    await clock.advance(5_000);
    mend();
    await clock.advance(20_000);
    expect(states()).toEqual(["degraded KVGW_LOG_FULL"]);
    capture();
    await clock.advance(1_000);
    expect(states()).toEqual(["degraded KVGW_LOG_FULL", "live"]);
  });
});

describe("the health of a run", () => {
  function told() {
    const reports: string[] = [];
    const health = createHealth({
      onTrouble: (error) => void reports.push(error?.code ?? "recovered"),
      onCaptured: () => void reports.push("captured"),
    });
    return { reports, health, log: health.part("log"), apply: health.part("apply") };
  }

  it("shows a trouble that remains when another one ends, and recovers with the last", () => {
    const { reports, health, log, apply } = told();
    health.captured();
    apply(bucketFull);
    log(logFull);
    log(null);
    apply(null);
    expect(reports).toEqual(["captured", "KVGW_BUCKET_FULL", "KVGW_LOG_FULL", "KVGW_BUCKET_FULL", "recovered"]);
  });

  it("shows another trouble of the same part, and each only once", () => {
    const { reports, health, log } = told();
    health.captured();
    for (const error of [noAnswer, noAnswer, logFull, logFull, null, null]) log(error);
    expect(reports).toEqual(["captured", "KVGW_TIMEOUT", "KVGW_LOG_FULL", "recovered"]);
  });

  it("has nothing to recover from while it is not captured", () => {
    const { reports, health, log } = told();
    log(logFull);
    log(null);
    health.captured();
    expect(reports).toEqual(["KVGW_LOG_FULL", "captured"]);
  });
});
