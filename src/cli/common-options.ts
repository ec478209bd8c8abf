/** What several commands ask for on the command line, and where each falls back to. */
import { readFileSync } from "node:fs";

export interface CommonOptions {
  readonly config?: string;
  readonly site?: string;
  readonly gateway?: string;
  readonly json?: boolean;
}

export const configPath = (options: CommonOptions): string =>
  options.config ?? process.env["KVGW_CONFIG"] ?? "config/gateway.yaml";

export const gatewayUrl = (options: CommonOptions): string =>
  options.gateway ?? process.env["KVGW_GATEWAY"] ?? "http://127.0.0.1:9480";

export function programVersion(): string {
  const manifest = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
