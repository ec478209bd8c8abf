/**
 * The pure parts of the bench: what it says about values, what it writes, and in which order it measures. How fast
 * anything is, is no matter for a test.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type DrawnSummary, chartsOf, draw } from "../../bench/charts.mjs";
import { latencies, percentile, ratio, spread } from "../../bench/figures.mjs";
import { judge } from "../../bench/goals.mjs";
import { PRODUCT, contentsAfter, keyOf, keysOfWrites, measurements } from "../../bench/plan.mjs";
import { numberOfValue, SCALES, valuesOfWrites } from "../../bench/plan.mjs";

const someValues = fc.array(fc.integer({ min: -1_000, max: 1_000 }), { minLength: 1, maxLength: 60 });
const ascending = (values: readonly number[]): number[] => [...values].sort((one, other) => one - other);

describe("figures", () => {
  it("take a percentile from the values that were measured", () => {
    const hundred = Array.from({ length: 100 }, (_, n) => n + 1);
    expect([0, 0.5, 0.99, 1].map((share) => percentile(hundred, share))).toEqual([1, 50, 99, 100]);
    expect(percentile([7], 0.99)).toBe(7);
  });

  it("have a percentile that at least its share of the values does not exceed", () => {
    fc.assert(
      fc.property(someValues, fc.integer({ min: 0, max: 100 }), (values, percent) => {
        const found = percentile(ascending(values), percent / 100);
        expect(values).toContain(found);
        expect(values.filter((value) => value <= found).length * 100).toBeGreaterThanOrEqual(values.length * percent);
      }),
    );
  });

  it("refuse a percentile of nothing", () => {
    expect(() => percentile([], 0.5)).toThrow("percentile of nothing");
  });

  it("give the middle value as the median, or the mean of the two in the middle", () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
    expect(spread([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 });
    expect(spread([10, 9])).toEqual({ median: 9.5, min: 9, max: 10 });
    expect(spread([5])).toEqual({ median: 5, min: 5, max: 5 });
  });

  it("sort by size and do not change what they were given", () => {
    const values = [100, 20, 3];
    expect(spread(values)).toEqual({ median: 20, min: 3, max: 100 });
    expect(values).toEqual([100, 20, 3]);
  });

  it("have as many values above the median as below it", () => {
    fc.assert(
      fc.property(someValues, (values) => {
        const { median, min, max } = spread(values);
        expect(values.filter((value) => value < median).length).toBeLessThanOrEqual(values.length / 2);
        expect(values.filter((value) => value > median).length).toBeLessThanOrEqual(values.length / 2);
        expect([min, max]).toEqual([Math.min(...values), Math.max(...values)]);
      }),
    );
  });

  it("say latencies in the order in which they grow", () => {
    const milliseconds = Array.from({ length: 1_000 }, (_, n) => (1_000 - n) / 10);
    expect(latencies(milliseconds)).toEqual({ p50: 50, p90: 90, p99: 99, max: 100 });
  });

  it("compare medians, and show how far the pairs lie apart", () => {
    expect(ratio([10, 30, 20], [10, 10, 40])).toEqual({ median: 2, min: 0.5, max: 3 });
    expect(ratio([1], [3])).toEqual({ median: 0.333, min: 0.333, max: 0.333 });
  });

  it("compare nothing with nothing, and nothing with zero", () => {
    expect(ratio([], [1])).toBeNull();
    expect(ratio([1], [])).toBeNull();
    expect(ratio([1, 2], [1, 0])).toBeNull();
  });
});

describe("the load", () => {
  const load = { writes: 5_000, keys: 1_000, valueBytes: 128 };

  it("is the same every time, so that writer and checker agree without a word", () => {
    expect(keysOfWrites(load)).toEqual(keysOfWrites(load));
    const [one, other] = [valuesOfWrites(load), valuesOfWrites(load)];
    for (let write = 0; write < load.writes; write += 97) expect(one(write).equals(other(write))).toBe(true);
  });

  it("writes every key equally often, and not in order", () => {
    const keys = [...keysOfWrites(load)];
    const counts = new Map<number, number>();
    for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
    expect(counts.size).toBe(load.keys);
    expect(new Set(counts.values())).toEqual(new Set([5]));
    expect(keys).not.toEqual(ascending(keys));
    expect(keys.slice(0, load.keys)).not.toEqual(Array.from({ length: load.keys }, (_, n) => n));
  });

  it("has values of the asked size, each of which says which write it is", () => {
    const valueOf = valuesOfWrites({ writes: 300, keys: 1, valueBytes: 1_024 });
    for (const write of [0, 1, 255, 256, 299]) {
      expect(valueOf(write).length).toBe(1_024);
      expect(numberOfValue(valueOf(write))).toBe(write);
    }
    expect(new Set(Array.from({ length: 300 }, (_, n) => valueOf(n).subarray(4).toString("hex"))).size).toBe(300);
  });

  it("leaves behind the last value of every key", () => {
    const contents = contentsAfter(load);
    expect(contents.size).toBe(load.keys);
    const keys = keysOfWrites(load);
    for (const key of [0, 1, 500, 999]) {
      expect(numberOfValue(contents.get(keyOf(key)) ?? Buffer.alloc(4))).toBe(keys.lastIndexOf(key));
    }
  });

  it("names keys so that they sort as their numbers", () => {
    expect([keyOf(7), keyOf(49_999)]).toEqual(["key-000007", "key-049999"]);
  });
});

describe("a chart", () => {
  const spread = (median: number) => ({ median, min: median - 1, max: median + 1 });
  const summary = (workload: string, subjects: readonly string[], rows: Readonly<Record<string, readonly number[]>>): DrawnSummary => ({
    ...{ workload, valueBytes: 128, size: 0, subjects },
    rows: Object.entries(rows).map(([id, values]) => ({
      ...{ id, label: `the ${id}` },
      bySubject: Object.fromEntries(values.map((value, at) => [subjects[at] ?? "", spread(value)])),
    })),
  });

  it("has a bar for each subject, or for each figure where there is one subject", () => {
    const charts = chartsOf([
      { title: "one", summary: summary("W2", [PRODUCT, "mirror"], { operationsPerSecond: [10, 20], other: [1, 2] }) },
      { title: "two", summary: summary("W7", [PRODUCT], { aloneP99: [3], besideP99: [4] }) },
    ], []);
    expect(charts.map(({ file, bars }) => [file, bars.map(({ label, median, isProduct }) => [label, median, isProduct])])).toEqual([
      ["w2-128b.svg", [[PRODUCT, 10, true], ["mirror", 20, false]]],
      ["w7-128b.svg", [["the aloneP99", 3, true], ["the besideP99", 4, true]]],
    ]);
  });

  it("shows at the product's bar what it is to reach: the harder of two goals", async () => {
    const of = summary("W2", [PRODUCT, "copy-loop", "pouchdb"], { operationsPerSecond: [10, 20, 5] });
    const [chart] = chartsOf([{ title: "one", summary: of }], judge([of]));
    expect(chart?.bars.map(({ label, goal }) => [label, goal])).toEqual([[PRODUCT, 15], ["copy-loop", undefined], ["pouchdb", undefined]]);
    expect(chart === undefined ? "" : await draw(chart)).toContain(">goal<");
  });

  it("is drawn with its title, its unit and its labels", async () => {
    const [chart] = chartsOf([{ title: "a title", summary: summary("W2", [PRODUCT, "mirror"], { operationsPerSecond: [10, 20] }) }], []);
    const svg = chart === undefined ? "" : await draw(chart);
    for (const text of ["<svg", "a title", "writes per second", "mirror"]) expect(svg).toContain(text);
  });
});

describe("the order of measurements", () => {
  const choice = { workloads: ["W1", "W3"], subjects: ["a", "b", "c"], repetitions: 3, scale: SCALES.full };

  it("holds every subject of every workload and size once in each repetition", () => {
    const all = measurements(choice);
    expect(new Set(all.map((each) => Object.values(each).join())).size).toBe(all.length);
    // W1 is measured with two sizes.
    expect(all.length).toBe((2 + 1) * 3 * 3);
  });

  it("lets subjects take turns, and each repetition begin with another one", () => {
    const order = measurements(choice).filter(({ workload }) => workload === "W3").map(({ subject }) => subject);
    expect(order.join("")).toBe("abcbcacab");
  });

  it("finishes one repetition before the next", () => {
    const repetitions = measurements(choice).map(({ repetition }) => repetition);
    expect(repetitions).toEqual(ascending(repetitions));
  });

  it("measures the product alone where nothing else does the work, in each size", () => {
    const all = measurements({ ...choice, workloads: ["W4", "W7"], subjects: ["a", PRODUCT], repetitions: 1 });
    expect(all.map(({ workload, size, subject }) => [workload, size, subject])).toEqual([
      ["W4", 100_000, PRODUCT],
      ["W4", 1_000_000, PRODUCT],
      ["W7", 0, PRODUCT],
    ]);
  });

  it("is shorter and smaller when quick", () => {
    const largest = (value: number | readonly number[]) => Math.max(...[value].flat());
    const { full, quick } = SCALES;
    const sizes = Object.entries(quick) as [keyof typeof full, number | readonly number[]][];
    for (const [name, value] of sizes) expect(largest(value)).toBeLessThan(largest(full[name]));
  });
});
