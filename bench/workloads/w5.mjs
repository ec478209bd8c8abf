/**
 * W5, start: a gateway whose bucket and operation log hold so many keys is killed and started again. Measured from the
 * start of its process until the bucket is live, and what it needs of memory above one whose bucket is empty.
 */
import { fill } from "../fill.mjs";
import { rounded } from "../figures.mjs";
import { createGateways } from "../gateways.mjs";
import { joined, startMeter } from "../measure.mjs";
import { BUCKET } from "../sites.mjs";
import { nowMs } from "../wait.mjs";
import { settle } from "./workload.mjs";

const MIB = 1024 * 1024;

/** @import { Gateway } from "../gateways.mjs" */
/** @import { Stage } from "../stage.mjs" */

/** @type {import("./workload.mjs").Workload} */
export const w5 = {
  name: "W5",
  title: ({ size }) => `W5 start: a gateway with ${size.toLocaleString("en")} keys in bucket and log, from its start until it is live`,
  async measure({ stage, sites, valueBytes, size: keys }) {
    const gateways = await createGateways(stage, sites, [BUCKET]);
    const empty = await started(stage, gateways.a);
    await fill(stage, sites, gateways, { keys, valueBytes });
    for (const gateway of [gateways.a, gateways.b]) await gateway.stop();
    const origin = await started(stage, gateways.a);
    const copy = await started(stage, gateways.b);
    return {
      operations: keys,
      usage: joined([origin.usage, copy.usage]),
      figures: {
        emptyStartMs: empty.ms,
        originStartMs: origin.ms,
        copyStartMs: copy.ms,
        emptyMiB: rounded(empty.rssBytes / MIB, 1),
        originBytesPerKey: rounded((origin.rssBytes - empty.rssBytes) / keys, 1),
        copyBytesPerKey: rounded((copy.rssBytes - empty.rssBytes) / keys, 1),
        originPeakBytesPerKey: rounded((origin.peakBytes - empty.peakBytes) / keys, 1),
      },
    };
  },
};

/**
 * Starts it alone, and stops it when it has come to rest.
 * @param {Stage} stage
 * @param {Gateway} gateway
 */
async function started(stage, gateway) {
  const meter = startMeter(stage);
  const beganMs = nowMs();
  gateway.start();
  await gateway.untilLive([BUCKET], { withPeer: false, withinMs: 120_000 });
  const ms = rounded(nowMs() - beganMs, 0);
  await settle(stage);
  const usage = await meter.read();
  await gateway.stop();
  return { ms, usage, rssBytes: usage.rssBytes[gateway.role] ?? 0, peakBytes: usage.peakRssBytes[gateway.role] ?? 0 };
}
