/**
 * The picture of a run: which fault lay on what when, how far each site was behind each other, how much memory each
 * gateway had. One HTML file without anything from outside, for light and dark screens and for paper.
 */
import { SITES } from "./config-text.js";
import { FAULT_KINDS } from "./faults/table.js";
import { CONFIG, gatewayOf, linkOf, serverOf } from "./faults/fault.js";
import type { StatusSample } from "./gateways.js";
import type { Report } from "./report.js";
import { COLORS, STYLE } from "./timeline-style.js";

/** Everything is drawn in these units; the browser scales it to the window. */
const WIDTH = 1_200;
const LABELS = 190;
const RIGHT = 70;
const BAND_ROW = 20;
const GRAPH_ROW = 38;

const ROWS: readonly string[] = [
  ...SITES.map(gatewayOf),
  ...SITES.map(serverOf),
  ...SITES.flatMap((from) => SITES.map((to) => linkOf({ from, to }))),
  CONFIG,
];

interface Scale {
  readonly endMs: number;
  x(ms: number): string;
}

export function renderTimeline(report: Report, samples: readonly StatusSample[]): string {
  const endMs = Math.max(1_000, ...report.events.map(({ toMs }) => toMs), ...report.marks.map(({ ms }) => ms), ...samples.map(({ ms }) => ms));
  const x = (ms: number) => (LABELS + (ms / endMs) * (WIDTH - LABELS - RIGHT)).toFixed(1);
  const { body, height } = drawAll(report, samples, { endMs, x });
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Chaos, seed ${report.seed}</title>
<style>${STYLE}</style>
<h1>Chaos, seed ${report.seed}</h1>
<p class="${report.violations === 0 ? "good" : "bad"}">${report.violations === 0 ? "No violation" : `${report.violations} violations`}
 in ${Math.round(report.seconds)} s: ${report.lost} lost, ${report.resurrected} resurrected, ${report.diverged} diverged.</p>
<p class="legend">${legend()}</p>
<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Faults, lag and memory over time">
${body}
</svg>
${violations(report)}
<div class="tables">${counts(report)}${lives(report)}</div>
<details><summary>All ${report.events.length} faults</summary>${events(report)}</details>
</html>
`;
}

/** Which colour a kind has: by what it concerns, killed ones stronger than others. */
function colorOf(concerned: string): keyof typeof COLORS {
  const [what = ""] = concerned.split(" ");
  return what in COLORS ? (what as keyof typeof COLORS) : "config";
}

const legend = () =>
  Object.keys(COLORS).map((name) => `<span><i class="${name}"></i>${name === "config" ? "YAML" : name}</span>`).join(" ");

function drawAll(report: Report, samples: readonly StatusSample[], scale: Scale): { readonly body: string; readonly height: number } {
  let top = 18;
  const parts: string[] = [];
  const section = (title: string, rows: readonly string[], rowHeight: number, draw: (row: string, y: number) => string) => {
    parts.push(`<text class="title" x="0" y="${top}">${escape(title)}</text>`);
    top += 8;
    for (const row of rows) {
      parts.push(`<g><text class="label" x="${LABELS - 8}" y="${top + rowHeight / 2 + 4}">${escape(row)}</text>`);
      parts.push(`<line class="grid" x1="${LABELS}" x2="${WIDTH - RIGHT}" y1="${top + rowHeight}" y2="${top + rowHeight}"/>${draw(row, top)}</g>`);
      top += rowHeight;
    }
    top += 26;
  };
  section("Faults", ROWS, BAND_ROW, (row, y) => bandsOf(report, row, y, scale));
  const lag = lagByPair(samples);
  const highestLag = Math.max(1, ...[...lag.values()].flatMap((points) => points.map(([, value]) => value)));
  section(`Lag in seconds, as the second site says (up to ${highestLag.toFixed(0)} s)`, [...lag.keys()], GRAPH_ROW, (row, y) =>
    graph(lag.get(row) ?? [], y, highestLag, scale, "lag", (value) => `${value.toFixed(1)} s`),
  );
  const memory = memoryBySite(report);
  const highest = Math.max(1, ...[...memory.values()].flatMap((points) => points.map(([, value]) => value)));
  section(`Memory of gateways (up to ${mib(highest)})`, [...memory.keys()], GRAPH_ROW, (row, y) =>
    graph(memory.get(row) ?? [], y, highest, scale, "memory", mib),
  );
  // Behind everything else.
  return { body: [axis(report, top - 20, scale), ...parts].join("\n"), height: top + 20 };
}

function bandsOf({ events }: Report, row: string, y: number, { x }: Scale): string {
  const bands = events.filter(({ concerns }) => concerns.includes(row));
  return bands.map(({ kind, fromMs, toMs, note }) => {
    // A moment would not be seen.
    const width = Math.max(3, Number(x(toMs)) - Number(x(fromMs)));
    const strong = kind.endsWith("killed") || /^partition|cut off/.test(kind) || kind.includes("invalid") ? "" : " weak";
    const title = `${kind}, ${seconds(fromMs)} to ${seconds(toMs)}: ${note}`;
    return `<rect class="band ${colorOf(row)}${strong}" x="${x(fromMs)}" y="${y + 3}" width="${width.toFixed(1)}" height="${BAND_ROW - 6}"><title>${escape(title)}</title></rect>`;
  }).join("");
}

type Points = readonly (readonly [ms: number, value: number])[];

/** A line that ends where nothing was told for a while. */
function graph(points: Points, y: number, highest: number, { x }: Scale, kind: string, show: (value: number) => string): string {
  const at = (value: number) => (y + GRAPH_ROW - 2 - (value / highest) * (GRAPH_ROW - 8)).toFixed(1);
  const lines: string[] = [];
  let last = -Infinity;
  for (const [ms, value] of points) {
    if (ms - last > GAP_MS) lines.push("");
    lines.push(`${lines.pop() ?? ""} ${x(ms)},${at(value)}`);
    last = ms;
  }
  const most = points.reduce((high, [, value]) => Math.max(high, value), 0);
  const polylines = lines.map((line) => `<polyline class="${kind}" points="${line.trim()}"/>`).join("");
  return `${polylines}<text class="most" x="${WIDTH - RIGHT + 6}" y="${y + GRAPH_ROW / 2 + 4}">${escape(show(most))}</text>`;
}

/** Samples come every second. */
const GAP_MS = 4_000;

function lagByPair(samples: readonly StatusSample[]): ReadonlyMap<string, Points> {
  const lag = new Map<string, [number, number][]>();
  for (const from of SITES) for (const to of SITES) if (from !== to) lag.set(`${from} → ${to}`, []);
  for (const { ms, site, status } of samples) {
    for (const peer of SITES.filter((other) => other !== site)) {
      const all = Object.values(status.buckets).flatMap(({ peers }) => Object.entries(peers).flatMap(([name, of]) => (name === peer ? [of.lagSeconds] : [])));
      lag.get(`${peer} → ${site}`)?.push([ms, Math.max(0, ...all)]);
    }
  }
  return lag;
}

const memoryBySite = ({ memorySamples }: Report): ReadonlyMap<string, Points> =>
  new Map(SITES.map((site) => [gatewayOf(site), memorySamples[site] ?? []]));

function axis({ marks }: Report, bottom: number, { endMs, x }: Scale): string {
  const step = [5, 10, 15, 30, 60, 120, 300, 600].find((each) => endMs / 1_000 / each <= 14) ?? 1_800;
  const ticks: string[] = [];
  for (let second = 0; second * 1_000 <= endMs; second += step) {
    const at = x(second * 1_000);
    ticks.push(`<line class="tick" x1="${at}" x2="${at}" y1="24" y2="${bottom}"/><text class="time" x="${at}" y="${bottom + 16}">${second} s</text>`);
  }
  const lines = marks.map(({ ms, what }) => {
    return `<line class="mark" x1="${x(ms)}" x2="${x(ms)}" y1="14" y2="${bottom}"><title>${escape(`${what}, ${seconds(ms)}`)}</title></line><text class="mark ${escape(what)}" x="${x(ms)}" y="12">${escape(what)}</text>`;
  });
  return [...ticks, ...lines].join("\n");
}

function counts({ faults, operations, ...report }: Report): string {
  const rows: (readonly [string, string | number])[] = [
    ...FAULT_KINDS.flatMap(({ name }) => (name in faults ? [[name, faults[name] ?? 0] as const] : [])),
    ...Object.entries(operations).map(([outcome, count]) => [`writes ${outcome}`, count] as const),
    ["deletes among them", report.deletes],
    ["operations in the logs", report.logged],
    ["messages seen", report.messagesSeen],
    ["conflicts", report.conflicts],
    ["equal and at rest after", report.convergedAfterMs.map((ms) => (ms === null ? "never" : seconds(ms))).join(", ")],
  ];
  return `<table><caption>Counts</caption>${rows.map(([name, count]) => `<tr><th>${escape(name)}<td>${escape(count.toLocaleString("en"))}`).join("")}</table>`;
}

function lives({ lives: all }: Report): string {
  const rows = all.map(({ site, life, fromMs, toMs, end, rssFirst, rssLast }) => {
    return `<tr><th>${escape(`${site}, life ${life}`)}<td>${seconds(toMs - fromMs)}<td>${mib(rssFirst)}<td>${mib(rssLast)}<td class="text">${escape(end)}`;
  });
  return `<table><caption>Gateways</caption><tr><th><th>lived<th>memory first<th>last<th>ended${rows.join("")}</table>`;
}

function violations({ found, stories }: Report): string {
  if (found.length === 0) return "";
  const lines = found.map(({ property, site, bucket, key, message }) => {
    const where = [site, bucket, key].filter((part) => part !== null).join(" ");
    return `<li><b>${escape(property)}</b> ${escape(where)}: ${escape(message)}`;
  });
  const told = Object.entries(stories).map(([key, story]) => `<details><summary>The story of ${escape(key)}</summary><pre>${escape(story.join("\n"))}</pre></details>`);
  return `<h2>Violated</h2><ul>${lines.join("")}</ul>${told.join("")}`;
}

function events({ events: all }: Report): string {
  const rows = all.map(({ kind, fromMs, toMs, note }) => `<tr><td>${seconds(fromMs)}<td>${seconds(toMs)}<td class="text">${escape(kind)}<td class="text">${escape(note)}`);
  return `<table><tr><th>from<th>to<th>fault<th>what${rows.join("")}</table>`;
}

const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
const mib = (bytes: number | null) => (bytes === null ? "–" : `${(bytes / 1024 / 1024).toFixed(0)} MiB`);

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
