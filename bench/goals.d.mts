/** The types of goals.mjs: the tests, which are TypeScript, import it through these. */
import type { DrawnSummary } from "./charts.mjs";

export interface Goal {
  readonly text: string;
  /** All of them where left out. */
  readonly workload?: string;
  readonly valueBytes?: number;
  /** The row of the summary. */
  readonly id: string;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly unit?: string;
  /** The limit is this many times the best of these subjects. */
  readonly timesOf?: readonly string[];
  /** The row with what the machine did to a process that did nothing. */
  readonly machineId?: string;
}

export type JudgedSummary = DrawnSummary;

export interface Judged {
  readonly text: string;
  readonly unit: string;
  readonly limit: number;
  readonly atLeast: boolean;
  readonly figure: number | null;
  readonly met: boolean;
  /** Of the limit; 0 where it is met or not measured. */
  readonly missedByPercent: number;
  readonly at: { readonly workload: string; readonly valueBytes: number; readonly size: number; readonly id: string };
  readonly threshold: number | null;
  readonly machine: number | null;
}

export const GOALS: readonly Goal[];
export function judge(summaries: readonly JudgedSummary[], goals?: readonly Goal[]): Judged[];
