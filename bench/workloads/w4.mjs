/**
 * W4, reconcile: two sites that hold the same keys, and then ten that only A has and that no operation log tells of. Both
 * times B asks A; bytes are those of B's connection to A's server, both ways, with protocol and values.
 */
import { headers } from "@nats-io/transport-node";
import { fill, untilEqual } from "../fill.mjs";
import { rounded } from "../figures.mjs";
import { createGateways } from "../gateways.mjs";
import { startMeter } from "../measure.mjs";
import { BUCKET, SUBJECT_PREFIX } from "../sites.mjs";
import { nowMs, until } from "../wait.mjs";
import { settle } from "./workload.mjs";

const DIFFERENCES = 10;
const REPAIRED_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 5;
/** What a gateway writes beside a value that came from a peer: such an entry is not logged, so only reconcile finds it. */
const VERSION_HEADER = "Kvgw-Version";

/** @import { Sites } from "../sites.mjs" */

/** @type {import("./workload.mjs").Workload} */
export const w4 = {
  name: "W4",
  title: ({ size }) => `W4 reconcile: ${size.toLocaleString("en")} keys at both sites, equal, then ${DIFFERENCES} that B lacks`,
  async measure({ stage, sites, valueBytes, size: keys }) {
    const gateways = await createGateways(stage, sites, [BUCKET]);
    await fill(stage, sites, gateways, { keys, valueBytes });
    await settle(stage);
    const meter = startMeter(stage);

    const equalFrom = await traffic(sites, gateways.b.site);
    const equalBeganMs = nowMs();
    await untilEqual(stage, gateways.b);
    const equalMs = nowMs() - equalBeganMs;
    const equalTo = await traffic(sites, gateways.b.site);

    await differ(sites, keys, valueBytes);
    // A's gateway knows of them before the round begins.
    await settle(stage);
    const from = await traffic(sites, gateways.b.site);
    const beganMs = nowMs();
    await gateways.b.reconcile(BUCKET);
    const all = async () => (await sites.b.progress()).messages === keys + DIFFERENCES;
    await until(all, { what: "B has what it lacked", withinMs: REPAIRED_WITHIN_MS, everyMs: LOOK_EVERY_MS, signal: stage.signal });
    const repairedMs = nowMs() - beganMs;
    const to = await traffic(sites, gateways.b.site);
    return {
      operations: DIFFERENCES,
      usage: await meter.read(),
      figures: {
        equalBytes: equalTo.bytes - equalFrom.bytes,
        equalMessages: equalTo.messages - equalFrom.messages,
        equalMs: rounded(equalMs, 1),
        repairedMs: rounded(repairedMs, 1),
        repairedBytes: to.bytes - from.bytes,
        repairedMessages: to.messages - from.messages,
      },
    };
  },
};

/**
 * @param {Sites} sites
 * @param {number} keys
 * @param {number} valueBytes
 */
async function differ({ a }, keys, valueBytes) {
  for (let n = 0; n < DIFFERENCES; n++) {
    const set = headers();
    set.set(VERSION_HEADER, `${Date.now() * 1_000} site-a`);
    await a.client.publish(`${SUBJECT_PREFIX}other-${keys + n}`, new Uint8Array(valueBytes), { headers: set });
  }
}

/**
 * Of the connection that a site's gateway has at A's server.
 * @param {Sites} sites
 * @param {string} site
 */
async function traffic({ a }, site) {
  const { connections } = /** @type {any} */ (await (await fetch(`${a.monitor}/connz?limit=1024`)).json());
  const found = connections.filter((/** @type {any} */ each) => each.name === `kvgw ${site}`);
  if (found.length === 0) throw new Error(`no gateway of ${site} is connected to A`);
  const sum = (/** @type {(each: any) => number} */ of) => found.reduce((/** @type {number} */ total, /** @type {any} */ each) => total + of(each), 0);
  return { bytes: sum((each) => each.in_bytes + each.out_bytes), messages: sum((each) => each.in_msgs + each.out_msgs) };
}
