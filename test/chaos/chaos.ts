/** `npm run chaos`: real servers and gateways, with everything going wrong for minutes; says in the end what came of it. */
import { appendFileSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { renderReport } from "./report.js";
import { type ChaosRun, runChaos } from "./run.js";
import { renderTimeline } from "./timeline.js";

interface Options {
  readonly minutes: number;
  readonly seconds?: number;
  readonly seed?: number;
  readonly out?: string;
  readonly every?: number;
  readonly keys: number;
  readonly rate: number;
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError("a number above 0 is wanted");
}

const options = new Command("chaos")
  .description("Three servers, three gateways, faulty links, kills: does it still hold, for minutes?")
  .option("--minutes <n>", "how long things go wrong", positive, 5)
  .option("--seconds <n>", "the same in seconds", positive)
  .option("--seed <n>", "draws the same faults and writes again; what comes of them is never quite the same", positive)
  .option("--out <folder>", "where report.json, timeline.html and the gateways' logs go")
  .option("--rate <n>", "writes a second, over all sites", positive, 300)
  .option("--keys <n>", "keys per bucket", positive, 100)
  .option("--every <seconds>", "how far faults are apart, on average; without it every kind comes once in 75 seconds", positive)
  .parse()
  .opts<Options>();

/** A seed that nobody chose need not be large: it is typed again by hand. */
const SEED_MAX = 100_000;
const VIOLATED = 1;
const BROKEN = 2;

async function main(): Promise<void> {
  const seed = options.seed ?? 1 + (Date.now() % SEED_MAX);
  const folder = options.out === undefined ? mkdtempSync(join(tmpdir(), "kvgw-chaos-")) : resolve(options.out);
  mkdirSync(folder, { recursive: true });
  const terminal = process.stderr.isTTY;
  const run = await runChaos({
    ...{ seed, folder, lengthMs: (options.seconds ?? options.minutes * 60) * 1_000 },
    faultEveryMs: options.every === undefined ? null : options.every * 1_000,
    load: { writesPerSecond: options.rate / 3, keys: options.keys },
    say(line) {
      appendFileSync(join(folder, "progress.log"), `${line}\n`);
      if (terminal) process.stderr.write(`${line}\n`);
    },
  });
  write(folder, run);
  process.stdout.write(`${renderReport(run.report)}\nreport and timeline: ${folder}\n`);
  process.exitCode = run.report.violations === 0 ? 0 : VIOLATED;
}

function write(folder: string, { report, history, samples }: ChaosRun): void {
  writeFileSync(join(folder, "report.json"), `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(join(folder, "timeline.html"), renderTimeline(report, samples));
  // Of a run that went well the figures are enough.
  if (report.violations > 0) writeFileSync(join(folder, "history.jsonl"), history.map((each) => JSON.stringify(each)).join("\n"));
}

main()
  .catch((thrown: unknown) => {
    process.stderr.write(`${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}\n`);
    process.exitCode = BROKEN;
  })
  // Not left to Node: where a peer resets a socket that is being reset, its clean-up waits for that socket for ever.
  .finally(() => process.exit());
