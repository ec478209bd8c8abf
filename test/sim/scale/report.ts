/** The figures as people read them: a row for each case. */
import Table from "cli-table3";
import type { Figures } from "./laws.js";

type Column = readonly [title: string, of: (figures: Figures) => number | string];

const round = (value: number, digits = 0): string =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

const CASE: readonly Column[] = [
  ["", ({ topology }) => topology],
  ["sites", ({ sites }) => sites],
];

const TABLES: readonly (readonly [title: string, columns: readonly Column[]])[] = [
  [
    "messages per operation, all sites together",
    [
      ["buckets", ({ buckets }) => buckets],
      ["keys", ({ keys, buckets }) => round(keys * buckets)],
      ["operations", ({ operations }) => round(operations)],
      ["appends", ({ perOperation }) => round(perOperation.logged, 2)],
      ["read from logs", ({ perOperation }) => round(perOperation.fromLogs, 2)],
      ["applies", ({ perOperation }) => round(perOperation.applied, 2)],
      ["acks", ({ perOperation }) => round(perOperation.acknowledged, 2)],
      ["from tails", ({ perOperation }) => round(perOperation.fromTails, 2)],
      ["checkpoint saves", ({ perOperation }) => round(perOperation.checkpointSaves, 2)],
      ["other saves", ({ perOperation }) => round(perOperation.otherSaves, 2)],
    ],
  ],
  [
    "at rest, per site and minute",
    [
      ["log consumers, all", ({ consumers }) => round(consumers)],
      ["at one server", ({ consumersAtOneServer }) => round(consumersAtOneServer)],
      ["writes", ({ idlePerSiteMinute }) => round(idlePerSiteMinute.written)],
      ["heartbeats", ({ idlePerSiteMinute }) => round(idlePerSiteMinute.heartbeats)],
      ["KiB of them", ({ idlePerSiteMinute }) => round(idlePerSiteMinute.heartbeatBytes / 1_024)],
      ["hellos", ({ idlePerSiteMinute }) => round(idlePerSiteMinute.hellos)],
      ["KiB of them", ({ idlePerSiteMinute }) => round(idlePerSiteMinute.helloBytes / 1_024)],
      ["bytes a hello", ({ bytesPerHello }) => round(bytesPerHello)],
    ],
  ],
  [
    "virtual ms until…",
    [
      ["all live", ({ liveMs }) => round(liveMs)],
      ["an operation is everywhere, p50", ({ operationP50Ms }) => round(operationP50Ms)],
      ["at most", ({ operationMaxMs }) => round(operationMaxMs)],
      ["equal after the last", ({ convergeMs }) => round(convergeMs)],
      ["equal after a return", ({ backConvergeMs }) => round(backConvergeMs)],
      ["that is proved", ({ backProvedMs }) => round(backProvedMs)],
      ["hellos for it", ({ backHellos }) => round(backHellos)],
    ],
  ],
  [
    "this host, the simulation included",
    [
      ["CPU µs an apply", ({ cpuMsPerApply }) => round(cpuMsPerApply * 1_000)],
      ["CPU ms a site and minute at rest", ({ cpuMsPerSiteIdleMinute }) => round(cpuMsPerSiteIdleMinute, 1)],
      ["heap KiB a site", ({ heapKibPerSite }) => round(heapKibPerSite)],
      ["RSS MiB at most", ({ rssMaxMib }) => round(rssMaxMib)],
    ],
  ],
];

export const renderFigures = (all: readonly Figures[]): string =>
  TABLES.map(([title, columns]) => {
    const shown = [...CASE, ...columns];
    const colAligns = shown.map((_, at) => (at === 0 ? "left" : "right"));
    const table = new Table({ head: shown.map(([head]) => head), colAligns, style: { head: [], border: [] } });
    for (const figures of all) table.push(shown.map(([, of]) => of(figures)));
    return `${title}\n${table.toString()}`;
  }).join("\n\n");
