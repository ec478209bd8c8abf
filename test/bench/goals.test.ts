/** What the bench says of the product's goals, from figures that are given here. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { type Goal, GOALS, type JudgedSummary, judge } from "../../bench/goals.mjs";
import { PEERS, PRODUCT, WORKLOADS } from "../../bench/plan.mjs";
import { formatGoals } from "../../bench/table.mjs";

type Medians = Readonly<Record<string, number>>;

function summary(workload: string, id: string, medians: Medians, { size = 0, valueBytes = 128 } = {}): JudgedSummary {
  const bySubject = Object.fromEntries(Object.entries(medians).map(([subject, median]) => [subject, { median, min: median - 1, max: median + 1 }]));
  return { ...{ workload, valueBytes, size, subjects: Object.keys(medians) }, rows: [{ id, label: id, bySubject }] };
}

const times: Goal = { text: "a rate", workload: "W2", id: "rate", atLeast: 3, timesOf: ["one", "other"] };
const most: Goal = { text: "a time", workload: "W4", id: "ms", atMost: 50, unit: "ms" };

describe("a goal", () => {
  it("compares with the best of the others, and says what that asks for", () => {
    expect(judge([summary("W2", "rate", { [PRODUCT]: 30, one: 10, other: 5 })], [times])).toMatchObject([{ figure: 3, met: true, missedByPercent: 0, threshold: 30 }]);
    expect(judge([summary("W2", "rate", { [PRODUCT]: 24, one: 5, other: 10 })], [times])).toMatchObject([{ figure: 2.4, met: false, missedByPercent: 20, threshold: 30 }]);
  });

  it("takes of costs the lowest of the others", () => {
    const cost: Goal = { text: "a cost", workload: "W2", id: "rate", atMost: 2, timesOf: ["one", "other"] };
    expect(judge([summary("W2", "rate", { [PRODUCT]: 30, one: 10, other: 20 })], [cost])).toMatchObject([{ figure: 3, met: false, missedByPercent: 50 }]);
  });

  it("is neither met nor missed where what it is compared with was not measured", () => {
    const [judged] = judge([summary("W2", "rate", { [PRODUCT]: 30 })], [times]);
    expect(judged).toMatchObject({ figure: null, met: false, missedByPercent: 0, threshold: null });
    expect(judged && formatGoals([judged], { quick: false, colour: false })).toContain("not measured");
  });

  it("is left out where the product was not measured", () => {
    expect(judge([summary("W1", "rate", { [PRODUCT]: 30 })], [times])).toEqual([]);
    expect(judge([summary("W2", "rate", { one: 30 })], [times])).toEqual([]);
  });

  it("with a number is met by that number, and missed by what is above it", () => {
    expect(judge([summary("W4", "ms", { [PRODUCT]: 50 })], [most])).toMatchObject([{ figure: 50, met: true }]);
    expect(judge([summary("W4", "ms", { [PRODUCT]: 62 })], [most])).toMatchObject([{ figure: 62, met: false, missedByPercent: 24 }]);
    expect(judge([summary("W4", "ms", { [PRODUCT]: 50.01 })], [most]), "never missed by nothing").toMatchObject([{ met: false, missedByPercent: 1 }]);
  });

  it("speaks of the largest size, and of the values of one length where it names it", () => {
    const sizes = [100_000, 1_000_000, 10_000].map((size) => summary("W4", "ms", { [PRODUCT]: size / 10_000 }, { size }));
    expect(judge(sizes, [most])).toMatchObject([{ figure: 100, at: { size: 1_000_000 } }]);
    const lengths = [128, 1_024].map((valueBytes) => summary("W4", "ms", { [PRODUCT]: valueBytes }, { valueBytes }));
    expect(judge(lengths, [{ ...most, valueBytes: 1_024 }])).toMatchObject([{ figure: 1_024 }]);
  });

  it("of all workloads speaks of the worst that was seen in any of them", () => {
    const anywhere: Goal = { text: "a time", id: "ms", atMost: 50, unit: "ms", machineId: "idle" };
    const idle = summary("W5", "idle", { [PRODUCT]: 60 }).rows;
    const worst = summary("W5", "ms", { [PRODUCT]: 70 });
    const found = judge([summary("W1", "ms", { [PRODUCT]: 10 }), { ...worst, rows: [...worst.rows, ...idle] }, summary("W2", "ms", { [PRODUCT]: 20 })], [anywhere]);
    expect(found).toMatchObject([{ figure: 71, at: { workload: "W5" }, met: false, machine: 61 }]);
    expect(formatGoals(found, { quick: false, colour: false })).toMatch(/a time \(W5\)\s+≤ 50 ms\s+71 ms\s+missed by 42 %; an idle process meanwhile 61 ms/);
  });

  it("stands in the table with its limit, its figure and the verdict", () => {
    const text = formatGoals(judge([summary("W2", "rate", { [PRODUCT]: 30, one: 10 })], [times]), { quick: true, colour: false });
    expect(text).toMatch(/^Goals, .*--quick\n/);
    expect(text).toMatch(/a rate \(W2\)\s+≥ 3 ×\s+3 ×\s+met/);
  });
});

describe("the peers", () => {
  const read = (file: string) => readFileSync(fileURLToPath(new URL(`../../bench/peers/${file}`, import.meta.url)), "utf8");

  it("are installed on their own, in the version that is named, from wherever packages come", () => {
    const { private: isPrivate, dependencies } = JSON.parse(read("package.json")) as { private: boolean; dependencies: Record<string, string> };
    expect(isPrivate).toBe(true);
    expect(Object.keys(dependencies)).toEqual(expect.arrayContaining([...PEERS]));
    const { packages } = JSON.parse(read("package-lock.json")) as { packages: Record<string, { version?: string; resolved?: string }> };
    for (const [name, version] of Object.entries(dependencies)) expect(packages[`node_modules/${name}`]?.version).toBe(version);
    expect(Object.values(packages).filter(({ resolved }) => resolved !== undefined)).toEqual([]);
  });
});

describe("the goals", () => {
  it("each have one limit, of a workload that there is, and name it first", () => {
    expect(GOALS.length).toBeGreaterThan(20);
    for (const { text, workload, atLeast, atMost } of GOALS) {
      expect([atLeast, atMost].filter((limit) => limit !== undefined), text).toHaveLength(1);
      if (workload === undefined) continue;
      expect(WORKLOADS, text).toContain(workload);
      expect(text.startsWith(workload), text).toBe(true);
    }
  });

  it("ask in W1 and W2 for a multiple of what merges both ways too", () => {
    const asked = GOALS.filter(({ timesOf }) => timesOf === PEERS).map(({ workload, valueBytes, atLeast }) => [workload, valueBytes, atLeast]);
    expect(asked).toEqual([["W1", 128, 3], ["W1", 1_024, 3], ["W2", undefined, 3]]);
  });
});
