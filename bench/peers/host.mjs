/**
 * What the program of a peer's site is to the measuring process: calls over the channel between them, answered one by one.
 * It ends with its parent.
 */
import { nowMs } from "../wait.mjs";

/** @import { Load } from "../plan.mjs" */
/**
 * @typedef {object} Calls
 * @property {(load: Load) => unknown} prepare makes the writes ready
 * @property {() => Promise<unknown>} write writes them all; the answer says when
 * @property {() => unknown} progress how many changes, and how many keys, this site holds
 * @property {() => unknown} contents every key with its value
 * @property {(entry: { key: string, value: Uint8Array }) => unknown} put
 * @property {() => unknown} watch reports from now on what becomes visible here
 * @property {(peer: { url: string }) => unknown} connect begins to merge with the other site, both ways; done when equal
 */

/** @param {Calls} calls */
export function serve(calls) {
  process.on("disconnect", () => process.exit(0));
  process.on("message", async (/** @type {any} */ { id, call, argument }) => {
    if (call === undefined) return;
    try {
      const startedMs = nowMs();
      const answer = await calls[/** @type {keyof Calls} */ (call)](argument);
      process.send?.({ id, answer: call === "write" ? { startedMs, finishedMs: nowMs() } : answer });
    } catch (error) {
      process.send?.({ id, error: error instanceof Error ? error.message : JSON.stringify(error) });
    }
  });
  process.send?.({ ready: true });
}

/** @param {number} write the number in a value that became visible */
export function reportSeen(write) {
  process.send?.({ seen: write });
}
