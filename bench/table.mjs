/** The summaries as people read them: one table per workload and size, figures down, subjects across; and the goals. */
import Table from "cli-table3";
import pico from "picocolors";
import { spread } from "./figures.mjs";

/** From here on a number says more about the neighbours than about the subject. */
const NOISY_SHARE = 0.1;
const NO_LINES = {
  ...{ top: "", "top-mid": "", "top-left": "", "top-right": "", bottom: "", "bottom-mid": "", "bottom-left": "" },
  ...{ "bottom-right": "", left: "", "left-mid": "", mid: "", "mid-mid": "", right: "", "right-mid": "", middle: "  " },
};

/** @import { Spread } from "./figures.mjs" */
/** @import { Judged } from "./goals.mjs" */
/** @import { Result } from "./once.mjs" */
/** @import { Summary } from "./summary.mjs" */

/**
 * @param {readonly { summary: Summary, title: string }[]} sections
 * @param {{ differs: ReadonlyMap<string, string>, results: readonly Result[], goals: readonly Judged[], quick: boolean,
 *   colour: boolean }} options
 */
export function formatReport(sections, { differs, results, goals, quick, colour }) {
  const paint = pico.createColors(colour);
  const parts = sections.map(({ summary, title }) => {
    const notes = summary.subjects.map((subject) => paint.dim(`  ${subject}: ${differs.get(subject)}`));
    return [paint.bold(title), ...notes, tableOf(summary, paint)].join("\n");
  });
  const reached = goals.length === 0 ? [] : [formatGoals(goals, { quick, colour })];
  return `${[...parts, ...reached, noise(results, paint)].join("\n\n")}\n`;
}

/**
 * @param {readonly Judged[]} goals
 * @param {{ quick: boolean, colour: boolean }} options
 */
export function formatGoals(goals, { quick, colour }) {
  const paint = pico.createColors(colour);
  const table = new Table({
    head: ["", "goal", "figure", ""].map((title) => paint.dim(title)),
    colAligns: ["left", "right", "right", "left"],
    chars: NO_LINES,
    style: { head: [], border: [], "padding-left": 1, "padding-right": 0 },
  });
  for (const { text, unit, limit, atLeast, figure, met, missedByPercent, at, machine } of goals) {
    const number = (/** @type {number} */ value) => `${value.toLocaleString("en", { maximumFractionDigits: value < 100 ? 2 : 0 })} ${unit}`;
    const what = text.startsWith(at.workload) ? text : `${text} (${at.workload})`;
    const verdict = figure === null ? paint.dim("not measured: the other is missing") : met ? paint.green("met") : paint.red(`missed by ${missedByPercent} %`);
    const beside = machine === null ? "" : paint.dim(`; an idle process meanwhile ${number(machine)}`);
    table.push([what, `${atLeast ? "≥" : "≤"} ${number(limit)}`, figure === null ? "–" : number(figure), `${verdict}${beside}`]);
  }
  const title = quick ? "Goals, which are set for the full loads and not for --quick" : "Goals";
  return [paint.bold(title), table.toString()].join("\n");
}

/**
 * @param {Summary} summary
 * @param {ReturnType<typeof pico.createColors>} paint
 */
function tableOf({ subjects, base, rows }, paint) {
  const compared = rows.some(({ ratio }) => ratio !== null);
  const table = new Table({
    head: ["", ...subjects, ...(compared ? [`kvgw/${base}`] : [])].map((title) => paint.dim(title)),
    colAligns: ["left", ...subjects.map(() => /** @type {const} */ ("right")), "right"],
    chars: NO_LINES,
    style: { head: [], border: [], "padding-left": 1, "padding-right": 0 },
  });
  for (const { label, digits, bySubject, ratio } of rows) {
    const cells = subjects.map((subject) => cell(bySubject[subject] ?? null, digits));
    table.push([label, ...cells, ...(compared ? [paint.cyan(cell(ratio, 2))] : [])]);
  }
  return table.toString();
}

/**
 * @param {Spread | null} values
 * @param {number} digits
 */
function cell(values, digits) {
  if (values === null) return "–";
  const text = (/** @type {number} */ value) =>
    value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const [median, min, max] = [text(values.median), text(values.min), text(values.max)];
  return min === max ? median : `${median} [${min}–${max}]`;
}

/**
 * @param {readonly Result[]} results
 * @param {ReturnType<typeof pico.createColors>} paint
 */
function noise(results, paint) {
  const shares = results.flatMap(({ othersCpuShare }) => othersCpuShare ?? []);
  if (shares.length === 0) return "How much CPU others used is not known on this system.";
  const { median, max } = spread(shares);
  const percent = (/** @type {number} */ share) => `${Math.round(share * 100)} %`;
  const line = `Others used ${percent(median)} of the CPU while measuring (median; at most ${percent(max)}).`;
  return max < NOISY_SHARE ? line : paint.yellow(`${line} Trust the ratios more than the numbers, and neither much.`);
}
