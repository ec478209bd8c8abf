/** The pictures of docs/scale.md: what of the figures stands in them, and that they can be drawn. */
import { describe, expect, it } from "vitest";
import { type ScaleFigures, drawLines, scaleChartsOf } from "../../bench/scale-charts.mjs";

const figuresOf = (topology: string, sites: number): ScaleFigures => ({
  ...{ topology, sites, consumers: sites * (sites - 1), perOperation: { logged: 1, applied: sites - 1 } },
  ...{ idlePerSiteMinute: { heartbeats: 12 * (sites - 1) }, convergeMs: topology === "hub" ? 50 : 25, backConvergeMs: 2_000 },
});
const all = ["mesh", "hub"].flatMap((topology) => [2, 10].map((sites) => figuresOf(topology, sites)));

describe("the pictures of scale", () => {
  const charts = scaleChartsOf(all);

  it("have a line for each figure, and for each topology where it matters", () => {
    const [messages, convergence] = charts;
    expect(messages?.lines.map(({ points }) => points.map(({ value }) => value))).toEqual([
      [1, 1],
      [1, 9],
      [0.4, 18],
      [2, 90],
    ]);
    expect(convergence?.lines.map(({ label, points }) => [label, points[1]?.value])).toEqual([
      ["after the last write, mesh", 25],
      ["after the last write, hub", 50],
      ["after a return, mesh", 2_000],
      ["after a return, hub", 2_000],
    ]);
  });

  it.each(charts)("can be drawn: $file", async (chart) => {
    const svg = await drawLines(chart);
    for (const text of [chart.title, chart.unit, ...chart.lines.map(({ label }) => label)]) expect(svg).toContain(`>${text}</text>`);
  });
});
