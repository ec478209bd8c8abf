/**
 * What tests do to servers as applications and as inspectors would: connect, make buckets, look at everything a bucket
 * holds (with headers and deletes, which KV clients hide) and count. Nothing here waits without an end.
 */
import { DeliverPolicy, jetstream, jetstreamManager, type ConsumerMessages, type JsMsg } from "@nats-io/jetstream";
import { Kvm, type KV, type KvOptions } from "@nats-io/kv";
import { connect, type MsgHdrs, type NatsConnection, type NodeConnectionOptions } from "@nats-io/transport-node";

const READ_BUCKET_WITHIN_MS = 30_000;
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
    if ((await consumer.info()).num_pending === 0) return entries;
    const messages = await consumer.consume();
    await eachUntilLast(messages, bucket, (message) => entries.set(message.subject.slice(prefix.length), entryOf(message)));
    return entries;
  } finally {
    await consumer.delete();
  }
}

async function eachUntilLast(messages: ConsumerMessages, bucket: string, visit: (m: JsMsg) => unknown): Promise<void> {
  let complete = false;
  const timer = setTimeout(() => messages.stop(), READ_BUCKET_WITHIN_MS);
  try {
    for await (const message of messages) {
      visit(message);
      complete = message.info.pending === 0;
      if (complete) break;
    }
  } finally {
    clearTimeout(timer);
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
