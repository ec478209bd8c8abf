/**
 * Several real nats-servers that are one JetStream cluster: each is started, killed and restarted like a single one
 * (`nats-server.ts`), and the cluster says which of them leads.
 *
 * Invariants: as of a single server. It is handed over when JetStream answers, that is when a meta leader is elected and
 * knows of all servers. Every wait has an end.
 */
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { ServerVersion } from "../../scripts/nats-server.mjs";
import { eventually } from "./eventually.js";
import { freePorts } from "./nats-process.js";
import { type NatsServer, startNatsServer } from "./nats-server.js";

const SERVERS = 3;
/** An election takes a few seconds on an idle machine. */
const ELECTED_WITHIN_MS = 45_000;
const MONITOR_WITHIN_MS = 5_000;
/** The route ports are chosen before they are bound, as the others of a server are. */
const PORT_CHOICES = 3;

export interface NatsCluster {
  readonly servers: readonly NatsServer[];
  readonly urls: readonly string[];
  /** The server that leads the stream now; waits until one does. */
  leaderOf(client: NatsConnection, stream: string): Promise<NatsServer>;
  /** Waits until all servers run, are one cluster again, and hold all that the stream's leader has. */
  untilWhole(client: NatsConnection, stream: string): Promise<void>;
  dispose(): Promise<void>;
}

export interface NatsClusterOptions {
  readonly version?: ServerVersion;
  /** Of the cluster; its servers are called so with a number. */
  readonly name: string;
}

export async function startNatsCluster(options: NatsClusterOptions): Promise<NatsCluster> {
  const servers = await startServers(options);
  const dispose = async () => void (await Promise.all(servers.map((server) => server.dispose())));
  try {
    await untilLed(servers);
  } catch (thrown) {
    await dispose();
    throw thrown;
  }
  return {
    servers,
    urls: servers.map(({ url }) => url),
    leaderOf: (client, stream) =>
      eventually(
        async () => {
          const leader = await leaderName(client, stream);
          return servers.find(({ name, pid }) => name === leader && pid !== undefined) ?? false;
        },
        { what: `stream ${stream} has a leader that runs`, withinMs: ELECTED_WITHIN_MS },
      ),
    async untilWhole(client, stream) {
      await untilLed(servers);
      await eventually(() => isWhole(client, stream), { what: `all replicas of ${stream} are current`, withinMs: ELECTED_WITHIN_MS });
    },
    dispose,
  };
}

async function startServers({ name, version }: NatsClusterOptions): Promise<readonly NatsServer[]> {
  for (let choice = 1; ; choice++) {
    const ports = await freePorts(SERVERS);
    const starts = ports.map((port, index) =>
      startNatsServer({
        ...(version === undefined ? {} : { version }),
        name: `${name}-${index + 1}`,
        cluster: { name, port, ports },
      }),
    );
    const started = await Promise.allSettled(starts);
    const failed = started.find((outcome) => outcome.status === "rejected");
    const servers = started.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
    if (failed === undefined) return servers;
    await Promise.all(servers.map((server) => server.dispose()));
    if (choice === PORT_CHOICES) throw failed.reason;
  }
}

/** All name the same leader, and it counts all of them. */
function untilLed(servers: readonly NatsServer[]): Promise<unknown> {
  return eventually(
    async () => {
      const views = await Promise.all(servers.map(metaView));
      const [first] = views;
      return first !== undefined && first.leader !== "" && views.every((view) => view.leader === first.leader && view.size === SERVERS);
    },
    { what: `the servers ${servers.map(({ name }) => name).join(", ")} have elected a leader`, withinMs: ELECTED_WITHIN_MS },
  );
}

async function metaView({ monitorPort }: NatsServer): Promise<{ readonly leader: string; readonly size: number }> {
  const response = await fetch(`http://127.0.0.1:${monitorPort}/jsz`, { signal: AbortSignal.timeout(MONITOR_WITHIN_MS) });
  const { meta_cluster: meta } = (await response.json()) as { meta_cluster?: { leader?: string; cluster_size?: number } };
  return { leader: meta?.leader ?? "", size: meta?.cluster_size ?? 0 };
}

async function leaderName(client: NatsConnection, stream: string): Promise<string> {
  const manager = await jetstreamManager(client, { checkAPI: false });
  return (await manager.streams.info(stream)).cluster?.leader ?? "";
}

async function isWhole(client: NatsConnection, stream: string): Promise<boolean> {
  const manager = await jetstreamManager(client, { checkAPI: false });
  const { cluster, config } = await manager.streams.info(stream);
  const replicas = cluster?.replicas ?? [];
  return replicas.length === config.num_replicas - 1 && replicas.every(({ current, offline }) => current && offline !== true);
}
