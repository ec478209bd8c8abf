/**
 * The yardstick: the simplest program that continuously copies a bucket one way, `copy-loop.mjs FROM_URL TO_URL BUCKET`.
 * A raw pull consumer against credit, acknowledged publishes through one reply inbox with 1,024 in flight, consumer
 * acknowledgements batched. No versions, no compare-and-set, no log, no second direction: about what one Node process can
 * copy at all. It ends with its parent.
 */
import { AckPolicy, DeliverPolicy, jetstreamManager } from "@nats-io/jetstream";
import { connect, createInbox } from "@nats-io/transport-node";
import { createPublisher } from "./publisher.mjs";

const IN_FLIGHT = 1024;
const CREDIT_STEP = IN_FLIGHT / 2;
const ACKNOWLEDGE_WITHIN_MS = 50;
const PULL_EXPIRES_NS = 60e9;
const CONSUMER = "copy_loop";

/** @import { Msg } from "@nats-io/transport-node" */

process.on("disconnect", () => process.exit(0));

const [fromUrl = "", toUrl = "", bucket = ""] = process.argv.slice(2);
const stream = `KV_${bucket}`;
const from = await connect({ servers: fromUrl, name: "copy loop" });
const to = await connect({ servers: toUrl, name: "copy loop" });
const publisher = createPublisher(to);
await (await jetstreamManager(from)).consumers.add(stream, {
  durable_name: CONSUMER,
  ack_policy: AckPolicy.All,
  deliver_policy: DeliverPolicy.All,
  max_ack_pending: 16 * IN_FLIGHT,
});

const inbox = createInbox();
const pullSubject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${CONSUMER}`;
let credit = 0;
let acknowledgeSubject = "";
/** @type {NodeJS.Timeout | undefined} */
let timer;

from.subscribe(inbox, { callback: (failure, message) => (failure === null ? onMessage(message) : giveUp(failure)) });
pull(IN_FLIGHT);
process.send?.("ready");

/** @param {Msg} message */
function onMessage(message) {
  const { reply } = message;
  // A status has nobody to acknowledge to; the one of a pull that expired names what it did not deliver.
  if (!reply) return pull(Number(message.headers?.get("Nats-Pending-Messages") ?? 0));
  publisher.publish(message.subject, message.data, message.headers, (failure) => {
    if (failure !== null) return giveUp(failure);
    // B stores in the order of publishing, so the newest stored one speaks for all before it.
    acknowledgeSubject = reply;
    if (++credit === CREDIT_STEP) {
      pull(CREDIT_STEP);
      credit = 0;
    }
    timer ??= setTimeout(acknowledge, ACKNOWLEDGE_WITHIN_MS);
  });
}

/** @param {number} batch */
function pull(batch) {
  if (batch > 0) from.publish(pullSubject, JSON.stringify({ batch, expires: PULL_EXPIRES_NS }), { reply: inbox });
}

function acknowledge() {
  timer = undefined;
  from.publish(acknowledgeSubject, "+ACK");
}

/** @param {Error} failure */
function giveUp(failure) {
  console.error(failure.message);
  process.exit(1);
}
