/** `kvgw validate`: whether a file could be run, and everything that stands in the way of it. Asks nobody else. */
import type { Command } from "commander";
import type { ConfigProblem, GatewayConfig } from "../config/config.js";
import { bucketsOf } from "../config/diff.js";
import { readConfigFile } from "../config/file.js";
import { parseConfig } from "../config/parse.js";
import type { Result } from "../core/result.js";
import { CONFIG_OPTION, type CommonOptions, JSON_OPTION, SITE_OPTION, configPath } from "./common-options.js";
import { formatProblem } from "./config-source.js";
import { EXIT } from "./exit-codes.js";
import { type Terminal, createTerminal } from "./terminal.js";
import { count } from "./wording.js";

export function addValidate(program: Command): void {
  program
    .command("validate")
    .description("check a configuration file; exit code 0 if it can be run, 78 if not")
    .option(...CONFIG_OPTION)
    .option(...SITE_OPTION)
    .option(...JSON_OPTION)
    .action((options: CommonOptions) => validate(options, createTerminal()));
}

async function validate(options: CommonOptions, terminal: Terminal): Promise<void> {
  const checked = await check(configPath(options), options.site);
  if (!checked.ok) process.exitCode = EXIT.configInvalid;
  if (options.json === true) terminal.printJson(toDocument(checked));
  else if (checked.ok) terminal.print(`${terminal.colour.green("ok")}  ${summary(checked.value)}`);
  else for (const problem of checked.error) terminal.complain(formatProblem(problem));
}

async function check(file: string, site: string | undefined): Promise<Result<GatewayConfig, readonly ConfigProblem[]>> {
  const text = await readConfigFile(file);
  return text.ok ? parseConfig(text.value, { file, env: process.env, site }) : text;
}

function summary(config: GatewayConfig): string {
  const here = bucketsOf(config).length;
  const ofWhich = here === config.buckets.size ? "" : ` (${here} here)`;
  return `site ${config.site}, ${count(config.sites.size, "site")}, ${count(config.buckets.size, "bucket")}${ofWhich}`;
}

function toDocument(checked: Result<GatewayConfig, readonly ConfigProblem[]>): unknown {
  if (!checked.ok) return { ok: false, problems: checked.error };
  const { site, sites, buckets, hash } = checked.value;
  return { ok: true, problems: [], site, hash, sites: [...sites.keys()], buckets: [...buckets.keys()] };
}
