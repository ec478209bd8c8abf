/**
 * The two sites of a measurement as the measuring process sees them: a server, a connection and a bucket each. Everything
 * is measured from A to B.
 */
import { DeliverPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
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
/** @typedef {Server & { client: JetStreamClient, manager: JetStreamManager }} Site */
/** @typedef {{ a: Site, b: Site }} Sites */
/** @typedef {{ values: Map<string, Buffer>, lastRevision: number }} Contents */

/**
 * Both servers run, and the bucket exists where applications would have made it.
 * @param {Stage} stage
 * @param {{ binary: string, leaf: boolean, bucketAtB: boolean }} options
 * @returns {Promise<Sites>}
 */
export async function openSites(stage, { binary, leaf, bucketAtB }) {
  const servers = await startServers(stage, { binary, leaf });
  const a = await openSite(servers.a);
  const b = await openSite(servers.b);
  for (const site of bucketAtB ? [a, b] : [a]) await new Kvm(site.client).create(BUCKET, { history: 1 });
  return { a, b };
}

/**
 * @param {Server} server
 * @returns {Promise<Site>}
 */
async function openSite(server) {
  return { ...server, client: jetstream(server.connection), manager: await jetstreamManager(server.connection) };
}

/**
 * Every key with its value, as the bucket holds them now.
 * @param {Site} site
 * @returns {Promise<Contents>}
 */
export async function readContents(site) {
  const consumer = await site.client.consumers.get(BUCKET_STREAM, { deliver_policy: DeliverPolicy.LastPerSubject });
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
    await within(complete, { what: `bucket ${BUCKET} of ${site.url} is read to its end`, withinMs: READ_WITHIN_MS });
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
