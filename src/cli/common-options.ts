/** What several commands ask for on the command line, and where each falls back to. */
import { readFileSync } from "node:fs";

export interface CommonOptions {
  readonly config?: string;
  readonly site?: string;
  readonly gateway?: string;
  readonly json?: boolean;
}

/** For `command.option(...)`. */
export const CONFIG_OPTION = ["-c, --config <file>", "configuration file (KVGW_CONFIG, default config/gateway.yaml)"] as const;
export const SITE_OPTION = ["--site <name>", "which site this is (KVGW_SITE, then the file's own)"] as const;
export const GATEWAY_OPTION = ["--gateway <url>", "gateway to ask (KVGW_GATEWAY, default http://127.0.0.1:9480)"] as const;
export const JSON_OPTION = ["--json", "print one JSON document"] as const;

export const configPath = (options: CommonOptions): string =>
  options.config ?? process.env["KVGW_CONFIG"] ?? "config/gateway.yaml";

export const gatewayUrl = (options: CommonOptions): string => namedGateway(options) ?? "http://127.0.0.1:9480";

/** The gateway that somebody named, if anybody did. */
export const namedGateway = (options: CommonOptions): string | undefined =>
  options.gateway ?? process.env["KVGW_GATEWAY"];

export function programVersion(): string {
  const manifest = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
