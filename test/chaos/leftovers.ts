/**
 * What gateways must not leave behind at the servers: at most one tail per bucket, one reader per peer and log, one
 * connection per gateway and server, and no more subscriptions than at the start.
 */
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsServer } from "../support/nats-server.js";
import { BUCKETS, SITES } from "./config-text.js";
import { type Stage, logStream } from "./stage.js";

export interface Connection {
  readonly server: string;
  /** As the gateway calls itself. */
  readonly client: string;
  readonly subscriptions: number;
}

/** What there is too much of, one sentence each. */
export async function leftoverConsumers(stage: Stage): Promise<readonly string[]> {
  const found: string[] = [];
  for (const { name: site, observer } of stage.sites) {
    const api = await jetstreamManager(observer.nats);
    for (const { name: bucket } of BUCKETS) {
      for (const [stream, wanted] of [
        [`KV_${bucket}`, [`kvgw_${site}_tail_`]],
        [logStream(site, bucket), SITES.filter((peer) => peer !== site).map((peer) => `kvgw_${peer}_from_${site}_`)],
      ] as const) {
        const names: string[] = [];
        for await (const { name } of api.consumers.list(stream)) names.push(name);
        found.push(...tooMany(names, wanted).map((what) => `${stream} at ${site}: ${what}`));
      }
    }
  }
  return found;
}

function tooMany(names: readonly string[], wanted: readonly string[]): readonly string[] {
  const others = names.filter((name) => !wanted.some((prefix) => name.startsWith(prefix)));
  const counts = wanted.map((prefix) => [prefix, names.filter((name) => name.startsWith(prefix)).length] as const);
  return [
    ...others.map((name) => `nobody should have the consumer ${name}`),
    ...counts.flatMap(([prefix, count]) => (count === 1 ? [] : [`${count} consumers ${prefix}*`])),
  ];
}

export async function gatewayConnections(stage: Stage): Promise<readonly Connection[]> {
  return (await Promise.all(stage.sites.map(({ server }) => connectionsAt(server)))).flat();
}

async function connectionsAt(server: NatsServer): Promise<readonly Connection[]> {
  const response = await fetch(`http://127.0.0.1:${server.monitorPort}/connz`, { signal: AbortSignal.timeout(5_000) });
  const { connections } = (await response.json()) as { connections: { name?: string; subscriptions?: number }[] };
  return connections.flatMap(({ name: client = "", subscriptions = 0 }) => {
    return client.startsWith("kvgw ") ? [{ server: server.name, client, subscriptions }] : [];
  });
}

/** Where there are more than there were when nothing had happened yet. */
export function moreThan(before: readonly Connection[], now: readonly Connection[]): readonly string[] {
  const name = ({ server, client }: Connection) => `${client} at ${server}`;
  const total = (all: readonly Connection[], of: string) => all.filter((each) => name(each) === of);
  return [...new Set(now.map(name))].flatMap((each) => {
    const [then, present] = [total(before, each), total(now, each)];
    if (present.length > then.length) return [`${each} has ${present.length} connections instead of ${then.length}`];
    const count = (all: readonly Connection[]) => all.reduce((sum, { subscriptions }) => sum + subscriptions, 0);
    return count(present) > count(then) ? [`${each} has ${count(present)} subscriptions instead of ${count(then)}`] : [];
  });
}
