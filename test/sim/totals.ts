/** What happened in all runs together: a fault that never happened, or a conflict that never was, proves nothing. */
import Table from "cli-table3";
import pc from "picocolors";
import { FAULT_KINDS } from "./faults/table.js";
import { NOT_YET, isBuilt } from "./not-yet.js";
import type { SeedReport } from "./swarm.js";

export interface Summary {
  readonly seeds: number;
  readonly failingSeeds: number;
  readonly violations: number;
  readonly virtualHours: number;
  readonly seconds: number;
  readonly seedsPerSecond: number;
  readonly counts: Readonly<Record<string, number>>;
  /** Faults and features that the product cannot do yet. */
  readonly notYet: Readonly<Record<string, string>>;
}

export interface Totals {
  add(report: SeedReport): void;
  seeds(): number;
  /** Faults that could have been drawn, and what else must have happened for a run to mean anything. */
  neverHappened(): readonly string[];
  summary(): Summary;
}

const MUST_HAPPEN: readonly string[] = [
  "apply races",
  "client deletes",
  "client writes",
  "conflicts",
  "expiries",
  "operations applied",
  "requests lost",
  "keys repaired by reconcile",
  "rounds that proved two sites equal",
  "tombstones swept",
  "answers lost",
  "fault crash at a write (came to it)",
];

export function createTotals(): Totals {
  const faults = FAULT_KINDS.filter(({ needs }) => isBuilt(needs)).map(({ name }) => `fault ${name}`);
  const counts = new Map<string, number>([...MUST_HAPPEN, ...faults].map((name) => [name, 0]));
  const begun = process.hrtime.bigint();
  let [seeds, failingSeeds, violations, virtualMs] = [0, 0, 0, 0];
  return {
    add(report) {
      seeds++;
      violations += report.violations.length;
      failingSeeds += Number(report.violations.length > 0);
      virtualMs += report.virtualMs;
      for (const [name, count] of Object.entries(report.counts)) counts.set(name, (counts.get(name) ?? 0) + count);
    },
    seeds: () => seeds,
    neverHappened: () => [...counts].flatMap(([name, count]) => (count === 0 ? [name] : [])),
    summary() {
      const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
      return {
        ...{ seeds, failingSeeds, violations, seconds },
        virtualHours: virtualMs / 3_600_000,
        seedsPerSecond: seeds / seconds,
        counts: Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1))),
        notYet: NOT_YET,
      };
    },
  };
}

export function renderTotals(totals: Totals, failures: number): string {
  const { seeds, violations, virtualHours, seedsPerSecond, counts, notYet } = totals.summary();
  const table = new Table({ head: ["what happened", "how often"], colAligns: ["left", "right"], style: { head: [], border: [] } });
  for (const [name, count] of Object.entries(counts)) table.push([count === 0 ? pc.yellow(name) : name, count.toLocaleString("en")]);
  const verdict = failures === 0 ? pc.green("no violation") : pc.red(`${violations} violations`);
  const missing = Object.keys(notYet);
  return [
    table.toString(),
    ...(missing.length === 0 ? [] : [`not drawn, because the product cannot do it yet: ${missing.join(", ")}`]),
    `${seeds} seeds, ${verdict}, ${virtualHours.toFixed(1)} virtual hours, ${seedsPerSecond.toFixed(1)} seeds a second`,
  ].join("\n");
}
