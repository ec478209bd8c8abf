/** A small swarm, as `npm run simulate` runs a large one: nothing is violated, everything happens, and a seed repeats. */
import { beforeAll, describe, expect, it } from "vitest";
import { type Simulator, compileSimulator } from "./compiled.js";
import { drawPlan } from "./draw-plan.js";
import { FAULT_KINDS } from "./faults/table.js";
import { isBuilt } from "./not-yet.js";
import type { Summary } from "./totals.js";

const SEEDS = 60;
const seeds = Array.from({ length: 400 }, (_, index) => index + 1);

interface Found extends Summary {
  readonly failures: readonly { readonly seed: number; readonly replay: string; readonly story: readonly string[] }[];
}

describe("the plans", () => {
  const plans = seeds.map(drawPlan);

  it("are the same for the same seed, and others for others", () => {
    expect(drawPlan(7)).toEqual(plans[6]);
    expect(new Set(plans.map((plan) => JSON.stringify(plan.mix))).size).toBeGreaterThan(390);
  });

  it("have every kind of fault that the product can survive, and none of the others", () => {
    const drawn = new Set(plans.flatMap(({ faults }) => faults.map(({ kind }) => kind)));
    const drawable = FAULT_KINDS.filter(({ needs }) => isBuilt(needs)).map(({ name }) => name);
    expect([...drawn].sort()).toEqual(drawable.sort());
  });

  it("are quiet in a quarter of the seeds, more or less", () => {
    const quiet = plans.filter(({ faults }) => faults.length === 0).length;
    expect(quiet / plans.length).toBeGreaterThan(0.15);
    expect(quiet / plans.length).toBeLessThan(0.4);
  });
});

describe("the swarm", () => {
  let simulator: Simulator;
  beforeAll(() => void (simulator = compileSimulator("swarm-test")));

  it("finds no violation, and everything that matters happened", async () => {
    const { code, printed, json } = await simulator.run("simulate", "--seeds", String(SEEDS));
    const found = json as Found;
    expect([code, found.failures], printed).toEqual([0, []]);
    expect(found.seeds).toBe(SEEDS);
    for (const what of ["client deletes", "conflicts", "operations applied", "apply races", "expiries", "requests lost", "answers lost"]) {
      expect([what, found.counts[what] ?? 0], printed).not.toEqual([what, 0]);
    }
  });

  it("does the same again for the same seed", async () => {
    const { code, printed } = await simulator.run("simulate", "--from", "900", "--seeds", "12", "--twice", "--workers", "1");
    expect(code, printed).toBe(0);
  });

  it("says how to see a failure again, and tells a short story of it", async () => {
    const { code, printed, json } = await simulator.run("simulate", "--seeds", "50", "--mutant", "last-arrival-wins", "--failures", "1");
    const [failure] = (json as Found).failures;
    expect(code).toBe(1);
    expect(failure?.replay).toBe(`npm run simulate -- --seed ${failure?.seed} --mutant last-arrival-wins`);
    expect(printed).toContain(failure?.replay);
    const again = await simulator.run("simulate", "--seed", String(failure?.seed), "--mutant", "last-arrival-wins");
    expect((again.json as Found).failures[0]?.story).toEqual(failure?.story);
  });
});
