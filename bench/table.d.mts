/** The types of table.mjs: the tests, which are TypeScript, import it through these. */
import type { Section } from "./charts.mjs";
import type { Judged } from "./goals.mjs";

export interface Report {
  readonly differs: ReadonlyMap<string, string>;
  readonly results: readonly { readonly othersCpuShare: number | null }[];
  readonly goals: readonly Judged[];
  readonly quick: boolean;
  readonly colour: boolean;
}

export function formatReport(sections: readonly Section[], report: Report): string;
export function formatGoals(goals: readonly Judged[], options: { readonly quick: boolean; readonly colour: boolean }): string;
