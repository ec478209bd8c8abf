/** A burst of work does not hold the event loop, keeps its order, and loses nothing. */
import { describe, expect, it } from "vitest";
import { SLICE_MS } from "../../src/core/limits.js";
import { createSlices } from "../../src/nats/slices.js";
import { createVirtualClock } from "../memory/virtual-clock.js";

/** Each piece of work takes a millisecond, and time does not go on otherwise. */
function rig(onWork: (item: number, stop: () => void) => void = () => undefined) {
  const clock = createVirtualClock();
  const done: number[] = [];
  let workedMs = 0;
  const slices = createSlices({ ...clock, elapsedMs: () => workedMs }, (item: number) => {
    workedMs++;
    done.push(item);
    onWork(item, slices.stop);
  });
  const burst = (count: number, from = 0) => {
    for (let n = 0; n < count; n++) slices.take(from + n);
  };
  return { clock, done, slices, burst };
}

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);

describe("work in slices", () => {
  it("is done at once while there is little of it, and leaves nothing behind", async () => {
    const { clock, done, burst } = rig();
    burst(3);
    expect(done).toEqual(upTo(3));
    await clock.advance(0);
    expect(clock.scheduled()).toBe(0);
  });

  it("is left over to the next turns after a slice each, in its order, with what comes meanwhile behind it", async () => {
    const { clock, done, burst } = rig();
    burst(25);
    expect(done).toEqual(upTo(SLICE_MS));
    burst(5, 25);
    expect(done).toHaveLength(SLICE_MS);
    // One event after the other: each is a turn.
    const perTurn: number[] = [];
    for (let before = done.length; clock.scheduled() > 0; before = done.length) {
      await clock.runUntil(() => done.length > before, 0);
      perTurn.push(done.length - before);
    }
    expect(done).toEqual(upTo(30));
    expect(Math.max(...perTurn)).toBe(SLICE_MS);
    expect(clock.scheduled()).toBe(0);
  });

  it("does not make others wait for a slice that is used up", () => {
    const [hot, quiet] = [rig(), rig()];
    hot.burst(1_000);
    quiet.burst(1);
    expect([hot.done.length, quiet.done.length]).toEqual([SLICE_MS, 1]);
  });

  it.each([2, SLICE_MS + 2])("is dropped once it is stopped, also from within the work (at %d)", async (at) => {
    const { clock, done, burst } = rig((item, stop) => {
      if (item === at) stop();
    });
    burst(at < SLICE_MS ? 3 : 25);
    await clock.advance(1_000);
    expect([done.at(-1), clock.scheduled()]).toEqual([at, 0]);
  });
});
