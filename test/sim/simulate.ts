/** `npm run simulate`: runs seeds, tells what happened in them, and how to see a failing one again. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import { drawPlan } from "./draw-plan.js";
import type { Violation } from "./history.js";
import { tryFeatures } from "./not-yet.js";
import type { Plan } from "./plan.js";
import { type Totals, createTotals, renderTotals } from "./totals.js";
import { mutantTexts } from "./mutate.js";
import { type Swarm, createSwarm } from "./swarm.js";

interface Options {
  readonly seeds: number;
  readonly from: number;
  readonly seed?: number;
  readonly plan?: string;
  readonly workers: number;
  readonly json?: string;
  readonly mutant?: string;
  readonly failures: number;
  readonly twice: boolean;
  readonly with?: string;
}

function whole(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError("a whole number is wanted");
}

const options = new Command("simulate")
  .description("Whole sites in virtual time, with everything going wrong that can: each seed is another run")
  .option("--seeds <n>", "how many seeds", whole, 200)
  .option("--from <seed>", "the first one", whole, 1)
  .option("--seed <seed>", "this one only; tells its story if it fails", whole)
  .option("--plan <file>", "run a plan that a failing seed was shrunk to")
  .option("--workers <n>", "processes", whole, 2)
  .option("--json <file>", "write everything found as JSON")
  .option("--mutant <name>", "with this bug in the product")
  .option("--twice", "run every seed twice and compare, not 2 of each 100 only", false)
  .option("--with <features>", "draw also what needs these features of not-yet.ts")
  .option("--failures <n>", "stop after so many failing seeds", whole, 3)
  .parse()
  .opts<Options>();

export interface Failure {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly replay: string;
  readonly plan: Plan;
  readonly story: readonly string[];
}

/** Where no line can be written over. */
const LINE_EVERY_SEEDS = 5_000;

/** In so many seeds everything that can be drawn happens. */
const SEEDS_FOR_ALL = 500;

const say = (text: string) => process.stdout.write(`${text}\n`);

async function runSeeds(swarm: Swarm, totals: Totals): Promise<readonly (readonly [number, readonly Violation[]])[]> {
  const failed: [number, readonly Violation[]][] = [];
  const [from, count] = options.seed === undefined ? [options.from, options.seeds] : [options.seed, 1];
  const seeds = (function* () {
    for (let seed = from; seed < from + count; seed++) yield seed;
  })();
  const terminal = process.stderr.isTTY;
  const [step, begin, end] = terminal ? [10, "\r", " "] : [LINE_EVERY_SEEDS, "", "\n"];
  await swarm.run(seeds, (report) => {
    totals.add(report);
    const [first] = report.violations;
    if (first !== undefined) {
      failed.push([report.seed, report.violations]);
      process.stderr.write(`${begin}seed ${report.seed}: ${first.property}\n`);
    }
    if (totals.seeds() % step === 0) process.stderr.write(`${begin}${totals.seeds()} of ${count} seeds, ${failed.length} failing${end}`);
    return failed.length >= options.failures ? "enough" : "go on";
  });
  if (terminal) process.stderr.write("\r\u001b[K");
  return failed.sort(([a], [b]) => a - b);
}

/** Shrinks a failing run and prints how to see it again. */
async function explain(swarm: Swarm, plan: Plan, violations: readonly Violation[], mutant: string): Promise<Failure> {
  const { seed } = plan;
  const property = violations[0]?.property ?? "";
  const { plan: smallest, lines, tries } = await swarm.story(plan, property);
  const replay = `npm run simulate -- --seed ${seed}${mutant}`;
  const file = keepPlan(smallest);
  say(`\nFAILED ${property}\n  replay: ${replay}\n  shrunk: --plan ${file}\n  minimal story after ${tries} tries:`);
  for (const line of lines) say(`    ${line}`);
  return { seed, violations, replay, plan: smallest, story: lines };
}

/** So that the small plan can be run again, or made smaller by hand. */
function keepPlan(plan: Plan): string {
  const folder = fileURLToPath(new URL("../../failures/", import.meta.url));
  mkdirSync(folder, { recursive: true });
  const file = relative(process.cwd(), join(folder, `seed-${plan.seed}.json`));
  writeFileSync(file, `${JSON.stringify(plan, null, 2)}\n`);
  return file;
}

async function main(): Promise<void> {
  const { mutant, plan: planFile } = options;
  if (options.with !== undefined) tryFeatures(options.with);
  const texts = mutant === undefined ? {} : mutantTexts(mutant);
  const swarm = createSwarm({ workers: options.seed === undefined && planFile === undefined ? options.workers : 1, texts, twice: options.twice });
  const totals = createTotals();
  const failures: Failure[] = [];
  try {
    if (planFile !== undefined) {
      const plan = JSON.parse(readFileSync(planFile, "utf8")) as Plan;
      for (const line of (await swarm.story(plan, "")).lines) say(line);
      return;
    }
    const flag = `${mutant === undefined ? "" : ` --mutant ${mutant}`}${options.with === undefined ? "" : ` --with ${options.with}`}`;
    for (const [seed, violations] of await runSeeds(swarm, totals)) failures.push(await explain(swarm, drawPlan(seed), violations, flag));
  } finally {
    swarm.stop();
  }
  say(renderTotals(totals, failures.length));
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ ...totals.summary(), failures }, null, 2)}\n`);
  const missing = options.seeds >= SEEDS_FOR_ALL && options.seed === undefined ? totals.neverHappened() : [];
  if (missing.length > 0) say(`never happened, so nothing is proved about it: ${missing.join(", ")}`);
  process.exitCode = failures.length + missing.length > 0 ? 1 : 0;
}

await main();
