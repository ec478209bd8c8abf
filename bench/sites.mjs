/**
 * The two sites of a measurement as the measuring process sees them. What workloads do at a site is the same whatever holds
 * its bucket; here it is a nats-server, a connection and a bucket each. Everything is measured from A to B.
 */
import { DeliverPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { Kvm, KvWatchInclude } from "@nats-io/kv";
import { prepareWriter } from "./load.mjs";
import { numberOfValue } from "./plan.mjs";
import { startServers } from "./servers.mjs";
import { within } from "./wait.mjs";

export const BUCKET = "bench";
export const BUCKET_STREAM = `KV_${BUCKET}`;
export const SUBJECT_PREFIX = `$KV.${BUCKET}.`;

const READ_WITHIN_MS = 60_000;
/** Messages a reader has asked for at once. */
const READ_WINDOW = 4096;

/** @import { JetStreamClient, JetStreamManager } from "@nats-io/jetstream" */
/** @import { Server } from "./servers.mjs" */
/** @import { Stage } from "./stage.mjs" */
/** @import { Load } from "./plan.mjs" */
/** @import { WriterOptions, prepareWriter as PrepareWriter } from "./load.mjs" */
/** @typedef {{ values: Map<string, Buffer>, lastRevision: number }} Contents */
/** @typedef {{ lastRevision: number, messages: number }} Progress the newest change, and how many keys */
/**
 * @typedef {object} Site
 * @property {(load: Load, options?: WriterOptions) => ReturnType<PrepareWriter>} prepareWriter
 * @property {() => Promise<Progress>} progress
 * @property {() => Promise<Contents>} contents every key with its value, as the bucket holds them now
 * @property {() => Promise<(key: string, value: Uint8Array) => Promise<unknown>>} openBucket for puts
 * @property {(onSeen: (number: number) => void) => Promise<void>} watch tells of each value that becomes visible from now on
 *
 * @typedef {Site & Server & { client: JetStreamClient, manager: JetStreamManager }} NatsSite
 * @typedef {{ a: NatsSite, b: NatsSite }} Sites
 */

/**
 * Both servers run, and the bucket exists where applications would have made it.
 * @param {Stage} stage
 * @param {{ binary: string, leaf: boolean, bucketAtB: boolean }} options
 * @returns {Promise<Sites>}
 */
export async function openSites(stage, { binary, leaf, bucketAtB }) {
  const servers = await startServers(stage, { binary, leaf });
  const a = await openSite(stage, servers.a);
  const b = await openSite(stage, servers.b);
  for (const site of bucketAtB ? [a, b] : [a]) await new Kvm(site.client).create(BUCKET, { history: 1 });
  return { a, b };
}

/**
 * @param {Stage} stage
 * @param {Server} server
 * @returns {Promise<NatsSite>}
 */
async function openSite(stage, server) {
  const client = jetstream(server.connection);
  const manager = await jetstreamManager(server.connection);
  return {
    ...{ ...server, client, manager },
    prepareWriter: (load, options) => prepareWriter(stage, { url: server.url, subjectPrefix: SUBJECT_PREFIX, ...load }, options),
    async progress() {
      const { last_seq: lastRevision, messages } = (await manager.streams.info(BUCKET_STREAM)).state;
      return { lastRevision, messages };
    },
    contents: () => readContents(client, server.url),
    async openBucket() {
      const bucket = await new Kvm(client).open(BUCKET);
      return (key, value) => bucket.put(key, value);
    },
    watch: (onSeen) => watch(client, onSeen),
  };
}

/**
 * @param {JetStreamClient} client
 * @param {(number: number) => void} onSeen
 */
async function watch(client, onSeen) {
  const bucket = await new Kvm(client).open(BUCKET);
  const updates = await bucket.watch({ key: ">", include: KvWatchInclude.UpdatesOnly });
  const follow = async () => {
    for await (const { value } of updates) onSeen(numberOfValue(value));
  };
  // A watch that breaks shows as writes that were not seen.
  follow().catch(() => undefined);
}

/**
 * @param {JetStreamClient} client
 * @param {string} url
 * @returns {Promise<Contents>}
 */
async function readContents(client, url) {
  const consumer = await client.consumers.get(BUCKET_STREAM, { deliver_policy: DeliverPolicy.LastPerSubject });
  /** @type {Contents} */
  const contents = { values: new Map(), lastRevision: 0 };
  if ((await consumer.info()).num_pending === 0) return contents;
  /** @type {() => void} */
  let done = () => undefined;
  const complete = new Promise((/** @type {(value: void) => void} */ resolve) => (done = resolve));
  const messages = await consumer.consume({
    max_messages: READ_WINDOW,
    callback: (message) => {
      contents.values.set(message.subject.slice(SUBJECT_PREFIX.length), Buffer.from(message.data));
      contents.lastRevision = Math.max(contents.lastRevision, message.seq);
      if (message.info.pending === 0) done();
    },
  });
  try {
    await within(complete, { what: `bucket ${BUCKET} of ${url} is read to its end`, withinMs: READ_WITHIN_MS });
  } finally {
    messages.stop();
    await consumer.delete();
  }
  return contents;
}

/**
 * How many keys of `expected` another bucket does not hold byte for byte, and how many it holds beyond them.
 * @param {Map<string, Buffer>} expected
 * @param {Map<string, Buffer>} actual
 */
export function countDifferences(expected, actual) {
  let differences = 0;
  for (const [key, value] of expected) if (actual.get(key)?.equals(value) !== true) differences++;
  for (const key of actual.keys()) if (!expected.has(key)) differences++;
  return differences;
}
