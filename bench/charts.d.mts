/** The types of charts.mjs: the tests, which are TypeScript, import it through these. */
import type { Spread } from "./figures.mjs";
import type { Judged } from "./goals.mjs";

/** As far as it is drawn. */
export interface DrawnSummary {
  readonly workload: string;
  readonly valueBytes: number;
  readonly size: number;
  readonly subjects: readonly string[];
  readonly rows: readonly { readonly id: string; readonly label: string; readonly bySubject: Readonly<Record<string, Spread>> }[];
}

export interface Section {
  readonly title: string;
  readonly summary: DrawnSummary;
}

export interface Bar extends Spread {
  readonly label: string;
  readonly isProduct: boolean;
  /** What the product is to reach, in the unit of the chart. */
  readonly goal?: number;
}

export interface Chart {
  readonly file: string;
  readonly title: string;
  readonly unit: string;
  readonly bars: readonly Bar[];
}

export function chartsOf(sections: readonly Section[], goals: readonly Judged[]): Chart[];
export function draw(chart: Chart): Promise<string>;
export function writeCharts(folder: string, sections: readonly Section[], goals: readonly Judged[]): Promise<readonly string[]>;
