/**
 * W3, latency: an even, light stream of writes. One process puts through the KV client at A and watches the bucket at B,
 * so one clock sees the call, the acknowledgement and the arrival of each write.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Kvm, KvWatchInclude } from "@nats-io/kv";
import { latencies, rounded } from "../figures.mjs";
import { startMeter } from "../measure.mjs";
import { keyOf, numberOfValue, valuesOfWrites } from "../plan.mjs";
import { BUCKET } from "../sites.mjs";
import { nowMs, until } from "../wait.mjs";
import { settle } from "./workload.mjs";

const WRITES_PER_SECOND = 200;
/** Each key is written again only after seconds, so no write is superseded on its way. */
const KEYS = 1_000;
const SEEN_WITHIN_MS = 15_000;
/** Written first and not counted: the measuring process compiles its own code at its first writes. */
const WARM_UP_SECONDS = 1;

/** @import { KV } from "@nats-io/kv" */
/** @import { Site } from "../sites.mjs" */
/** @typedef {{ callMs: Float64Array, ackMs: Float64Array, seenMs: Float64Array }} Times zero means not yet */

/** @type {import("./workload.mjs").Workload} */
export const w3 = {
  name: "W3",
  title: ({ scale, valueBytes }) =>
    `W3 latency: ${WRITES_PER_SECOND} writes/s × ${valueBytes} B for ${scale.latencySeconds} s, ` +
    "until visible to a watcher at B",
  async measure({ stage, sites, prepared, scale, valueBytes }) {
    const warmUp = WRITES_PER_SECOND * WARM_UP_SECONDS;
    const operations = WRITES_PER_SECOND * scale.latencySeconds;
    const all = warmUp + operations;
    const valueOf = valuesOfWrites({ writes: all, keys: KEYS, valueBytes });
    await (await prepared.start()).untilReady();
    /** @type {Times} */
    const times = { callMs: new Float64Array(all), ackMs: new Float64Array(all), seenMs: new Float64Array(all) };
    await watch(sites.b, times.seenMs);
    await settle(stage);

    const bucket = await new Kvm(sites.a.client).open(BUCKET);
    await write(bucket, { from: 0, to: warmUp, valueOf, times, signal: stage.signal });
    const meter = startMeter(stage);
    const latestMs = await write(bucket, { from: warmUp, to: all, valueOf, times, signal: stage.signal });
    const limits = { what: "every write is visible at B", withinMs: SEEN_WITHIN_MS, signal: stage.signal };
    await until(() => allSeen(times), limits);
    const usage = meter.read();

    const between = (/** @type {Float64Array} */ from, /** @type {Float64Array} */ to) =>
      latencies(Array.from(to, (ms, number) => ms - (from[number] ?? 0)).slice(warmUp));
    return {
      operations,
      fromCall: between(times.callMs, times.seenMs),
      fromAck: between(times.ackMs, times.seenMs),
      callToAck: between(times.callMs, times.ackMs),
      writerLateMaxMs: rounded(latestMs, 1),
      usage,
    };
  },
};

/**
 * @param {Site} site
 * @param {Float64Array} seenMs
 */
async function watch(site, seenMs) {
  const bucket = await new Kvm(site.client).open(BUCKET);
  const updates = await bucket.watch({ key: ">", include: KvWatchInclude.UpdatesOnly });
  const follow = async () => {
    for await (const { value } of updates) {
      const seenAtMs = nowMs();
      const number = numberOfValue(value);
      if (seenMs[number] === 0) seenMs[number] = seenAtMs;
    }
  };
  // A watch that breaks shows as writes that were not seen.
  follow().catch(() => undefined);
}

/**
 * Never waits for an acknowledgement before the next write: a slow one must not thin out the load.
 * @param {KV} bucket
 * @param {{ from: number, to: number, valueOf: (write: number) => Buffer, times: Times, signal: AbortSignal }} options
 * @returns {Promise<number>} by how many ms the latest write missed its moment
 */
async function write(bucket, { from, to, valueOf, times, signal }) {
  const startedMs = nowMs();
  let latestMs = 0;
  const puts = [];
  for (let number = from; number < to; number++) {
    const dueMs = startedMs + ((number - from) * 1000) / WRITES_PER_SECOND;
    if (dueMs > nowMs()) await sleep(dueMs - nowMs(), undefined, { signal });
    times.callMs[number] = nowMs();
    latestMs = Math.max(latestMs, nowMs() - dueMs);
    const put = bucket.put(keyOf(number % KEYS), valueOf(number)).then(() => void (times.ackMs[number] = nowMs()));
    put.catch(() => undefined);
    puts.push(put);
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
