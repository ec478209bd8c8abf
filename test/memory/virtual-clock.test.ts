/** Virtual time is the ground that the simulator stands on: exact, in order, repeatable. */
import { describe, expect, it } from "vitest";
import { createSeededRandom } from "./seeded-random.js";
import { createMortalClock, createSkewedClock, createVirtualClock } from "./virtual-clock.js";

describe("virtual time", () => {
  it("stands still until it is told to go on", async () => {
    const clock = createVirtualClock(1_000);
    let ran = 0;
    clock.schedule(10, () => ran++);
    clock.schedule(0, () => ran++);
    expect([clock.nowMs(), ran, clock.scheduled()]).toEqual([1_000, 0, 2]);
    await clock.advance(9);
    expect([clock.nowMs(), ran]).toEqual([1_009, 1]);
    await clock.advance(1);
    expect([clock.nowMs(), ran, clock.scheduled()]).toEqual([1_010, 2, 0]);
  });

  it("runs events by time, and at one time in the order of scheduling", async () => {
    const clock = createVirtualClock();
    const ran: string[] = [];
    for (const [delay, name] of [
      [20, "d"],
      [10, "a"],
      [10, "b"],
      [10.2, "c"],
      [30, "e"],
    ] as const)
      clock.schedule(delay, () => ran.push(name));
    await clock.advance(100);
    expect(ran).toEqual(["a", "b", "c", "d", "e"]);
  });

  it("orders any number of events rightly, cancelled ones left out", async () => {
    const clock = createVirtualClock();
    const random = createSeededRandom(3);
    const ran: number[] = [];
    const expected: number[] = [];
    for (let n = 0; n < 2_000; n++) {
      const delay = Math.floor(random.next() * 500);
      const cancel = clock.schedule(delay, () => ran.push(delay));
      if (random.next() < 0.3) cancel();
      else expected.push(delay);
    }
    expect(clock.scheduled()).toBe(expected.length);
    await clock.advance(500);
    expect(ran).toEqual(expected.sort((a, b) => a - b));
  });

  it("shows an event its own time, and runs what it schedules in turn", async () => {
    const clock = createVirtualClock(0);
    const seen: number[] = [];
    const again = () => {
      seen.push(clock.nowMs());
      if (seen.length < 5) clock.schedule(10, again);
    };
    clock.schedule(10, again);
    await clock.advance(35);
    expect(seen).toEqual([10, 20, 30]);
    await clock.runUntilIdle(1_000);
    expect([seen.length, clock.nowMs()]).toEqual([5, 50]);
  });

  it("lets all promises settle between two events", async () => {
    const clock = createVirtualClock();
    const ran: string[] = [];
    clock.schedule(1, () => {
      void (async () => {
        for (let n = 0; n < 20; n++) await Promise.resolve();
        ran.push("promises");
      })();
    });
    clock.schedule(1, () => ran.push("next event"));
    await clock.advance(1);
    expect(ran).toEqual(["promises", "next event"]);
  });

  it("stops where a condition holds, and says when it never does", async () => {
    const clock = createVirtualClock(0);
    let count = 0;
    const tick = () => {
      count++;
      clock.schedule(10, tick);
    };
    tick();
    expect(await clock.runUntil(() => count === 4, 1_000)).toBe(true);
    expect(clock.nowMs()).toBe(30);
    expect(await clock.runUntil(() => false, 100)).toBe(false);
    expect(clock.nowMs()).toBe(130);
    await expect(clock.runUntilIdle(1_000)).rejects.toThrow("1 events are still to come");
  });

  it("fails where an event fails", async () => {
    const clock = createVirtualClock();
    clock.schedule(1, () => {
      throw new Error("broken event");
    });
    await expect(clock.advance(10)).rejects.toThrow("broken event");
  });
});

describe("clocks over it", () => {
  it("may be wrong, and may step, without moving what is scheduled", async () => {
    const clock = createVirtualClock(1_000);
    let offset = -500;
    const skewed = createSkewedClock(clock, () => offset);
    let seen = 0;
    skewed.schedule(10, () => void (seen = skewed.nowMs()));
    offset = 7_000;
    await clock.advance(10);
    expect(seen).toBe(8_010);
  });

  it("die with their process", async () => {
    const clock = createVirtualClock();
    const own = createMortalClock(clock);
    let ran = 0;
    own.schedule(10, () => ran++);
    own.kill();
    own.schedule(10, () => ran++);
    await clock.advance(100);
    expect(ran).toBe(0);
  });
});

describe("seeded randomness", () => {
  it("repeats itself from the same seed, and differs from another", () => {
    const draw = (seed: number) => {
      const random = createSeededRandom(seed);
      return Array.from({ length: 100 }, () => random.next());
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    expect(draw(1).every((value) => value >= 0 && value < 1)).toBe(true);
  });

  it("is even enough to draw faults with", () => {
    const random = createSeededRandom(42);
    const tenths = new Array<number>(10).fill(0);
    for (let n = 0; n < 10_000; n++) {
      const tenth = Math.floor(random.next() * 10);
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    for (const count of tenths) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  });
});
