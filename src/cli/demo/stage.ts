/**
 * Where the demo plays: a temporary folder, two sites on free ports of this machine, and the one YAML file that both
 * gateways follow. Whatever way the demo ends, nothing of it stays.
 */
import { rmSync } from "node:fs";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, type Server, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GatewayConfig } from "../../config/config.js";
import { parseConfig } from "../../config/parse.js";
import type { FoundServer } from "../../../scripts/nats-server.mjs";
import { formatProblem } from "../config-source.js";
import { type DemoSite, createDemoSite } from "./site.js";

export interface Stage {
  readonly a: DemoSite;
  readonly b: DemoSite;
  readonly sites: readonly DemoSite[];
  readonly serverVersion: string;
  readonly folder: string;
  readonly configFile: string;
  /** Ends every wait. */
  readonly signal: AbortSignal;
  /** Saves the YAML with these buckets, as an editor does: the file is there at once and whole. */
  saveBuckets(...buckets: readonly string[]): Promise<void>;
  save(text: string): Promise<void>;
  /** The config as the gateways read it, seen from site a. */
  config(): GatewayConfig;
  close(): Promise<void>;
}

/** @param server the binary that both sites run */
export async function openStage(server: FoundServer, signal: AbortSignal): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), "kvgw-demo-"));
  const configFile = join(folder, "gateway.yaml");
  const [natsA = 0, natsB = 0, gatewayA = 0, gatewayB = 0] = await freePorts(4);
  const common = { binary: server.path, folder, configFile, signal };
  const a = createDemoSite({ ...common, id: "site-a", natsPort: natsA, gatewayPort: gatewayA });
  const b = createDemoSite({ ...common, id: "site-b", natsPort: natsB, gatewayPort: gatewayB });
  const sites = [a, b];
  let saved = "";

  // The last resort, if this process ends without closing the stage.
  const abandon = () => {
    for (const site of sites) site.killNow();
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", abandon);

  async function save(text: string): Promise<void> {
    saved = text;
    await writeFile(`${configFile}.new`, text);
    await rename(`${configFile}.new`, configFile);
  }

  return {
    ...{ a, b, sites, serverVersion: server.version, folder, configFile, signal, save },
    saveBuckets: (...buckets) => save(configText(sites, buckets)),
    config() {
      const env = { KVGW_SITE: a.id, KVGW_DEMO_LISTEN: `127.0.0.1:${gatewayA}` };
      const parsed = parseConfig(saved, { file: configFile, env });
      if (parsed.ok) return parsed.value;
      throw new Error(parsed.error.map(formatProblem).join("\n"));
    },
    async close() {
      await Promise.all(sites.map((site) => site.close()));
      await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
      process.removeListener("exit", abandon);
    },
  };
}

function configText(sites: readonly DemoSite[], buckets: readonly string[]): string {
  return [
    "version: 1",
    "sites:",
    ...sites.map(({ id, natsUrl }) => `  ${id}: { servers: ["${natsUrl}"] }`),
    "buckets:",
    ...buckets.map((bucket) => `  ${bucket}: {}`),
    'http: { listen: "${KVGW_DEMO_LISTEN}" }',
    "",
  ].join("\n");
}

/** Ports that were free a moment ago, all different. */
async function freePorts(count: number): Promise<readonly number[]> {
  const held = await Promise.all(Array.from({ length: count }, () => holdPort()));
  const ports = held.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function holdPort(): Promise<Server> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}
