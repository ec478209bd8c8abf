/**
 * `kvgw verify`: asks NATS, not the gateways, whether all sites hold the same. Connects to every site of the config and
 * compares keys and values, bucket by bucket.
 */
import type { Command } from "commander";
import type { BucketConfig, GatewayConfig } from "../config/config.js";
import { GatewayError } from "../core/errors.js";
import type { SiteId } from "../core/ids.js";
import { VERIFY_SHOWN_KEYS } from "../core/limits.js";
import { createSystemClock } from "../system.js";
import { CONFIG_OPTION, type CommonOptions, JSON_OPTION, SITE_OPTION } from "./common-options.js";
import { loadConfig } from "./config-source.js";
import { EXIT } from "./exit-codes.js";
import { type Terminal, createTerminal, table } from "./terminal.js";
import { type BucketComparison, type Holding, compareBucket } from "./verify/compare.js";
import { connectSites } from "./verify/sites.js";
import { count, printable } from "./wording.js";

interface VerifyOptions extends CommonOptions {
  readonly bucket: readonly string[];
}

export interface VerifyReport {
  readonly equal: boolean;
  readonly buckets: readonly BucketComparison[];
}

export function addVerify(program: Command): void {
  program
    .command("verify")
    .description("compare keys and values of all sites; exit code 0 equal, 2 different, 69 a site cannot be reached")
    .option(...CONFIG_OPTION)
    .option("--site <name>", `from where to look: ${SITE_OPTION[1]}`)
    .option("-b, --bucket <name>", "only this bucket; may be given several times", append, [])
    .option(...JSON_OPTION)
    .action((options: VerifyOptions) => verify(options, createTerminal()));
}

const append = (name: string, names: readonly string[]): readonly string[] => [...names, name];

async function verify(options: VerifyOptions, terminal: Terminal): Promise<void> {
  const config = await loadConfig(options);
  const buckets = selectBuckets(config, options.bucket);
  const report = await compareSites(config, buckets, (sentence) => terminal.progress(sentence));
  process.exitCode = report.equal ? EXIT.fine : EXIT.different;
  if (options.json === true) terminal.printJson(toDocument(report));
  else terminal.print(describeReport(report, terminal));
}

function selectBuckets(config: GatewayConfig, names: readonly string[]): readonly BucketConfig[] {
  const all = [...config.buckets.values()];
  const unknown = names.find((name) => !all.some((bucket) => bucket.name === name));
  if (unknown === undefined) return names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
  const known = all.map(({ name }) => name).join(", ");
  throw new GatewayError("KVGW_USAGE", `the config has no bucket ${printable(unknown)}; its buckets: ${known}`);
}

/** KVGW_UNREACHABLE, KVGW_TIMEOUT, KVGW_DENIED, KVGW_SECRET_UNREADABLE: then nothing is said about any bucket. */
export async function compareSites(
  config: GatewayConfig,
  buckets: readonly BucketConfig[],
  onProgress: (sentence: string) => void,
): Promise<VerifyReport> {
  const clock = createSystemClock();
  const sites = await connectSites(config, [...new Set(buckets.flatMap((bucket) => [...bucket.sites.keys()]))], clock);
  const comparisons: BucketComparison[] = [];
  try {
    // One after the other: memory holds the hashes of one bucket at a time.
    for (const bucket of buckets) {
      onProgress(`${bucket.name}: reading`);
      comparisons.push(await compareBucket(bucket, { readers: sites.readersOf(bucket), clock, onProgress }));
    }
  } finally {
    onProgress("");
    await sites.close();
  }
  return { equal: comparisons.every(({ equal }) => equal), buckets: comparisons };
}

/** The keys of a difference are shown, all of them are counted. */
function toDocument({ equal, buckets }: VerifyReport): unknown {
  return {
    equal,
    buckets: buckets.map(({ differing, complete, ...comparison }) => ({
      ...comparison,
      differences: differing.length,
      differencesComplete: complete,
      differingKeys: differing.slice(0, VERIFY_SHOWN_KEYS),
    })),
  };
}

function describeReport({ equal, buckets }: VerifyReport, terminal: Terminal): string {
  const { colour } = terminal;
  const rows = buckets.map((comparison) => [
    comparison.bucket,
    Object.keys(comparison.sites).join(", "),
    keys(comparison),
    differences(comparison),
    verdict(comparison, terminal),
  ]);
  return [
    table(terminal, ["bucket", "sites", "keys", "differences", "verdict"], rows),
    ...buckets.filter(({ differing }) => differing.length > 0).map((comparison) => keyTable(comparison, terminal)),
    equal ? colour.green("all sites are equal") : colour.red("the sites differ"),
  ].join("\n\n");
}

const entries = <V>(bySite: Readonly<Record<SiteId, V>>) => Object.entries<V>(bySite);

function keys({ sites }: BucketComparison): string {
  const numbers = entries(sites).map(([, site]) => site.keys);
  return numbers.every((number) => number === numbers[0]) ? String(numbers[0] ?? 0) : numbers.join(" / ");
}

const differences = ({ differing, complete }: BucketComparison): string =>
  `${differing.length}${complete ? "" : " or more"}`;

function verdict({ sites, equal, inFlight }: BucketComparison, { colour }: Terminal): string {
  const missing = entries(sites).flatMap(([site, { exists }]) => (exists ? [] : [site]));
  if (missing.length > 0) return colour.red(`no such bucket at ${missing.join(", ")}`);
  const moving = inFlight === 0 ? "" : colour.dim(` (${count(inFlight, "key")} on the way)`);
  return (equal ? colour.green("equal") : colour.red("different")) + moving;
}

function keyTable({ bucket, differing, complete }: BucketComparison, terminal: Terminal): string {
  const shown = differing.slice(0, VERIFY_SHOWN_KEYS);
  const sites = Object.keys(shown[0]?.sites ?? {});
  const rows = shown.map(({ key, sites: holdings }) => [
    printable(key),
    ...entries(holdings).map(([, holding]) => describeHolding(holding)),
  ]);
  const rest = differing.length - shown.length;
  const more = rest === 0 && complete ? [] : [`… and ${rest}${complete ? "" : " or more"} others`];
  return [table(terminal, [`key in ${bucket}`, ...sites], rows), ...more].join("\n");
}

function describeHolding(holding: Holding): string {
  return holding.kind === "missing" ? "missing" : `${count(holding.bytes, "byte")}, hash ${holding.hash.slice(0, 8)}`;
}
