/** W3, latency: an even, light stream of writes at A, each until a KV watcher at B sees it. */
import { startMeter } from "../measure.mjs";
import { WRITES_PER_SECOND, createProbe } from "../probe.mjs";
import { settle } from "./workload.mjs";

/** @type {import("./workload.mjs").Workload} */
export const w3 = {
  name: "W3",
  title: ({ scale, valueBytes }) =>
    `W3 latency: ${WRITES_PER_SECOND} writes/s × ${valueBytes} B for ${scale.latencySeconds} s, ` +
    "until visible to a watcher at B",
  async measure({ stage, sites, prepared, scale, valueBytes }) {
    await (await prepared.start()).untilReady();
    const probe = await createProbe(stage, sites);
    await settle(stage);
    let meter = startMeter(stage);
    const begin = () => void (meter = startMeter(stage));
    const probed = await probe.run({ seconds: scale.latencySeconds, valueBytes, begin });
    return { ...probed, usage: await meter.read() };
  },
};
