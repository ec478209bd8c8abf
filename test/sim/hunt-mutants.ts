/** `npm run simulate:mutants`: after how many seeds each of the bugs that were put into the product is found. */
import { writeFileSync } from "node:fs";
import Table from "cli-table3";
import { Command } from "commander";
import pc from "picocolors";
import { type Hunted, hunt } from "./hunt.js";
import { MUTANTS } from "./mutants.js";

interface Options {
  readonly workers: string;
  readonly json?: string;
}

const command = new Command("simulate:mutants")
  .description("Puts one bug after the other into the product and counts the seeds until the simulator finds it")
  .argument("[names...]", "only these")
  .option("--workers <n>", "processes", "2")
  .option("--json <file>", "write what came of it as JSON")
  .parse();

const { workers, json } = command.opts<Options>();
const names = new Set(command.args);
const table = new Table({ head: ["bug", "found after", "of", "by", "seconds"], style: { head: [], border: [] } });
const all: Hunted[] = [];
for (const mutant of MUTANTS) {
  if (names.size > 0 && !names.has(mutant.name)) continue;
  const hunted = await hunt(mutant, Number(workers));
  const after = hunted.caughtAfter === null ? pc.red("not found") : `${hunted.caughtAfter} seeds`;
  all.push(hunted);
  table.push([mutant.name, after, mutant.seedsBudget, hunted.by, hunted.seconds.toFixed(1)]);
  if (process.stderr.isTTY) process.stderr.write(`${mutant.name}: ${after}\n`);
}
process.stdout.write(`${table.toString()}\n`);
if (json !== undefined) writeFileSync(json, `${JSON.stringify(all, null, 2)}\n`);
process.exitCode = all.every(({ caughtAfter }) => caughtAfter !== null) ? 0 : 1;
