/** Both sites hold so many keys, as they came: written at A by applications, carried to B by the gateways, proved equal. */
import { BUCKET } from "./sites.mjs";
import { until } from "./wait.mjs";

/** Millions of keys on a slow machine. */
const FILLED_WITHIN_MS = 300_000;
const LOOK_EVERY_MS = 200;

/** @import { Gateways } from "./gateways.mjs" */
/** @import { Sites } from "./sites.mjs" */
/** @import { Stage } from "./stage.mjs" */

/**
 * The gateways run afterwards.
 * @param {Stage} stage
 * @param {Sites} sites
 * @param {Gateways} gateways
 * @param {{ keys: number, valueBytes: number }} load
 */
export async function fill(stage, sites, gateways, { keys, valueBytes }) {
  const writer = await sites.a.prepareWriter({ writes: keys, keys, valueBytes });
  await writer.write();
  await writer.stop();
  for (const gateway of [gateways.a, gateways.b]) gateway.start();
  const limits = { withinMs: FILLED_WITHIN_MS, everyMs: LOOK_EVERY_MS, signal: stage.signal };
  await until(async () => (await sites.b.progress()).messages >= keys, { what: `B holds ${keys} keys`, ...limits });
  for (const gateway of [gateways.a, gateways.b]) await gateway.untilLive([BUCKET], { withinMs: FILLED_WITHIN_MS, everyMs: LOOK_EVERY_MS });
  await untilEqual(stage, gateways.b);
}

/**
 * Asks for a round with the peer, until one proves both equal.
 * @param {Stage} stage
 * @param {Gateways["b"]} gateway
 */
export async function untilEqual(stage, gateway) {
  const before = await lastEqualAt(gateway);
  await gateway.reconcile(BUCKET);
  const isProved = async () => {
    if ((await lastEqualAt(gateway)) === before) throw new Error("no round has proved it");
    return true;
  };
  await until(isProved, { what: "both sites are proved equal", withinMs: FILLED_WITHIN_MS, signal: stage.signal });
}

/** @param {Gateways["b"]} gateway */
async function lastEqualAt(gateway) {
  const status = await gateway.status();
  const [peer] = Object.values(status.buckets[BUCKET].peers);
  return /** @type {any} */ (peer).lastEqualAt;
}
