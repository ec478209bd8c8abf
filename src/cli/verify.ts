/**
 * `kvgw verify`: asks NATS, not the gateways, whether all sites hold the same. Connects to every site of the config and
 * compares keys, values and versions, bucket by bucket.
 *
 * What applications can read decides over the exit code. The same value under different versions is reported, and counts
 * as a difference only with `--strict`: no reader sees it, and reconcile mends it.
 */
import { type Command, Option } from "commander";
import type { BucketConfig, GatewayConfig } from "../config/config.js";
import { formatDuration, parseDuration } from "../config/duration.js";
import { GatewayError } from "../core/errors.js";
import { VERIFY_RETRIES, VERIFY_RETRIES_MAX, VERIFY_WAIT_MS, VERIFY_WAIT_MS_MAX } from "../core/limits.js";
import { createSystemClock } from "../system.js";
import { CONFIG_OPTION, type CommonOptions, JSON_OPTION, SITE_OPTION } from "./common-options.js";
import { loadConfig } from "./config-source.js";
import { EXIT } from "./exit-codes.js";
import { type Terminal, createTerminal } from "./terminal.js";
import { type BucketComparison, type CompareOptions, compareBucket } from "./verify/compare.js";
import { type VerifyReport, describeReport, toDocument } from "./verify/report.js";
import { connectSites } from "./verify/sites.js";
import { printable } from "./wording.js";

interface VerifyOptions extends CommonOptions {
  readonly bucket: readonly string[];
  readonly retries: number;
  readonly wait: number;
  readonly strict?: boolean;
}

const HELP = `
Every key that differs is told with what each site is, compared with the one that has the newest version:
  different  another value                       missing  no value where the newest is one
  extra      a value where the newest is deleted  version  the same, under another version
A tombstone at one site and nothing at another is the same: sites forget deletes at different times.
Versions alone make no difference, unless --strict is given; then what is not logged yet makes one, too.`;

export function addVerify(program: Command): void {
  program
    .command("verify")
    .description("compare keys, values and versions of all sites; exit code 0 equal, 2 different, 69 a site cannot be reached")
    .option(...CONFIG_OPTION)
    .option("--site <name>", `from where to look: ${SITE_OPTION[1]}`)
    .option("-b, --bucket <name>", "only this bucket; may be given several times", append, [])
    .option("--retries <n>", "how often to look again at keys that differ, until they are equal", parseRetries, VERIFY_RETRIES)
    .addOption(waitOption)
    .option("--strict", "the same value under different versions is a difference, too")
    .option(...JSON_OPTION)
    .addHelpText("after", HELP)
    .action((options: VerifyOptions) => verify(options, createTerminal()));
}

const waitOption = new Option("--wait <duration>", "how long before each of these looks")
  .default(VERIFY_WAIT_MS, formatDuration(VERIFY_WAIT_MS))
  .argParser(parseWait);

const append = (name: string, names: readonly string[]): readonly string[] => [...names, name];

function parseRetries(text: string): number {
  const retries = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (retries <= VERIFY_RETRIES_MAX) return retries;
  throw new GatewayError("KVGW_USAGE", `--retries ${printable(text)}: must be a number from 0 to ${VERIFY_RETRIES_MAX}`);
}

function parseWait(text: string): number {
  const waitMs = parseDuration(text);
  if (waitMs !== null && waitMs <= VERIFY_WAIT_MS_MAX) return waitMs;
  const longest = formatDuration(VERIFY_WAIT_MS_MAX);
  throw new GatewayError("KVGW_USAGE", `--wait ${printable(text)}: must be a duration such as 250ms or 30s, at most ${longest}`);
}

async function verify(options: VerifyOptions, terminal: Terminal): Promise<void> {
  const config = await loadConfig(options);
  const buckets = selectBuckets(config, options.bucket);
  const compareOptions = { retries: options.retries, waitMs: options.wait, strict: options.strict === true };
  const report = await compareSites(config, buckets, (sentence) => terminal.progress(sentence), compareOptions);
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

const USUAL: CompareOptions = { retries: VERIFY_RETRIES, waitMs: VERIFY_WAIT_MS, strict: false };

/** KVGW_UNREACHABLE, KVGW_TIMEOUT, KVGW_DENIED, KVGW_SECRET_UNREADABLE: then nothing is said about any bucket. */
export async function compareSites(
  config: GatewayConfig,
  buckets: readonly BucketConfig[],
  onProgress: (sentence: string) => void,
  options: CompareOptions = USUAL,
): Promise<VerifyReport> {
  const clock = createSystemClock();
  const sites = await connectSites(config, buckets, clock);
  const comparisons: BucketComparison[] = [];
  try {
    // One after the other: memory holds what is known of one bucket at a time.
    for (const bucket of buckets) {
      comparisons.push(await compareBucket(bucket, { readers: sites.readersOf(bucket), clock, onProgress }, options));
    }
  } finally {
    onProgress("");
    await sites.close();
  }
  return { equal: comparisons.every(({ equal }) => equal), buckets: comparisons };
}
