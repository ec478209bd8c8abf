/**
 * What tests do to servers as applications and as inspectors would: connect, make buckets, look at everything a bucket
 * holds (with headers and deletes, which KV clients hide) and count. Nothing here waits without an end.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { type Consumer, DeliverPolicy, jetstream, jetstreamManager, type JsMsg } from "@nats-io/jetstream";
import { Kvm, type KV, type KvOptions } from "@nats-io/kv";
import { connect, type MsgHdrs, type NatsConnection, type NodeConnectionOptions } from "@nats-io/transport-node";

const READ_BUCKET_WITHIN_MS = 30_000;
const LOOK_WHETHER_MORE_MS = 500;
const MONITOR_WITHIN_MS = 5_000;

export interface DomainOptions {
  /** The JetStream domain to ask, when it is not that of the server connected to. */
  readonly domain?: string;
}

/** Never gives up reconnecting, because tests take servers away; close it to end that. */
export async function connectTo(url: string, options: NodeConnectionOptions = {}): Promise<NatsConnection> {
  return connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 100, reconnectJitter: 50, ...options });
}

/** Opens the bucket, and creates it when it is missing. */
export async function openBucket(
  connection: NatsConnection,
  bucket: string,
  { domain, ...options }: Partial<KvOptions> & DomainOptions = {},
): Promise<KV> {
  return new Kvm(jetstream(connection, inDomain(domain))).create(bucket, options);
}

export type EntryOperation = "PUT" | "DEL" | "PURGE";

export interface BucketEntry {
  readonly value: Buffer;
  readonly operation: EntryOperation;
  readonly revision: number;
  /** All headers, each with its last value. */
  readonly headers: ReadonlyMap<string, string>;
}

/** The last entry of every key, deletes included, as the stream holds them now. */
export async function bucketContents(
  connection: NatsConnection,
  bucket: string,
  { domain }: DomainOptions = {},
): Promise<Map<string, BucketEntry>> {
  const prefix = `$KV.${bucket}.`;
  const consumer = await jetstream(connection, inDomain(domain)).consumers.get(`KV_${bucket}`, {
    deliver_policy: DeliverPolicy.LastPerSubject,
    filter_subjects: `${prefix}>`,
  });
  const entries = new Map<string, BucketEntry>();
  try {
    await eachUntilLast(consumer, bucket, (message) => entries.set(message.subject.slice(prefix.length), entryOf(message)));
    return entries;
  } finally {
    await consumer.delete();
  }
}

/** To the last message that the consumer has. What is to come may go before it comes, as an entry whose time is over: so
 *  whether there is more is asked again while nothing comes. */
export async function eachUntilLast(
  consumer: Pick<Consumer, "info" | "consume">,
  bucket: string,
  visit: (message: JsMsg) => unknown,
): Promise<void> {
  if ((await consumer.info()).num_pending === 0) return;
  let [complete, visited] = [false, 0];
  const messages = await consumer.consume();
  const timer = setTimeout(() => messages.stop(), READ_BUCKET_WITHIN_MS);
  const look = async () => {
    const before = visited;
    if ((await consumer.info()).num_pending > 0) return;
    // What came before the answer is visited first.
    await nextTurn();
    if (visited !== before) return;
    complete = true;
    messages.stop();
  };
  const looking = setInterval(() => void look().catch(() => undefined), LOOK_WHETHER_MORE_MS);
  try {
    for await (const message of messages) {
      visited++;
      visit(message);
      complete = message.info.pending === 0;
      if (complete) break;
    }
  } finally {
    clearTimeout(timer);
    clearInterval(looking);
    await messages.close();
  }
  if (!complete) throw new Error(`bucket ${bucket} could not be read to its end within ${READ_BUCKET_WITHIN_MS} ms`);
}

function entryOf(message: JsMsg): BucketEntry {
  return {
    value: Buffer.from(message.data),
    operation: operationOf(message.headers),
    revision: message.seq,
    headers: new Map([...(message.headers ?? [])].map(([name, values]) => [name, values.at(-1) ?? ""])),
  };
}

/** A marker that the server itself left (expiry, limits) says so in a header of its own and is not an empty put. */
function operationOf(headers: MsgHdrs | undefined): EntryOperation {
  const written = headers?.get("KV-Operation");
  if (written === "DEL" || written === "PURGE") return written;
  const marker = headers?.get("Nats-Marker-Reason");
  if (!marker) return "PUT";
  return marker === "Remove" ? "DEL" : "PURGE";
}

export async function streamMessageCount(
  connection: NatsConnection,
  stream: string,
  { domain }: DomainOptions = {},
): Promise<number> {
  const manager = await jetstreamManager(connection, inDomain(domain));
  return (await manager.streams.info(stream)).state.messages;
}

/** Clients connected to the server now; leaf nodes are not among them. */
export async function connectionCount(server: { readonly monitorPort: number }): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${server.monitorPort}/connz`, {
    signal: AbortSignal.timeout(MONITOR_WITHIN_MS),
  });
  if (!response.ok) throw new Error(`the monitor of port ${server.monitorPort} answered ${response.status}`);
  const { connections } = (await response.json()) as { connections: { kind?: string }[] };
  // Leaf nodes are listed beside the clients.
  return connections.filter(({ kind = "Client" }) => kind === "Client").length;
}

function inDomain(domain: string | undefined): { domain?: string } {
  return domain === undefined ? {} : { domain };
}
