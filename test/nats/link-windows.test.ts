/** How much of its window a bucket uses while others are behind over the same link. */
import { describe, expect, it } from "vitest";
import { LINK_FIRST_WINDOW, LINK_RESTS_MS } from "../../src/core/limits.js";
import { createLinkWindows } from "../../src/nats/link-windows.js";
import { createVirtualClock } from "../memory/virtual-clock.js";

const FULL = 1_024;
const MANY = 100_000;

function rig() {
  const clock = createVirtualClock();
  const windows = createLinkWindows(clock);
  const join = (priority: number) => windows.join(() => priority);
  return { clock, windows, join };
}

describe("the windows of buckets that share a link", () => {
  it("are whole while nobody is behind, and with live traffic of any priority", () => {
    const { join } = rig();
    const [high, low] = [join(10), join(1)];
    high.asked(FULL, FULL - 1);
    low.asked(FULL, 0);
    expect([high.of(FULL, 5), low.of(FULL, 5)]).toEqual([FULL, FULL]);
  });

  it("are halved for each step below the highest that is behind, and whole again when it has caught up", () => {
    const { join } = rig();
    const all = [10, 9, 5, 1].map(join);
    for (const each of all) each.asked(FULL, MANY);
    const now = () => all.map((each) => each.of(FULL, MANY));
    expect(now()).toEqual([1_024, 512, 32, 2]);
    all[0]?.asked(FULL, 10);
    expect(now()).toEqual([1_024, 1_024, 64, 4]);
    for (const each of all) each.leave();
    expect(all.map((each) => each.of(FULL, 0))).toEqual([FULL, FULL, FULL, FULL]);
  });

  it("are never nothing", () => {
    const { join } = rig();
    join(10).asked(8, MANY);
    expect(join(1).of(8, 0)).toBe(1);
  });

  it("are small for the first request of one that begins behind, until all are known that begin with it", () => {
    const { join } = rig();
    const low = join(1);
    expect(low.of(FULL, MANY)).toBe(LINK_FIRST_WINDOW);
    low.asked(FULL, MANY);
    expect(low.of(FULL, MANY)).toBe(FULL);
    low.leave();
    expect([low.of(FULL, MANY), low.of(4, MANY), low.of(FULL, 0)]).toEqual([LINK_FIRST_WINDOW, 4, FULL]);
  });

  it("do not wait for a bucket that does not get on", async () => {
    const { clock, join } = rig();
    const [stuck, low] = [join(10), join(5)];
    stuck.asked(FULL, MANY);
    low.asked(FULL, MANY);
    stuck.rests();
    stuck.rests();
    await clock.advance(LINK_RESTS_MS - 1);
    expect(low.of(FULL, MANY)).toBe(32);
    await clock.advance(1);
    expect(low.of(FULL, MANY)).toBe(FULL);
    stuck.asked(FULL, MANY);
    stuck.rests();
    stuck.asked(FULL, MANY);
    await clock.advance(10 * LINK_RESTS_MS);
    expect(low.of(FULL, MANY)).toBe(32);
    expect(clock.scheduled()).toBe(0);
  });

  it("follow a priority that changes while a bucket is behind", () => {
    const { windows, join } = rig();
    const changing = { priority: 10 };
    const [first, second] = [windows.join(() => changing.priority), join(5)];
    first.asked(FULL, MANY);
    expect(second.of(FULL, MANY)).toBe(LINK_FIRST_WINDOW);
    second.asked(FULL, MANY);
    expect(second.of(FULL, MANY)).toBe(32);
    changing.priority = 1;
    first.asked(FULL, MANY);
    expect([first.of(FULL, MANY), second.of(FULL, MANY)]).toEqual([64, FULL]);
  });
});
