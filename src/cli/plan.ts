/**
 * `kvgw plan`: what a file would start, stop, restart, update and keep, decided by the same planner that a reload uses.
 *
 * A running gateway shows its config in the form of the file, secrets blanked. So both sides are brought into that
 * form, read back and compared: what is blanked is equal on both, and a changed inline secret is the one thing that
 * cannot be seen here. Where there is one, the output says so. The file is read as the gateway would read it: for the
 * gateway's site, and with relative paths beginning where the gateway's own file lies.
 */
import type { Command } from "commander";
import type { GatewayConfig, ReloadPlan } from "../config/config.js";
import { planReload } from "../config/diff.js";
import { parseConfig } from "../config/parse.js";
import { describeConfig } from "../config/redact.js";
import { GatewayError } from "../core/errors.js";
import {
  CONFIG_OPTION,
  type CommonOptions,
  JSON_OPTION,
  configPath,
  namedGateway,
  programVersion,
} from "./common-options.js";
import { parseConfigText, readConfigText } from "./config-source.js";
import { EXIT, type ExitCode } from "./exit-codes.js";
import { createGatewayClient } from "./gateway-client.js";
import { type Terminal, createTerminal, table } from "./terminal.js";
import { count } from "./wording.js";

export function addPlan(program: Command): void {
  program
    .command("plan")
    .description("show what a configuration file would change; exit code 0 nothing, 2 something, 78 it would be refused")
    .option(...CONFIG_OPTION)
    .option("--site <name>", "plan for this site (the gateway's; without one KVGW_SITE, then the file's own)")
    .option("--gateway <url>", "compare with this running gateway (KVGW_GATEWAY); without one, plan from nothing")
    .option(...JSON_OPTION)
    .action((options: CommonOptions) => plan(options, createTerminal()));
}

/** What a gateway runs, as far as it shows it. */
interface Running {
  readonly url: string;
  readonly site: string;
  readonly version: string;
  /** Where relative paths of its file begin. */
  readonly configPath: string;
  /** In the form of the file; null while it runs nothing. */
  readonly described: unknown;
}

interface Comparison extends ReloadPlan {
  readonly against: { readonly gateway: string; readonly site: string } | null;
  readonly site: string;
  readonly changes: boolean;
  /** What the comparison cannot see, one sentence each. */
  readonly notSeen: readonly string[];
}

async function plan(options: CommonOptions, terminal: Terminal): Promise<void> {
  const file = configPath(options);
  const text = await readConfigText(file);
  const gateway = namedGateway(options);
  const running = gateway === undefined ? null : await askRunning(gateway);
  const site = options.site ?? (running?.site === "" ? undefined : running?.site);
  // The first reading is for the problems, which name the file as it was given.
  const own = parseConfigText(text, file, site);
  const next = running === null ? own : parseConfigText(text, running.configPath, site);
  const comparison = compare(next, running);
  process.exitCode = exitCode(comparison);
  if (options.json === true) terminal.printJson(comparison);
  else terminal.print(describePlan(comparison, terminal));
}

async function askRunning(url: string): Promise<Running> {
  const client = createGatewayClient(url, process.env["KVGW_TOKEN"]);
  const { site, version, config } = await client.status();
  return { url, site, version, configPath: config.path, described: await client.config() };
}

function compare(next: GatewayConfig, running: Running | null): Comparison {
  const planned = running === null ? planReload(null, next) : planReload(readRunning(running), asShown(next));
  const lists = [planned.start, planned.stop, planned.restart, planned.update];
  const inline = running !== null && (holdsInlineSecret(running.described) || holdsInlineSecret(describeConfig(next)));
  return {
    against: running === null ? null : { gateway: running.url, site: running.site },
    site: next.site,
    ...planned,
    changes: planned.refused.length === 0 && lists.some(({ length }) => length > 0),
    notSeen: inline ? ["a changed inline secret: the gateway does not show its own"] : [],
  };
}

const holdsInlineSecret = (described: unknown): boolean =>
  (described as { readonly allowInlineSecrets?: unknown } | null)?.allowInlineSecrets === true;

function readRunning({ described, version, url }: Running): GatewayConfig | null {
  if (described === null) return null;
  const read = readDescribed(described);
  if (read !== null) return read;
  const versions = `it is version ${version}, this is ${programVersion()}; use the same`;
  throw new GatewayError("KVGW_USAGE", `the config of the gateway at ${url} cannot be compared: ${versions}`);
}

function asShown(config: GatewayConfig): GatewayConfig {
  const read = readDescribed(describeConfig(config));
  if (read !== null) return read;
  throw new GatewayError("KVGW_INTERNAL", "the effective config cannot be read back; please report it with the file");
}

/** A described config as a config. Its paths are placed and its variables replaced: neither may happen again. */
function readDescribed(described: unknown): GatewayConfig | null {
  const text = JSON.stringify(described).replaceAll("${", () => "$${");
  const parsed = parseConfig(text, { file: "config", env: {} });
  return parsed.ok ? parsed.value : null;
}

const exitCode = ({ refused, changes }: Comparison): ExitCode =>
  refused.length > 0 ? EXIT.configInvalid : changes ? EXIT.different : EXIT.fine;

function describePlan(comparison: Comparison, terminal: Terminal): string {
  const { against, site, refused, keep, notSeen } = comparison;
  const { colour } = terminal;
  const before = against === null ? `from nothing, at ${site}` : `against ${against.site} at ${against.gateway}`;
  if (refused.length > 0) {
    const why = refused.map(({ path, message }) => `  ${path}: ${message}`);
    return [before, colour.red("the gateway would refuse this file and change nothing:"), ...why].join("\n");
  }
  const rows = planRows(comparison, terminal);
  return [
    before,
    ...(rows.length > 0 ? [table(terminal, ["what", "bucket", ""], rows)] : ["no bucket changes"]),
    ...(keep.length > 0 ? [`${count(keep.length, "bucket")} kept: ${keep.join(", ")}`] : []),
    ...notSeen.map((sentence) => colour.dim(`not seen: ${sentence}`)),
  ].join("\n");
}

function planRows({ start, stop, restart, update }: Comparison, { colour }: Terminal): string[][] {
  return [
    ...start.map((bucket) => [colour.green("start"), bucket, ""]),
    ...stop.map((bucket) => [colour.red("stop"), bucket, ""]),
    ...restart.map(({ bucket, because }) => [colour.yellow("restart"), bucket, `because of ${because.join(", ")}`]),
    ...update.map(({ bucket, fields }) => [colour.cyan("update"), bucket, fields.join(", ")]),
  ];
}
