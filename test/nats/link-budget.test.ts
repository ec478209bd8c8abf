/** What one link's budget lets through, whose turn is next, and that everybody's comes. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LINK_GRANT_BYTES_MIN, LINK_GRANT_MS, LINK_LOOK_MS } from "../../src/core/limits.js";
import { type BudgetShare, type Grant, type LinkBudget, createLinkBudget } from "../../src/nats/link-budget.js";
import { createVirtualClock } from "../memory/virtual-clock.js";

const RATE = 6_250;
const MINUTE_MS = 60_000;

function rig(bytesPerSecond = RATE) {
  const clock = createVirtualClock();
  const limit = { bytesPerSecond };
  const budget = createLinkBudget(clock, () => limit.bytesPerSecond);
  const set = (next: number) => {
    limit.bytesPerSecond = next;
    budget.changed();
  };
  return { clock, budget, set };
}

/** A bucket that always has more to read, as fast as it may: each grant brings all of its bytes at once. */
function reader(budget: LinkBudget, priority: () => number) {
  const read = { bytes: 0, grants: 0 };
  const share = budget.join(priority);
  let turn: ((grant: Grant) => void) | null = (grant) => {
    grant.spend(grant.bytes);
    grant.giveBack();
    read.bytes += grant.bytes;
    read.grants++;
    ask();
  };
  const ask = () => void (turn !== null && share.isLimited() && share.ask(true, (grant) => turn?.(grant)));
  ask();
  return { read, stop: () => void (turn = null) };
}

const askOnce = (share: BudgetShare, isBehind = true): Grant[] => {
  const grants: Grant[] = [];
  share.ask(isBehind, (grant) => void grants.push(grant));
  return grants;
};

describe("a link's budget", () => {
  it("lets through what its limit says, however many ask, and two grants more at most", () => {
    const cases = fc.record({
      rate: fc.integer({ min: 100, max: 10_000_000 }),
      priorities: fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 1, maxLength: 6 }),
    });
    return fc.assert(
      fc.asyncProperty(cases, async ({ rate, priorities }) => {
        const { clock, budget } = rig(rate);
        const readers = priorities.map((priority) => reader(budget, () => priority));
        await clock.advance(MINUTE_MS);
        const bytes = readers.reduce((sum, { read }) => sum + read.bytes, 0);
        const grant = Math.max(LINK_GRANT_BYTES_MIN, (rate * LINK_GRANT_MS) / 1_000 + 1);
        expect(bytes).toBeLessThanOrEqual((rate * MINUTE_MS) / 1_000 + 2 * grant);
        expect(bytes).toBeGreaterThanOrEqual((rate * MINUTE_MS) / 1_000 - grant);
      }),
      { numRuns: 30 },
    );
  });

  it("saves up one grant at most while nobody asks", async () => {
    const { clock, budget } = rig();
    await clock.advance(60 * MINUTE_MS);
    const share = budget.join(() => 5);
    const granted = Array.from({ length: 5 }, () => askOnce(share).length);
    expect(granted).toEqual([1, 1, 0, 0, 0]);
  });

  it("gets back what a grant did not bring", () => {
    const { budget } = rig();
    const share = budget.join(() => 5);
    for (let n = 0; n < 100; n++) {
      const [grant] = askOnce(share);
      expect(grant).toBeDefined();
      grant?.giveBack();
      grant?.giveBack();
    }
  });

  it("is in debt for a message that is larger than a grant, and lets nobody through until that is paid", async () => {
    const { clock, budget } = rig();
    const [large] = askOnce(budget.join(() => 1));
    large?.spend(10 * RATE);
    large?.giveBack();
    const next = askOnce(budget.join(() => 10));
    await clock.advance(9_900);
    expect(next).toHaveLength(0);
    await clock.advance(200);
    expect(next).toHaveLength(1);
  });

  it("lets all listen that are not behind, and counts what comes then", async () => {
    const { clock, budget } = rig();
    const quiet = Array.from({ length: 100 }, () => askOnce(budget.join(() => 1), false));
    expect(quiet.map(({ length }) => length)).toEqual(Array<number>(100).fill(1));
    quiet[0]?.[0]?.spend(2 * RATE);
    const next = askOnce(budget.join(() => 10));
    await clock.advance(1_900);
    expect(next).toHaveLength(0);
    await clock.advance(200);
    expect(next).toHaveLength(1);
  });

  it("leaves no timer where nobody waits, and a short one however long the wait is", async () => {
    const { clock, budget } = rig(1);
    const share = budget.join(() => 5);
    askOnce(share)[0]?.spend(2 ** 40);
    const takeBack = share.ask(true, () => undefined);
    expect(clock.scheduled()).toBe(1);
    await clock.advance(LINK_LOOK_MS);
    expect(clock.scheduled()).toBe(1);
    takeBack();
    expect(clock.scheduled()).toBe(0);
  });
});

