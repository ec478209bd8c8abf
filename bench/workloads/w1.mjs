/**
 * W1, backlog: A holds all keys before anything runs. Measured from the start of the subject (processes included) until B
 * holds them all, byte for byte.
 */
import { startSampling, untilArrived } from "../arrival.mjs";
import { rounded } from "../figures.mjs";
import { startMeter } from "../measure.mjs";
import { contentsAfter } from "../plan.mjs";
import { nowMs } from "../wait.mjs";

const ARRIVED_WITHIN_MS = 120_000;

/** @type {import("./workload.mjs").Workload} */
export const w1 = {
  name: "W1",
  title: ({ scale, valueBytes }) =>
    `W1 backlog: ${scale.backlogKeys.toLocaleString("en")} keys × ${valueBytes} B, from start until B holds all`,
  async measure({ stage, sites, prepared, scale, valueBytes }) {
    const load = { writes: scale.backlogKeys, keys: scale.backlogKeys, valueBytes };
    const writer = await sites.a.prepareWriter(load);
    await writer.write();
    await writer.stop();
    const expected = contentsAfter(load);

    const sampling = startSampling(sites.b, stage.signal);
    const meter = startMeter(stage);
    const startedMs = nowMs();
    await prepared.start();
    const options = { sampling, expected, stage, withinMs: ARRIVED_WITHIN_MS, readUsage: meter.read };
    const { firstAtMs, completeAtMs, storedAtB, usage } = await untilArrived(sites, options);
    const ms = completeAtMs - startedMs;
    return {
      operations: load.writes,
      operationsPerSecond: rounded((load.writes / ms) * 1000, 0),
      ms: rounded(ms, 1),
      firstAtBMs: rounded(firstAtMs - startedMs, 1),
      storedAtB,
      usage,
    };
  },
};
