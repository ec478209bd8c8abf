/**
 * What `npm run scale -- --json FILE` has found, as pictures by number of sites:
 *
 *     node bench/scale-charts.mjs FILE docs/scale
 *
 * What is drawn is worked out first, without drawing. Both axes are logarithmic: what grows with the sites is a slope of one
 * there, what grows with their square a slope of two.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { View, parse } from "vega";
import { compile } from "vega-lite";

/** @import { Line, LineChart, ScaleFigures } from "./scale-charts.mjs" */

/** What is the same in every topology is drawn of one. */
const DRAWN_ONCE = "mesh";

/**
 * @param {readonly ScaleFigures[]} all
 * @returns {LineChart[]}
 */
export function scaleChartsOf(all) {
  const mesh = all.filter(({ topology }) => topology === DRAWN_ONCE);
  /** @type {(figures: readonly ScaleFigures[], label: string, of: (figures: ScaleFigures) => number) => Line} */
  const line = (figures, label, of) => ({ label, points: figures.map((each) => ({ sites: each.sites, value: of(each) })) });
  const perTopology = (/** @type {string} */ label, /** @type {(figures: ScaleFigures) => number} */ of) =>
    [...new Set(all.map(({ topology }) => topology))].map((topology) =>
      line(all.filter((each) => each.topology === topology), `${label}, ${topology}`, of),
    );
  return [
    {
      file: "messages.svg",
      title: "Messages by number of sites, all sites together, one bucket",
      unit: "messages",
      lines: [
        line(mesh, "appends per operation", ({ perOperation }) => perOperation.logged),
        line(mesh, "applies per operation", ({ perOperation }) => perOperation.applied),
        line(mesh, "heartbeats per second at rest", ({ idlePerSiteMinute, sites }) => (idlePerSiteMinute.heartbeats * sites) / 60),
        line(mesh, "consumers on logs", ({ consumers }) => consumers),
      ],
    },
    {
      file: "convergence.svg",
      title: "Virtual time until all sites are equal, links of 20 ms each way",
      unit: "ms",
      lines: [
        ...perTopology("after the last write", ({ convergeMs }) => convergeMs),
        ...perTopology("after a return", ({ backConvergeMs }) => backConvergeMs),
      ],
    },
  ];
}

/**
 * @param {LineChart} chart
 * @returns {Promise<string>} SVG
 */
export async function drawLines({ title, unit, lines }) {
  const labels = lines.map(({ label }) => label);
  const values = lines.flatMap(({ label, points }) => points.map((point) => ({ ...point, label })));
  const x = { field: "sites", type: "quantitative", scale: { type: "log" }, title: "sites", axis: { values: [...new Set(values.map(({ sites }) => sites))], grid: false } };
  const y = { field: "value", type: "quantitative", scale: { type: "log" }, title: unit, axis: { grid: true, tickCount: 6, domain: false } };
  const color = { field: "label", type: "nominal", sort: labels, title: null, legend: { labelLimit: 300, orient: "bottom", columns: 2 }, scale: { range: ["#0b7285", "#e8590c", "#5f3dc4", "#868e96"] } };
  const { spec } = compile(/** @type {any} */ ({
    title: { text: title, anchor: "start", fontSize: 13, offset: 12 },
    width: 460,
    height: 260,
    padding: 12,
    background: "white",
    data: { values },
    mark: { type: "line", point: true, strokeWidth: 2 },
    encoding: { x, y, color },
    config: { font: "system-ui, sans-serif", view: { stroke: null } },
  }));
  return new View(parse(spec), { renderer: "none" }).toSVG();
}

/** @param {readonly string[]} args */
async function main([file = "", folder = "docs/scale"]) {
  const { figures } = /** @type {{ figures: readonly ScaleFigures[] }} */ (JSON.parse(await readFile(file, "utf8")));
  await mkdir(folder, { recursive: true });
  for (const chart of scaleChartsOf(figures)) await writeFile(join(folder, chart.file), `${await drawLines(chart)}\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main(process.argv.slice(2));
