/** Starts the writer process and talks to it. */
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { within } from "./wait.mjs";

const WRITER = fileURLToPath(new URL("writer.mjs", import.meta.url));
const READY_WITHIN_MS = 30_000;
const WRITTEN_WITHIN_MS = 120_000;

/** @import { Child, Stage } from "./stage.mjs" */
/** @import { Job } from "./writer.mjs" */
/** @typedef {{ subjectPrefix?: string, withinMs?: number }} WriterOptions into another bucket, or for longer */

/**
 * Done when the writer has everything ready but has written nothing.
 * @param {Stage} stage
 * @param {Job} job
 * @param {WriterOptions} [options]
 */
export async function prepareWriter(stage, job, { withinMs = WRITTEN_WITHIN_MS, ...other } = {}) {
  const child = stage.start("writer", process.execPath, [WRITER, JSON.stringify({ ...job, ...other })], { ipc: true });
  await nextMessage(child, { what: "the writer is ready", withinMs: READY_WITHIN_MS });
  return {
    /** @returns {Promise<{ startedMs: number, finishedMs: number }>} */
    async write() {
      const answer = nextMessage(child, { what: `${job.writes} writes at A`, withinMs });
      child.process.send("go");
      return answer;
    },
    stop: () => stage.stop(child),
  };
}

/**
 * @param {Child} child
 * @param {{ what: string, withinMs: number }} options
 */
export async function nextMessage(child, options) {
  const [message] = await whileThere(child, once(child.process, "message"), options);
  return message;
}

/**
 * What a child is to answer, which it never does once it is gone: then nobody waits on.
 * @template T
 * @param {Child} child
 * @param {Promise<T>} answer
 * @param {{ what: string, withinMs: number }} options
 * @returns {Promise<T>}
 */
export async function whileThere({ role, exited }, answer, options) {
  const gone = exited.then(() => {
    throw new Error(`${role} is gone before ${options.what}`);
  });
  return within(Promise.race([answer, gone]), options);
}
