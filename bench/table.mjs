/** The summaries as people read them: one table per workload and size, figures down, subjects across. */
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
/** @import { Result } from "./once.mjs" */
/** @import { Summary } from "./summary.mjs" */

/**
 * @param {readonly { summary: Summary, title: string }[]} sections
 * @param {{ differs: ReadonlyMap<string, string>, results: readonly Result[], colour: boolean }} options
 */
export function formatReport(sections, { differs, results, colour }) {
  const paint = pico.createColors(colour);
  const parts = sections.map(({ summary, title }) => {
    const notes = summary.subjects.map((subject) => paint.dim(`  ${subject}: ${differs.get(subject)}`));
    return [paint.bold(title), ...notes, tableOf(summary, paint)].join("\n");
  });
  return `${[...parts, noise(results, paint)].join("\n\n")}\n`;
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
