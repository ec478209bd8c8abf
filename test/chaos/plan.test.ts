/** What a seed draws: the same again, and of every kind something. */
import { describe, expect, it } from "vitest";
import { FAULT_KINDS } from "./faults/table.js";
import { INVALID } from "./faults/config.js";
import { drawPlan } from "./plan.js";

const kindsOf = (seed: number, lengthMs: number) => drawPlan(seed, lengthMs).episodes.map(({ faults }) => faults.map(({ kind }) => kind));

describe("the plan of a run", () => {
  it("is the same for the same seed, and another for another", () => {
    expect(drawPlan(5, 60_000)).toEqual(drawPlan(5, 60_000));
    expect(drawPlan(5, 60_000)).not.toEqual(drawPlan(6, 60_000));
  });

  it.each([10_000, 60_000, 300_000])("has every kind of fault in every episode of a run of %i ms", (lengthMs) => {
    const wanted = FAULT_KINDS.map(({ name }) => name).sort();
    for (const seed of [1, 2, 3]) {
      const [first = []] = kindsOf(seed, lengthMs);
      expect([...new Set(first)].sort()).toEqual(wanted);
    }
  });

  it("has as many faults as it is told", () => {
    const faults = drawPlan(1, 300_000, 1_000).episodes.flatMap((episode) => episode.faults);
    expect(faults.length / 300).toBeCloseTo(0.92, 1);
  });

  it("looks several times in a long run whether the sites become equal", () => {
    expect(drawPlan(1, 300_000).episodes).toHaveLength(4);
  });

  it("edits the YAML in an invalid way every third time", () => {
    const edits = kindsOf(1, 3_000_000).flat().filter((kind) => kind.startsWith("YAML edit") || kind === "reload asked for");
    const share = edits.filter((kind) => kind === INVALID).length / edits.length;
    expect(share).toBeGreaterThan(0.3);
    expect(share).toBeLessThan(0.37);
  });
});
