/**
 * The process that writes the load of W1 and W2 into the bucket at A, so that no CPU of it is a subject's: it prepares
 * the writes, says so, waits for the word to go, and reports when it began and ended. It ends with its parent.
 */
import { connect } from "@nats-io/transport-node";
import { keyOf, keysOfWrites, valuesOfWrites } from "./plan.mjs";
import { createPublisher, pipelined } from "./publisher.mjs";
import { nowMs } from "./wait.mjs";

/** Acknowledgements a busy application would let be outstanding. */
const IN_FLIGHT = 1024;

/** @typedef {import("./plan.mjs").Load & { url: string, subjectPrefix: string }} Job */

process.on("disconnect", () => process.exit(0));

const job = /** @type {Job} */ (JSON.parse(process.argv[2] ?? "{}"));
const subjects = Array.from(keysOfWrites(job), (key) => job.subjectPrefix + keyOf(key));
const valueOf = valuesOfWrites(job);
const connection = await connect({ servers: job.url, name: "bench writer" });
const publisher = createPublisher(connection);

process.once("message", async () => {
  const startedMs = nowMs();
  await pipelined(job.writes, IN_FLIGHT, (write, done) => {
    publisher.publish(subjects[write] ?? "", valueOf(write), undefined, done);
  });
  process.send?.({ startedMs, finishedMs: nowMs() });
});
process.send?.("ready");
