/** What a run has shown, as figures for `report.json` and as a table for the terminal. */
import Table from "cli-table3";
import pc from "picocolors";
import type { ClientOutcome, Violation } from "../sim/history.js";
import { INVALID } from "./faults/config.js";
import type { Life } from "./gateways.js";
import type { FaultBand } from "./strike.js";

export interface LifeFigures {
  readonly site: string;
  readonly life: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly end: string;
  readonly rssFirst: number | null;
  readonly rssLast: number | null;
  readonly rssHighest: number | null;
  /** Bytes a minute over the second half of the life; null where it was too short to say. */
  readonly rssSlope: number | null;
}

export interface Figures {
  readonly seed: number;
  readonly seconds: number;
  readonly lengthSeconds: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly gatewayKills: number;
  readonly serverKills: number;
  readonly suspensions: number;
  readonly partitions: number;
  readonly badLinks: number;
  readonly configEdits: { readonly valid: number; readonly invalid: number; readonly reloads: number };
  /** How often a gateway was seen with a YAML that it had refused. */
  readonly invalidSeen: number;
  readonly rewinds: number;
  readonly recreated: number;
  readonly operations: Readonly<Record<ClientOutcome, number>>;
  readonly deletes: number;
  readonly messagesSeen: number;
  readonly messagesUnseen: number;
  /** What a server had told of and did not have any more after it was killed. */
  readonly messagesForgottenByServers: number;
  readonly logged: number;
  readonly conflicts: number;
  readonly repairedByReconcile: number;
  readonly lost: number;
  readonly resurrected: number;
  readonly diverged: number;
  readonly violations: number;
  /** Per episode, from the end of all faults and writes until everything was equal and at rest. */
  readonly convergedAfterMs: readonly (number | null)[];
  readonly longestToConvergeMs: number | null;
  /** Of gateways that lived for minutes: the steepest, and whether it is below what is called flat. */
  readonly memory: { readonly steepestBytesPerMinute: number | null; readonly flatBelowBytesPerMinute: number; readonly flat: boolean };
  readonly lives: readonly LifeFigures[];
}

export interface Report extends Figures {
  readonly found: readonly Violation[];
  /** Of each key that something is wrong with: everything that happened to it. */
  readonly stories: Readonly<Record<string, readonly string[]>>;
  readonly events: readonly FaultBand[];
  readonly marks: readonly Mark[];
  /** By site: all lives of its gateway. */
  readonly memorySamples: Readonly<Record<string, readonly (readonly [ms: number, bytes: number])[]>>;
}

/** A moment of the run that the picture shows. */
export interface Mark {
  readonly ms: number;
  readonly what: string;
}

/** A gateway's heap breathes by some MiB; what grows faster than this for minutes is a leak. A figure, not a check. */
export const FLAT_BYTES_PER_MINUTE = 8 * 1024 * 1024;
/** One a second: a younger process still fills its heap, which says nothing. */
const SLOPE_SAMPLES_MIN = 120;

export function lifeFigures({ site, number, startedMs, endedMs, how, rss }: Life, nowMs: number): LifeFigures {
  const bytes = rss.map(([, value]) => value);
  return {
    ...{ site, life: number, fromMs: startedMs, toMs: endedMs ?? nowMs, end: how },
    rssFirst: bytes[0] ?? null,
    rssLast: bytes.at(-1) ?? null,
    rssHighest: bytes.length === 0 ? null : Math.max(...bytes),
    rssSlope: rss.length < SLOPE_SAMPLES_MIN ? null : slopeOf(rss.slice(Math.floor(rss.length / 2))),
  };
}

/** By least squares, in bytes a minute. */
export function slopeOf(points: readonly (readonly [ms: number, bytes: number])[]): number {
  const mean = (of: (point: readonly [number, number]) => number) => points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x, y] = [mean(([ms]) => ms), mean(([, bytes]) => bytes)];
  const spread = mean(([ms]) => (ms - x) ** 2);
  return spread === 0 ? 0 : Math.round((mean(([ms, bytes]) => (ms - x) * (bytes - y)) / spread) * 60_000);
}

export function countKinds(bands: readonly FaultBand[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { kind } of bands) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

export const countWhere = (bands: readonly FaultBand[], isWanted: (kind: string) => boolean): number =>
  bands.filter(({ kind }) => isWanted(kind)).length;

export const editCounts = (bands: readonly FaultBand[]) => ({
  valid: countWhere(bands, (kind) => kind.startsWith("YAML edit") && kind !== INVALID),
  invalid: countWhere(bands, (kind) => kind === INVALID),
  reloads: countWhere(bands, (kind) => kind === "reload asked for"),
});

const mib = (bytes: number | null) => (bytes === null ? "–" : `${(bytes / 1024 / 1024).toFixed(1)} MiB`);
const seconds = (ms: number | null) => (ms === null ? "never" : `${(ms / 1_000).toFixed(1)} s`);
const whole = (count: number) => count.toLocaleString("en");

export function renderReport(report: Report): string {
  const table = new Table({ head: ["what happened", "how often"], colAligns: ["left", "right"], style: { head: [], border: [] } });
  for (const [kind, count] of Object.entries(report.faults)) table.push([kind, whole(count)]);
  const { operations, convergedAfterMs, memory } = report;
  table.push(
    ["writes acknowledged / refused / failed / unknown", Object.values(operations).map(whole).join(" / ")],
    ["deletes among them", whole(report.deletes)],
    ["operations in the logs", whole(report.logged)],
    ["messages seen / unseen", `${whole(report.messagesSeen)} / ${whole(report.messagesUnseen)}`],
    ["conflicts, as the gateways counted them", whole(report.conflicts)],
    ["keys repaired by reconcile", whole(report.repairedByReconcile)],
    ["equal and at rest after", convergedAfterMs.map(seconds).join(", ")],
    ["memory, steepest second half", memory.steepestBytesPerMinute === null ? "–" : `${mib(memory.steepestBytesPerMinute)} a minute`],
    ["lost / resurrected / diverged", [report.lost, report.resurrected, report.diverged].map(mark).join(" / ")],
    ["violations", mark(report.violations)],
  );
  const lines = [table.toString()];
  for (const { property, site, bucket, key, message } of report.found.slice(0, 20)) {
    const where = [site, bucket, key].filter((part) => part !== null).join(" ");
    lines.push(`${pc.red("VIOLATED")} ${property}${where === "" ? "" : ` (${where})`}: ${message}`);
  }
  for (const [key, story] of Object.entries(report.stories)) lines.push(`\nthe story of ${key}`, ...story.slice(-40).map((line) => `  ${line}`));
  const verdict = report.violations === 0 ? pc.green("no violation") : pc.red(`${report.violations} violations`);
  lines.push(`seed ${report.seed}, ${Math.round(report.seconds)} s, ${verdict}`);
  return lines.join("\n");
}

const mark = (count: number): string => (count === 0 ? "0" : pc.red(whole(count)));
