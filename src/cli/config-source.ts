/** The config as commands read it: from the file that was named, with this process's environment. */
import type { ConfigProblem, GatewayConfig } from "../config/config.js";
import { readConfigFile } from "../config/file.js";
import { parseConfig } from "../config/parse.js";
import { GatewayError } from "../core/errors.js";
import { type CommonOptions, configPath } from "./common-options.js";

/** As editors and terminals follow it: `file:line:column path: message`. */
export const formatProblem = ({ file, line, column, path, message }: ConfigProblem): string =>
  `${file}:${line}:${column} ${path === "" ? "" : `${path}: `}${message}`;

/** KVGW_CONFIG_UNREADABLE. */
export async function readConfigText(file: string): Promise<string> {
  const text = await readConfigFile(file);
  if (text.ok) return text.value;
  throw new GatewayError("KVGW_CONFIG_UNREADABLE", text.error.map(formatProblem).join("\n"));
}

/** KVGW_CONFIG_INVALID. */
export function parseConfigText(text: string, file: string, site: string | undefined): GatewayConfig {
  const parsed = parseConfig(text, { file, env: process.env, site });
  if (parsed.ok) return parsed.value;
  throw new GatewayError("KVGW_CONFIG_INVALID", parsed.error.map(formatProblem).join("\n"));
}

/** KVGW_CONFIG_UNREADABLE, KVGW_CONFIG_INVALID; both messages name every problem, one per line. */
export async function loadConfig(options: CommonOptions): Promise<GatewayConfig> {
  const file = configPath(options);
  return parseConfigText(await readConfigText(file), file, options.site);
}
