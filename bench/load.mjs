/** Starts the writer process and talks to it. */
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { SUBJECT_PREFIX } from "./sites.mjs";
import { within } from "./wait.mjs";

const WRITER = fileURLToPath(new URL("writer.mjs", import.meta.url));
const READY_WITHIN_MS = 30_000;
const WRITTEN_WITHIN_MS = 120_000;

/** @import { Load } from "./plan.mjs" */
/** @import { Site } from "./sites.mjs" */
/** @import { Child, Stage } from "./stage.mjs" */

/**
 * Done when the writer has everything ready but has written nothing.
 * @param {Stage} stage
 * @param {Site} site
 * @param {Load} load
 * @param {{ subjectPrefix?: string, writtenWithinMs?: number }} [options] into another bucket, or for longer
 */
export async function prepareWriter(stage, site, load, { subjectPrefix = SUBJECT_PREFIX, writtenWithinMs = WRITTEN_WITHIN_MS } = {}) {
  const job = JSON.stringify({ ...load, url: site.url, subjectPrefix });
  const child = stage.start("writer", process.execPath, [WRITER, job], { ipc: true });
  await nextMessage(child, { what: "the writer is ready", withinMs: READY_WITHIN_MS });
  return {
    /** @returns {Promise<{ startedMs: number, finishedMs: number }>} */
    async write() {
      const answer = nextMessage(child, { what: `${load.writes} writes at A`, withinMs: writtenWithinMs });
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
  const [message] = await within(once(child.process, "message"), options);
  return message;
}
