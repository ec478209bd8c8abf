/**
 * The configuration file of a test's nats-server: what a test may choose, and the text that says so. Everything listens
 * on 127.0.0.1 only.
 */
import type { ServerVersion } from "../../scripts/nats-server.mjs";

export interface NatsServerOptions {
  /** Default: what NATS_SERVER or PATH offers, else 2.15. */
  readonly version?: ServerVersion;
  readonly name?: string;
  /** JetStream domain. */
  readonly domain?: string;
  /** Leaf node URLs of the hubs to connect to: their `leafUrl`. */
  readonly leafRemotes?: readonly string[];
  /** Accept leaf nodes. */
  readonly leafListen?: boolean;
  /** Be one of the servers of a cluster: `nats-cluster.ts`. */
  readonly cluster?: ClusterPlace;
  /** Such as "always" or "1s"; from 2.10 on. */
  readonly syncInterval?: string;
  readonly maxPayload?: number;
  /** Appended to the configuration file. */
  readonly extraConfig?: string;
}

export interface ClusterPlace {
  readonly name: string;
  /** Where this one listens for the others. */
  readonly port: number;
  /** Of all of them. */
  readonly ports: readonly number[];
}

export interface Ports {
  readonly client: number;
  readonly monitor: number;
  readonly leaf: number | undefined;
}

export interface ConfigSource {
  readonly name: string;
  readonly storeDir: string;
  readonly options: NatsServerOptions;
}

export function configText({ name, storeDir, options }: ConfigSource, ports: Ports): string {
  return [
    `server_name: ${JSON.stringify(name)}`,
    `listen: "127.0.0.1:${ports.client}"`,
    `http: "127.0.0.1:${ports.monitor}"`,
    ...block("jetstream", {
      store_dir: JSON.stringify(storeDir),
      domain: options.domain,
      sync_interval: options.syncInterval,
    }),
    ...block("leafnodes", {
      listen: ports.leaf === undefined ? undefined : `"127.0.0.1:${ports.leaf}"`,
      remotes: options.leafRemotes && `[${options.leafRemotes.map((url) => `{ url: "${url}" }`).join(", ")}]`,
    }),
    ...block("cluster", clusterEntries(options.cluster)),
    ...(options.maxPayload === undefined ? [] : [`max_payload: ${options.maxPayload}`]),
    options.extraConfig ?? "",
    "",
  ].join("\n");
}

function clusterEntries(place: ClusterPlace | undefined): Readonly<Record<string, string | undefined>> {
  if (place === undefined) return {};
  const routes = place.ports.map((port) => `"nats-route://127.0.0.1:${port}"`);
  return { name: JSON.stringify(place.name), listen: `"127.0.0.1:${place.port}"`, routes: `[${routes.join(", ")}]` };
}

/** Without any entry, no block: an empty one would already mean something. */
function block(name: string, entries: Readonly<Record<string, string | undefined>>): readonly string[] {
  const lines = Object.entries(entries).flatMap(([key, value]) => (value === undefined ? [] : [`  ${key}: ${value}`]));
  return lines.length === 0 ? [] : [`${name} {`, ...lines, "}"];
}
