/** `npm run scale`: many whole sites in virtual time, nothing going wrong but distance; what each operation takes, and what
 *  grows with the number of sites. */
import { fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError, Option } from "commander";
import type { ScaleCase, ScaleResult, Topology } from "./scale/case.js";
import { broken, figuresOf } from "./scale/laws.js";
import { renderFigures } from "./scale/report.js";
import type { Substitutes } from "./substitute/hooks.js";

interface Options {
  readonly sites: readonly number[];
  readonly topology: Topology | "both";
  readonly buckets: number;
  readonly keys: number;
  readonly writes: number;
  readonly link: number;
  readonly away: number;
  readonly json?: string;
}

/** Two of this size, and whatever else runs, fit into a small machine. */
const HEAP_MIB_MAX = 5_000;
const SPREAD = 0.25;

function whole(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError("a whole number above 0 is wanted");
}

const options = new Command("scale")
  .description("Many whole sites in virtual time: messages per operation, time until all are equal, cost per site")
  .option("--sites <n,n…>", "how many, one case for each", (text) => text.split(",").map(whole), [2, 10, 50, 100, 200])
  .addOption(new Option("--topology <name>", "how they reach each other").choices(["mesh", "hub", "both"]).default("both"))
  .option("--buckets <n>", "how many", whole, 1)
  .option("--keys <n>", "in each bucket", whole, 100)
  .option("--writes <n>", "in all, one every 20 ms", whole, 200)
  .option("--link <ms>", "how long a message takes to another place, give or take a quarter", whole, 20)
  .option("--away <n>", "sites that are cut off and come back, at most a half", whole, 20)
  .option("--json <file>", "write everything found as JSON")
  .parse()
  .opts<Options>();

const say = (text: string) => process.stdout.write(`${text}\n`);
const beside = (file: string) => new URL(file, import.meta.url);

function casesOf({ sites, topology, buckets, keys, writes, link, away }: Options): readonly ScaleCase[] {
  const topologies: readonly Topology[] = topology === "both" ? ["mesh", "hub"] : [topology];
  return topologies.flatMap((each) =>
    sites.map((count) => ({
      ...{ topology: each, sites: count, buckets, keys, writes, writeEveryMs: 20, idleMs: 60_000, awayMs: 30_000, reconcileInterval: "60s" },
      localDelay: { minMs: 0, maxMs: 1 },
      linkDelay: { minMs: (1 - SPREAD) * link, maxMs: (1 + SPREAD) * link },
      away: Math.min(away, Math.floor(count / 2)),
    })),
  );
}

function runInChild(of: ScaleCase): Promise<ScaleResult> {
  const substitutes: Substitutes = { modules: { [beside("../../src/gateway/build.js").href]: beside("scale/ports.js").href } };
  const child = fork(fileURLToPath(beside("scale/child.js")), {
    execArgv: ["--expose-gc", `--max-old-space-size=${HEAP_MIB_MAX}`, "--import", beside("substitute/register.js").href],
    env: { ...process.env, KVGW_SIM_SUBSTITUTES: JSON.stringify(substitutes) },
    serialization: "advanced",
  });
  return new Promise((resolve, reject) => {
    child.on("message", resolve);
    child.on("exit", (code) => reject(new Error(`${of.topology} of ${of.sites} sites: its process ended with ${code ?? "a signal"}`)));
    child.send(of);
  });
}

async function main(): Promise<void> {
  const results: ScaleResult[] = [];
  const wrong: string[] = [];
  for (const of of casesOf(options)) {
    const result = await runInChild(of);
    results.push(result);
    process.stderr.write(`${of.topology} of ${of.sites} sites: ${(result.cpuMs / 1_000).toFixed(1)} s of CPU\n`);
    wrong.push(...broken(result).map((law) => `${of.topology} of ${of.sites} sites: ${law}`));
  }
  const figures = results.map(figuresOf);
  say(renderFigures(figures));
  for (const law of wrong) say(`BROKEN ${law}`);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ figures, results, broken: wrong }, null, 2)}\n`);
  process.exitCode = wrong.length > 0 ? 1 : 0;
}

await main();
