/**
 * The summaries as pictures: bars of the medians with lines from the least to the most, and the goals of the product, one
 * file per workload and size. What is drawn is worked out first, without drawing.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { View, parse } from "vega";
import { compile } from "vega-lite";
import { PRODUCT } from "./plan.mjs";

/** @import { Chart, Section } from "./charts.mjs" */
/** @import { Judged } from "./goals.mjs" */

/** Which figures of a workload are drawn: subjects side by side, or figures of the product. */
/** @type {Readonly<Record<string, readonly { unit: string, ids: readonly string[] }[]>>} */
const DRAWN = {
  W1: [{ unit: "keys per second", ids: ["operationsPerSecond"] }],
  W2: [{ unit: "writes per second", ids: ["operationsPerSecond"] }],
  W3: [{ unit: "ms from the call of put until visible", ids: ["fromCall.p50", "fromCall.p99"] }],
  W4: [{ unit: "ms", ids: ["equalMs", "repairedMs"] }, { unit: "bytes", ids: ["equalBytes", "repairedBytes"] }],
  W5: [{ unit: "ms until live", ids: ["originStartMs", "copyStartMs"] }, { unit: "bytes of memory a key", ids: ["originBytesPerKey", "copyBytesPerKey"] }],
  W6: [{ unit: "ms", ids: ["addedMs", "changedMs"] }],
  W7: [{ unit: "ms from the call of put until visible", ids: ["aloneP50", "besideP50", "aloneP99", "besideP99"] }],
};

/**
 * @param {readonly Section[]} sections
 * @param {readonly Judged[]} goals
 * @returns {Chart[]}
 */
export function chartsOf(sections, goals) {
  return sections.flatMap(({ summary, title }) => {
    const { workload, valueBytes, size, subjects, rows } = summary;
    const name = [workload.toLowerCase(), size === 0 ? `${valueBytes}b` : `${size}`].join("-");
    return (DRAWN[workload] ?? []).map(({ unit, ids }, index) => {
      const bars = rows.filter(({ id }) => ids.includes(id)).flatMap(({ id, label, bySubject }) =>
        subjects.flatMap((subject) => {
          const spread = bySubject[subject];
          if (spread === undefined) return [];
          const what = subjects.length === 1 ? label : ids.length === 1 ? subject : `${subject}, ${id.split(".").at(-1)}`;
          const isProduct = subject === PRODUCT;
          const goal = isProduct ? hardest(goals, { workload, valueBytes, size, id }) : null;
          return [{ label: what, ...spread, isProduct, ...(goal !== null && { goal }) }];
        }),
      );
      return { file: `${name}${index === 0 ? "" : `-${index + 1}`}.svg`, title, unit, bars };
    });
  });
}

/**
 * Of the goals of one figure the one that is met last.
 * @param {readonly Judged[]} goals
 * @param {Judged["at"]} figure
 */
function hardest(goals, figure) {
  const those = goals.filter(({ at }) => Object.entries(figure).every(([name, value]) => at[/** @type {keyof Judged["at"]} */ (name)] === value));
  const thresholds = those.flatMap(({ threshold }) => threshold ?? []);
  if (thresholds.length === 0) return null;
  return those.some(({ atLeast }) => atLeast) ? Math.max(...thresholds) : Math.min(...thresholds);
}

/**
 * @param {Chart} chart
 * @returns {Promise<string>} SVG
 */
export async function draw({ title, unit, bars }) {
  const labels = bars.map(({ label }) => label);
  const y = { field: "label", type: "nominal", sort: labels, title: null, axis: { labelLimit: 320, ticks: false, domain: false } };
  const scale = { field: "median", type: "quantitative", title: unit, axis: { grid: true, tickCount: 6, domain: false } };
  const figure = { field: "median", type: "quantitative", format: ",.4~r" };
  const goals = bars.filter(({ goal }) => goal !== undefined).map(({ label, goal }) => ({ label, goal }));
  const { spec } = compile(/** @type {any} */ ({
    title: { text: title, anchor: "start", fontSize: 13, offset: 12 },
    width: 520,
    height: { step: 30 },
    padding: 12,
    background: "white",
    data: { values: bars },
    encoding: { y },
    layer: [
      {
        mark: { type: "bar", height: 16, cornerRadiusEnd: 2 },
        encoding: { x: scale, color: { condition: { test: "datum.isProduct", value: "#0b7285" }, value: "#adb5bd" } },
      },
      { mark: { type: "rule", strokeWidth: 2, color: "#343a40" }, encoding: { x: { field: "min", type: "quantitative" }, x2: { field: "max" } } },
      { mark: { type: "text", align: "left", dx: 6, fontSize: 10, color: "#343a40" }, encoding: { x: { field: "max", type: "quantitative" }, text: figure } },
      ...(goals.length === 0 ? [] : goalLayers(goals)),
    ],
    config: { font: "system-ui, sans-serif", view: { stroke: null } },
  }));
  return new View(parse(spec), { renderer: "none" }).toSVG();
}

/** @param {readonly object[]} goals */
function goalLayers(goals) {
  const x = { field: "goal", type: "quantitative" };
  const colour = "#e8590c";
  return [
    { data: { values: goals }, mark: { type: "tick", thickness: 3, size: 26, opacity: 1, color: colour }, encoding: { x } },
    { data: { values: goals }, mark: { type: "text", text: "goal", align: "left", dx: 4, dy: -11, fontSize: 10, color: colour }, encoding: { x } },
  ];
}

/**
 * @param {string} folder
 * @param {readonly Section[]} sections
 * @param {readonly Judged[]} goals
 * @returns {Promise<readonly string[]>} the files
 */
export async function writeCharts(folder, sections, goals) {
  await mkdir(folder, { recursive: true });
  const charts = chartsOf(sections, goals).filter(({ bars }) => bars.length > 0);
  for (const chart of charts) await writeFile(join(folder, chart.file), `${await draw(chart)}\n`);
  return charts.map(({ file }) => join(folder, file));
}
