/**
 * Several sites for one test: a real server and a real gateway process each, one YAML for all of them, as the product
 * is meant to be run.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NatsConnection } from "@nats-io/transport-node";
import { bucketContents, connectTo } from "./clients.js";
import { eventually } from "./eventually.js";
import { type GatewayProcess, startGatewayProcess } from "./gateway-process.js";
import { freePorts } from "./nats-process.js";
import { type NatsServer, startNatsServer } from "./nats-server.js";
import type { NatsServerOptions } from "./nats-config.js";

export interface Site {
  readonly name: string;
  readonly server: NatsServer;
  readonly gateway: GatewayProcess;
  /** A client of this site's NATS, as an application would have one. */
  readonly client: NatsConnection;
}

export interface Sites {
  readonly configFile: string;
  readonly site: (name: string) => Site;
  readonly all: readonly Site[];
  /** Writes the YAML anew; `buckets` is the text below `buckets:`. */
  save(buckets: string): Promise<void>;
  /** Waits until a bucket holds the same live keys and values everywhere; returns them. */
  untilEqual(bucket: string, withinMs?: number): Promise<ReadonlyMap<string, string>>;
  dispose(): Promise<void>;
}

export interface SitesOptions {
  readonly names?: readonly string[];
  /** The text below `buckets:`, indented by two. */
  readonly buckets: string;
  readonly server?: NatsServerOptions;
  /** Servers that exist already, in the order of the names; disposed of with the rest. */
  readonly servers?: readonly NatsServer[];
  /** Done at every site before its gateway starts. */
  readonly prepare?: (clients: readonly NatsConnection[]) => Promise<void>;
  /** How a site stands in the YAML; its servers when left out. */
  readonly describe?: (server: NatsServer) => string;
  /** More sites for the YAML, without a gateway of their own. */
  readonly others?: readonly string[];
  /** More arguments for `kvgw run`. */
  readonly gatewayArgs?: readonly string[];
  /** Beside what a gateway needs anyway. */
  readonly gatewayEnv?: Readonly<Record<string, string>>;
}

export async function startSites(options: SitesOptions): Promise<Sites> {
  const names = options.names ?? ["site-a", "site-b"];
  const folder = await mkdtemp(join(tmpdir(), "kvgw-sites-"));
  const configFile = join(folder, "gateway.yaml");
  const servers = options.servers ?? (await Promise.all(names.map((name) => startNatsServer({ ...options.server, name }))));
  const ports = await freePorts(names.length);
  const describe = options.describe ?? (({ url }: NatsServer) => `{ servers: ["${url}"] }`);
  const siteLines = [...names.map((name, index) => `${name}: ${describe(at(servers, index))}`), ...(options.others ?? [])];
  const save = (buckets: string) => writeFile(configFile, yaml(siteLines, buckets));
  await save(options.buckets);
  const clients = await Promise.all(servers.map(({ url }) => connectTo(url)));
  await options.prepare?.(clients);
  const all = names.map((name, index): Site => {
    const gateway = startGatewayProcess({ configFile, site: name, httpPort: at(ports, index), args: options.gatewayArgs ?? [], env: options.gatewayEnv ?? {} });
    return { name, server: at(servers, index), client: at(clients, index), gateway };
  });
  const sites: Sites = {
    configFile,
    all,
    save,
    site: (name) => at(all, names.indexOf(name)),
    untilEqual: (bucket, withinMs = 20_000) =>
      eventually(() => equalContents(all, bucket), { what: `bucket ${bucket} equal at all sites`, withinMs }),
    async dispose() {
      await Promise.all(all.map(({ gateway }) => gateway.dispose()));
      await Promise.all(all.map(({ client }) => client.close().catch(() => undefined)));
      await Promise.all(servers.map((server) => server.dispose()));
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    await Promise.all(all.map(({ gateway }) => gateway.untilReady()));
  } catch (thrown) {
    await sites.dispose();
    throw thrown;
  }
  return sites;
}

const yaml = (sites: readonly string[], buckets: string) =>
  `version: 1\nallowInlineSecrets: true\nsites:\n${sites.map((line) => `  ${line}`).join("\n")}\nbuckets:\n${buckets}\nhttp: { listen: "\${KVGW_HTTP}" }\n`;

/** Live keys with their values as text; false while the sites differ. */
async function equalContents(all: readonly Site[], bucket: string): Promise<ReadonlyMap<string, string> | false> {
  const contents = await Promise.all(all.map(({ client }) => liveValues(client, bucket)));
  const [first, ...others] = contents;
  if (first === undefined) throw new RangeError("no sites");
  const text = JSON.stringify([...first]);
  return others.every((other) => JSON.stringify([...other]) === text) ? first : false;
}

export async function liveValues(client: NatsConnection, bucket: string): Promise<Map<string, string>> {
  const contents = await bucketContents(client, bucket);
  const live = [...contents].filter(([, { operation }]) => operation === "PUT");
  return new Map(live.map(([key, { value }]) => [key, value.toString("base64")] as const).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function at<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new RangeError(`nothing at ${index}`);
  return found;
}
