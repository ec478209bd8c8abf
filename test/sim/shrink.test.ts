/** A failing plan is made as small as it can be: what does not matter for the failure is left out. */
import { describe, expect, it } from "vitest";
import { drawPlan } from "./draw-plan.js";
import type { Plan } from "./plan.js";
import { shrink } from "./shrink.js";

const large = (): Plan => {
  for (let seed = 1; ; seed++) {
    const plan = drawPlan(seed);
    if (plan.mix.sites.length > 2 && plan.mix.buckets.length > 1 && plan.faults.length > 5 && plan.writes.length > 50) return plan;
  }
};

describe("shrinking", () => {
  it("leaves the one write and the one fault that make it fail", async () => {
    const plan = large();
    const [write, fault] = [plan.writes[20], plan.faults[3]];
    const fails = ({ writes, faults }: Plan) =>
      Promise.resolve(writes.some(({ op }) => op === write?.op) && faults.some((each) => each.atMs === fault?.atMs));
    const { plan: smallest } = await shrink(plan, fails);
    expect([smallest.writes, smallest.faults.map(({ atMs }) => atMs)]).toEqual([[write], [fault?.atMs]]);
    expect([smallest.mix.sites.length, smallest.mix.buckets.length]).toEqual([2, 1]);
    expect(smallest.mix).toMatchObject({ lostRequests: 0, lostAnswers: 0, reactions: 0, consumerLagMs: 0 });
  });

  it("keeps a setting without which it does not fail", async () => {
    const plan = { ...large() };
    const rough: Plan = { ...plan, mix: { ...plan.mix, lostAnswers: 0.3 } };
    const { plan: smallest } = await shrink(rough, ({ mix }) => Promise.resolve(mix.lostAnswers > 0));
    expect([smallest.mix.lostAnswers, smallest.writes, smallest.faults]).toEqual([0.3, [], []]);
  });

  it("gives up after a bounded number of tries", async () => {
    let tries = 0;
    const { plan } = await shrink(large(), () => Promise.resolve(++tries < 0));
    expect(tries).toBeLessThan(500);
    expect(plan.writes.length).toBeGreaterThan(50);
  });
});
