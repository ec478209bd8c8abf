/**
 * `npm run bench`: measures how fast the product is, beside what limits it and what could be used in its place, all in
 * one run and taking turns. Progress goes to stderr, the table to the terminal, JSON lines to a file or a pipe. README.md
 * says how to read the numbers.
 */
import { appendFileSync, writeFileSync } from "node:fs";
import { Command, InvalidArgumentError, Option } from "commander";
import { fileURLToPath } from "node:url";
import { findNatsServer } from "../scripts/nats-server.mjs";
import { writeCharts } from "./charts.mjs";
import { judge } from "./goals.mjs";
import { measureOnce, subjects, workloads } from "./once.mjs";
import { measurements, PEERS, SCALES, SUBJECTS, WORKLOADS } from "./plan.mjs";
import { summarize } from "./summary.mjs";
import { formatReport } from "./table.mjs";

/** @import { ServerVersion } from "../scripts/nats-server.mjs" */
/** @import { Judged } from "./goals.mjs" */
/** @import { Measurement } from "./plan.mjs" */
/** @import { Result } from "./once.mjs" */
/**
 * @typedef {{ only: string[], subjects?: string[], repetitions?: number, quick: boolean, json?: string, charts?: string,
 *   server: ServerVersion }} Options
 */

const REPETITIONS_MAX = 100;
const CHARTS = fileURLToPath(new URL("../docs/performance/", import.meta.url));

// Children and folders are removed by the listener of `exit` in stage.mjs.
for (const [signal, code] of /** @type {const} */ ([["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]])) {
  process.on(signal, () => process.exit(code));
}

await new Command("bench")
  .description("measures kvgw beside a bare copy loop, a NATS mirror and what else merges both ways")
  .option("--only <workloads>", `some of ${WORKLOADS.join(",")}`, listOf(WORKLOADS), WORKLOADS)
  .option("--subjects <subjects>", `some of ${SUBJECTS.join(",")} (default: all; with --quick without ${PEERS.join(",")})`, listOf(SUBJECTS))
  .option("--repetitions <count>", "how often each is measured (default 3; 1 with --quick)", repetitionsFrom)
  .option("--quick", "smaller loads: shows that it works, not how fast it is", false)
  .option("--json <file>", "also write the results as JSON lines, as they go to stdout when that is no terminal")
  .option("--charts <folder>", "where to draw the results (default docs/performance; nowhere with --quick)")
  .addOption(new Option("--server <version>", "version of nats-server").choices(["2.15", "2.10", "2.9"]).default("2.15"))
  .action(run)
  .parseAsync();

/** @param {Options} options */
async function run(options) {
  const scale = options.quick ? SCALES.quick : SCALES.full;
  const repetitions = options.repetitions ?? scale.repetitions;
  const write = openOutput(options.json);
  const { path: binary, version } = await findNatsServer({ version: options.server, log: progress });
  const chosen = options.subjects ?? SUBJECTS.filter((name) => !options.quick || !PEERS.includes(name));
  const plan = measurements({ workloads: options.only, subjects: chosen.filter(isThere), repetitions, scale });
  progress(`${plan.length} measurements with nats-server ${version}${options.quick ? ", quick" : ""}`);

  /** @type {Result[]} */
  const results = [];
  for (const [index, measurement] of plan.entries()) {
    const name = `${index + 1}/${plan.length} ${nameOf(measurement)}`;
    try {
      const result = await measureOnce(measurement, { binary, version, scale });
      results.push(result);
      write(result);
      progress(`${name}: ${outcomeOf(result)}`);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      write({ type: "failure", ...measurement, server: version, error: message });
      progress(`${name}: failed: ${message}`);
      process.exitCode = 1;
    }
  }
  if (results.length === 0) return;
  const sections = sectionsOf(results, scale);
  const goals = judge(sections.map(({ summary }) => summary));
  report({ sections, results, goals, quick: options.quick }, write);
  const folder = options.charts ?? (options.quick ? undefined : CHARTS);
  if (folder !== undefined) for (const file of await writeCharts(folder, sections, goals)) progress(file);
}

/**
 * @param {readonly Result[]} results
 * @param {typeof SCALES.full} scale
 */
function sectionsOf(results, scale) {
  return summarize(results).map((summary) => {
    const { workload, valueBytes, size } = summary;
    return { summary, title: workloads.get(workload)?.title({ scale, valueBytes, size }) ?? workload };
  });
}

/**
 * @param {{ sections: ReturnType<typeof sectionsOf>, results: readonly Result[], goals: readonly Judged[], quick: boolean }} found
 * @param {(line: object) => void} write
 */
function report({ sections, results, goals, quick }, write) {
  for (const { summary } of sections) write(summary);
  for (const goal of goals) write({ type: "goal", ...goal });
  const differs = new Map([...subjects.values()].map(({ name, differs: sentence }) => [name, sentence]));
  // Where stdout carries JSON lines, a person who looks on still gets the table.
  const output = process.stdout.isTTY ? process.stdout : process.stderr;
  output.write(`\n${formatReport(sections, { differs, results, goals, quick, colour: output.isTTY })}`);
}

/**
 * @param {string | undefined} file
 * @returns {(line: object) => void}
 */
function openOutput(file) {
  if (file !== undefined) writeFileSync(file, "");
  return (line) => {
    const text = `${JSON.stringify(line)}\n`;
    if (file !== undefined) appendFileSync(file, text);
    if (!process.stdout.isTTY) process.stdout.write(text);
  };
}

/** Says what is left out. @param {string} name */
function isThere(name) {
  const missing = subjects.get(name)?.missing() ?? null;
  if (missing !== null) progress(`${name} is left out, ${missing}`);
  return missing === null;
}

/** @param {string} line */
function progress(line) {
  process.stderr.write(`${line}\n`);
}

/** @param {Measurement} measurement */
function nameOf({ workload, valueBytes, size, subject, repetition }) {
  const of = size === 0 ? `${valueBytes} B` : size.toLocaleString("en");
  return `${workload} ${of}, ${subject}, repetition ${repetition}`;
}

/** @param {Result} result */
function outcomeOf({ operationsPerSecond, fromCall, figures }) {
  if (operationsPerSecond !== undefined) return `${operationsPerSecond.toLocaleString("en")}/s`;
  if (figures !== undefined) return Object.entries(figures).map(([name, value]) => `${name} ${value.toLocaleString("en")}`).join(", ");
  return `p50 ${fromCall?.p50} ms, p99 ${fromCall?.p99} ms`;
}

/** @param {readonly string[]} all */
function listOf(all) {
  return (/** @type {string} */ text) => {
    const chosen = text.split(",");
    const unknown = chosen.filter((name) => !all.includes(name));
    if (unknown.length > 0) throw new InvalidArgumentError(`${unknown.join(", ")} is none of ${all.join(", ")}.`);
    return all.filter((name) => chosen.includes(name));
  };
}

/** @param {string} text */
function repetitionsFrom(text) {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= REPETITIONS_MAX) return count;
  throw new InvalidArgumentError(`Give a whole number from 1 to ${REPETITIONS_MAX}.`);
}