describe("those that wait for a link", () => {
  it("take turns by priority: each step has twice the share", async () => {
    const { clock, budget } = rig();
    const [high, middle, low] = [7, 6, 4].map((priority) => reader(budget, () => priority).read);
    await clock.advance(30 * MINUTE_MS);
    const shares = [high, middle, low].map((read) => (read?.grants ?? 0) / (low?.grants ?? 0));
    expect(shares[0]).toBeCloseTo(8, 0);
    expect(shares[1]).toBeCloseTo(4, 0);
  });

  it("come after the highest, whoever asked first", async () => {
    const { clock, budget } = rig();
    // Somebody has just had what there was.
    for (let n = 0; n < 2; n++) askOnce(budget.join(() => 5));
    const order: number[] = [];
    for (const priority of [1, 5, 10, 7]) budget.join(() => priority).ask(true, () => void order.push(priority));
    await clock.advance(MINUTE_MS);
    expect(order).toEqual([10, 7, 5, 1]);
  });

  it("get on, also the lowest beside many of the highest", async () => {
    const { clock, budget } = rig();
    for (let n = 0; n < 5; n++) reader(budget, () => 10);
    const low = reader(budget, () => 1).read;
    // One grant in 5 × 512 + 1.
    const grantMs = (LINK_GRANT_BYTES_MIN * 1_000) / RATE;
    await clock.advance(2 * (5 * 512 + 1) * grantMs);
    expect(low.grants).toBeGreaterThanOrEqual(1);
    await clock.advance(4 * (5 * 512 + 1) * grantMs);
    expect(low.grants).toBeGreaterThanOrEqual(4);
  });

  it("save nothing up while they do not ask", async () => {
    const { clock, budget } = rig();
    const busy = reader(budget, () => 5).read;
    await clock.advance(30 * MINUTE_MS);
    const before = busy.grants;
    const late = reader(budget, () => 5).read;
    await clock.advance(10 * MINUTE_MS);
    expect(Math.abs(late.grants - (busy.grants - before))).toBeLessThanOrEqual(2);
  });

  it("follow a priority that changes while they wait", async () => {
    const { clock, budget } = rig();
    for (let n = 0; n < 2; n++) askOnce(budget.join(() => 5));
    const priority = { first: 10 };
    const order: string[] = [];
    budget.join(() => priority.first).ask(true, () => void order.push("first"));
    budget.join(() => 5).ask(true, () => void order.push("second"));
    priority.first = 1;
    await clock.advance(MINUTE_MS);
    expect(order).toEqual(["second", "first"]);
  });
});

describe("a limit that changes", () => {
  it("counts at once, for those that wait, too", async () => {
    const { clock, budget, set } = rig(100);
    const one = reader(budget, () => 5).read;
    await clock.advance(MINUTE_MS);
    const slow = one.bytes;
    set(1_000_000);
    await clock.advance(MINUTE_MS);
    expect(one.bytes - slow).toBeGreaterThan(55_000_000);
    const fast = one.bytes;
    set(RATE);
    await clock.advance(MINUTE_MS);
    // What was granted under the limit before is not paid for in hours.
    expect(one.bytes - fast).toBeGreaterThan(50 * RATE);
    expect(one.bytes - fast).toBeLessThanOrEqual(60 * RATE + 2 * LINK_GRANT_BYTES_MIN);
  });

  it("to none lets everybody through that waits, and leaves no timer", () => {
    const { clock, budget, set } = rig();
    const waiting = Array.from({ length: 10 }, () => askOnce(budget.join(() => 5)));
    expect(waiting.filter(({ length }) => length === 1)).toHaveLength(1);
    set(0);
    expect(waiting.map(({ length }) => length)).toEqual(Array<number>(10).fill(1));
    expect(clock.scheduled()).toBe(0);
  });
});
