import { describe, expect, it } from "vitest";
import { createSettle } from "../../src/config/settle.js";

/** Virtual time: `pass` runs what falls due, in order. */
function createVirtualClock() {
  let now = 0;
  let timers: { readonly at: number; readonly callback: () => void }[] = [];
  return {
    schedule(delayMs: number, callback: () => void) {
      const timer = { at: now + delayMs, callback };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    pass(ms: number) {
      for (const end = now + ms; now < end;) {
        now++;
        const due = timers.filter(({ at }) => at <= now);
        timers = timers.filter(({ at }) => at > now);
        for (const { callback } of due) callback();
      }
    },
    pending: () => timers.length,
  };
}

describe("events that settle", () => {
  it("are one when they come close together, after it has been quiet", () => {
    const clock = createVirtualClock();
    const settledAfter: string[] = [];
    const settle = createSettle(clock, 100, () => settledAfter.push("settled"));
    for (let n = 0; n < 3; n++) {
      settle.nudge();
      clock.pass(99);
    }
    expect(settledAfter).toEqual([]);
    clock.pass(1);
    expect(settledAfter).toEqual(["settled"]);
    clock.pass(10_000);
    expect(settledAfter).toEqual(["settled"]);
    expect(clock.pending()).toBe(0);
  });

  it("are not put off for ever where they never pause", () => {
    const clock = createVirtualClock();
    let settled = 0;
    const settle = createSettle(clock, 100, () => settled++);
    for (let n = 0; n < 100; n++) {
      settle.nudge();
      clock.pass(20);
    }
    expect(settled).toBe(4);
  });

  it("are forgotten when cancelled, and may come again", () => {
    const clock = createVirtualClock();
    let settled = 0;
    const settle = createSettle(clock, 100, () => settled++);
    settle.nudge();
    settle.cancel();
    clock.pass(1_000);
    expect(settled).toBe(0);
    settle.nudge();
    clock.pass(100);
    expect(settled).toBe(1);
  });
});
