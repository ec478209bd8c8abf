/**
 * W2, live stream: an application writes as fast as it can while the subject runs. Measured from the first write until
 * the last key's final value is at B, which a full comparison then proves.
 */
import { startSampling, untilArrived } from "../arrival.mjs";
import { rounded } from "../figures.mjs";
import { startMeter } from "../measure.mjs";
import { contentsAfter } from "../plan.mjs";
import { settle } from "./workload.mjs";

const ARRIVED_WITHIN_MS = 120_000;

/** @type {import("./workload.mjs").Workload} */
export const w2 = {
  name: "W2",
  title: ({ scale, valueBytes }) =>
    `W2 live stream: ${scale.streamWrites.toLocaleString("en")} writes × ${valueBytes} B over ` +
    `${scale.streamKeys.toLocaleString("en")} keys, 1,024 in flight, from the first write until B holds every last value`,
  async measure({ stage, sites, prepared, scale, valueBytes }) {
    const load = { writes: scale.streamWrites, keys: scale.streamKeys, valueBytes };
    const expected = contentsAfter(load);
    const writer = await sites.a.prepareWriter(load);
    await (await prepared.start()).untilReady();
    const sampling = startSampling(sites.b, stage.signal);
    await settle(stage);

    const meter = startMeter(stage);
    const { startedMs, finishedMs } = await writer.write();
    const options = { sampling, expected, stage, withinMs: ARRIVED_WITHIN_MS, readUsage: meter.read };
    const { firstAtMs, completeAtMs, storedAtB, usage } = await untilArrived(sites, options);
    const ms = completeAtMs - startedMs;
    return {
      operations: load.writes,
      operationsPerSecond: rounded((load.writes / ms) * 1000, 0),
      ms: rounded(ms, 1),
      firstAtBMs: rounded(firstAtMs - startedMs, 1),
      writerMs: rounded(finishedMs - startedMs, 1),
      behindWriterMs: rounded(completeAtMs - finishedMs, 1),
      storedAtB,
      usage,
    };
  },
};
