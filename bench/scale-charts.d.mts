/** The types of scale-charts.mjs: the tests, which are TypeScript, import it through these. */

/** As far as it is drawn. */
export interface ScaleFigures {
  readonly topology: string;
  readonly sites: number;
  readonly consumers: number;
  readonly perOperation: { readonly logged: number; readonly applied: number };
  readonly idlePerSiteMinute: { readonly heartbeats: number };
  readonly convergeMs: number;
  readonly backConvergeMs: number;
}

export interface Line {
  readonly label: string;
  readonly points: readonly { readonly sites: number; readonly value: number }[];
}

export interface LineChart {
  readonly file: string;
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly Line[];
}

export function scaleChartsOf(all: readonly ScaleFigures[]): LineChart[];
export function drawLines(chart: LineChart): Promise<string>;
