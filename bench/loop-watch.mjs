/**
 * Preloaded (`node --import`) into each process of Node that is measured, which knows nothing of it: how long its event
 * loop stood still, and how much of its work was garbage collection. Asked over the channel to the measuring process.
 *
 * It counts from its parent's word, or from the first connection of the process if that comes later: while a program is
 * being loaded, nobody waits for it.
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { PerformanceObserver, monitorEventLoopDelay, performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

/** A stall is seen as at most this much longer than it was. Finer costs an idle process more CPU than it uses. */
const RESOLUTION_MS = 5;
const FIRST_CONNECTION = "net.client.socket";

/**
 * @typedef {object} Loop
 * @property {number} longestStallMs
 * @property {number} gcMs
 * @property {number} busyMs the event loop was at work, which garbage collection is a part of
 */

const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
let collectedMs = 0;
let utilization = performance.eventLoopUtilization();

new PerformanceObserver((entries) => {
  for (const { duration } of entries.getEntries()) collectedMs += duration;
}).observe({ entryTypes: ["gc"] });
subscribe(FIRST_CONNECTION, begin);
process.on("message", async (/** @type {{ loop?: "begin" | "read" }} */ { loop }) => {
  if (loop === "begin") begin();
  if (loop === "read") process.send?.({ loop: await read() });
});
// What is watched ends as if it were not.
process.channel?.unref();

function begin() {
  unsubscribe(FIRST_CONNECTION, begin);
  delays.enable();
  delays.reset();
  collectedMs = 0;
  utilization = performance.eventLoopUtilization();
}

/** @returns {Promise<Loop>} */
async function read() {
  // A stall that has just ended, and collections during it, are told of only after the timers that it held up.
  await sleep(2 * RESOLUTION_MS);
  const round = (/** @type {number} */ ms) => Math.round(ms * 10) / 10;
  const { active } = performance.eventLoopUtilization(utilization);
  return { longestStallMs: round(delays.max / 1e6), gcMs: round(collectedMs), busyMs: round(active) };
}
