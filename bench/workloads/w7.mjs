/** W7, a hot neighbour: the latency of one bucket while nobody writes another, and while somebody does as fast as possible. */
import { Kvm } from "@nats-io/kv";
import { rounded } from "../figures.mjs";
import { createGateways } from "../gateways.mjs";
import { startMeter } from "../measure.mjs";
import { WRITES_PER_SECOND, createProbe } from "../probe.mjs";
import { BUCKET } from "../sites.mjs";
import { settle } from "./workload.mjs";

const HOT = "hot";
const HOT_KEYS = 10_000;
/** More than any writer manages in the time of the probe; what is left of it is cut off. */
const HOT_WRITES_PER_SECOND = 60_000;

/** @type {import("./workload.mjs").Workload} */
export const w7 = {
  name: "W7",
  title: ({ scale }) =>
    `W7 hot neighbour: ${WRITES_PER_SECOND} writes/s to one bucket for ${scale.latencySeconds} s, alone and beside one that is written at full speed`,
  async measure({ stage, sites, scale, valueBytes }) {
    for (const site of [sites.a, sites.b]) await new Kvm(site.client).create(HOT, { history: 1 });
    const gateways = await createGateways(stage, sites, [BUCKET, HOT]);
    for (const gateway of [gateways.a, gateways.b]) gateway.start();
    for (const gateway of [gateways.a, gateways.b]) await gateway.untilLive([BUCKET, HOT]);
    const probe = await createProbe(stage, sites);
    await settle(stage);
    const alone = await probe.run({ seconds: scale.latencySeconds, valueBytes });

    const load = { writes: HOT_WRITES_PER_SECOND * scale.latencySeconds, keys: HOT_KEYS, valueBytes };
    const writer = await sites.a.prepareWriter(load, { subjectPrefix: `$KV.${HOT}.`, withinMs: 600_000 });
    writer.write().catch(() => undefined);
    const meter = startMeter(stage);
    const beside = await probe.run({ seconds: scale.latencySeconds, valueBytes });
    const usage = await meter.read();
    await writer.stop();
    const hotWrites = (await sites.a.manager.streams.info(`KV_${HOT}`)).state.last_seq;
    return {
      operations: beside.operations,
      usage,
      figures: {
        aloneP50: alone.fromCall.p50,
        aloneP99: alone.fromCall.p99,
        besideP50: beside.fromCall.p50,
        besideP99: beside.fromCall.p99,
        p99Ratio: rounded(beside.fromCall.p99 / alone.fromCall.p99, 2),
        hotWritesPerSecond: rounded(hotWrites / usage.wallSeconds, 0),
      },
    };
  },
};
