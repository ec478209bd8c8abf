import type { Report } from "./report.js";
import type { StatusSample } from "./gateways.js";
export function renderTimeline(_report: Report, _samples: readonly StatusSample[]): string { return ""; }
