/**
 * An even, light stream of writes, and when each is seen: one process puts as applications do at A and watches the bucket
 * at B, so one clock sees the call, the acknowledgement and the arrival of each write.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { latencies, rounded } from "./figures.mjs";
import { keyOf, valuesOfWrites } from "./plan.mjs";
import { nowMs, until } from "./wait.mjs";

export const WRITES_PER_SECOND = 200;
/** Each key is written again only after seconds, so no write is superseded on its way. */
const KEYS = 1_000;
const SEEN_WITHIN_MS = 15_000;
/** Written first and not counted: the measuring process compiles its own code at its first writes. */
const WARM_UP_SECONDS = 1;

/** @import { Latencies } from "./figures.mjs" */
/** @import { Sites } from "./sites.mjs" */
/** @import { Stage } from "./stage.mjs" */
/** @typedef {{ callMs: Float64Array, ackMs: Float64Array, seenMs: Float64Array }} Times zero means not yet */
/**
 * @typedef {{ operations: number, fromCall: Latencies, fromAck: Latencies, callToAck: Latencies,
 *   writerLateMaxMs: number }} Probed
 */

/**
 * Watches B from now on; each `run` is one stream of writes at A, and what came of it.
 * @param {Stage} stage
 * @param {Sites} sites
 */
export async function createProbe({ signal }, { a, b }) {
  const putAtA = await a.openBucket();
  /** @type {Float64Array} */
  let seenMs = new Float64Array();
  // Of this run; what an earlier run has written counts no more.
  let firstNumber = 0;
  await b.watch((number) => {
    const at = number - firstNumber;
    if (seenMs[at] === 0) seenMs[at] = nowMs();
  });
  return {
    /**
     * @param {{ seconds: number, valueBytes: number, begin?: () => void }} options `begin` is called when what counts begins
     * @returns {Promise<Probed>}
     */
    async run({ seconds, valueBytes, begin = () => undefined }) {
      const warmUp = WRITES_PER_SECOND * WARM_UP_SECONDS;
      const operations = WRITES_PER_SECOND * seconds;
      const all = warmUp + operations;
      firstNumber += seenMs.length;
      seenMs = new Float64Array(all);
      const valueOf = valuesOfWrites({ writes: firstNumber + all, keys: KEYS, valueBytes });
      const times = { callMs: new Float64Array(all), ackMs: new Float64Array(all), seenMs };
      const put = (/** @type {number} */ number) => putAtA(keyOf(number % KEYS), valueOf(firstNumber + number));
      await write({ from: 0, to: warmUp, put, times, signal });
      begin();
      const latestMs = await write({ from: warmUp, to: all, put, times, signal });
      await until(() => allSeen(times), { what: "every write is visible at B", withinMs: SEEN_WITHIN_MS, signal });
      const between = (/** @type {Float64Array} */ from, /** @type {Float64Array} */ to) =>
        latencies(Array.from(to, (ms, number) => ms - (from[number] ?? 0)).slice(warmUp));
      return {
        operations,
        fromCall: between(times.callMs, times.seenMs),
        fromAck: between(times.ackMs, times.seenMs),
        callToAck: between(times.callMs, times.ackMs),
        writerLateMaxMs: rounded(latestMs, 1),
      };
    },
  };
}

/**
 * Never waits for an acknowledgement before the next write: a slow one must not thin out the load.
 * @param {{ from: number, to: number, put: (number: number) => Promise<unknown>, times: Times, signal: AbortSignal }} options
 * @returns {Promise<number>} by how many ms the latest write missed its moment
 */
async function write({ from, to, put, times, signal }) {
  const startedMs = nowMs();
  let latestMs = 0;
  const puts = [];
  for (let number = from; number < to; number++) {
    const dueMs = startedMs + ((number - from) * 1000) / WRITES_PER_SECOND;
    if (dueMs > nowMs()) await sleep(dueMs - nowMs(), undefined, { signal });
    times.callMs[number] = nowMs();
    latestMs = Math.max(latestMs, nowMs() - dueMs);
    const done = put(number).then(() => void (times.ackMs[number] = nowMs()));
    done.catch(() => undefined);
    puts.push(done);
  }
  await Promise.all(puts);
  return latestMs;
}

/** @param {Times} times */
function allSeen({ seenMs }) {
  const missing = seenMs.filter((ms) => ms === 0).length;
  if (missing > 0) throw new Error(`${missing} of ${seenMs.length} writes are missing`);
  return true;
}
