/**
 * W6, many buckets: so many that nobody writes, at both sites. What they cost at rest; how long after a save that adds one
 * more its first operation has arrived at B; and how long it takes to take in a save that removes and adds a hundred.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Kvm } from "@nats-io/kv";
import { rounded } from "../figures.mjs";
import { createGateways } from "../gateways.mjs";
import { startMeter } from "../measure.mjs";
import { nowMs, until } from "../wait.mjs";
import { settle } from "./workload.mjs";

const MIB = 1024 * 1024;
const AT_ONCE = 100;
const LIVE_WITHIN_MS = 300_000;
const SEEN_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 200;
/** Buckets that are being made at a time. */
const MAKING = 16;

/** @import { Gateways } from "../gateways.mjs" */
/** @import { Sites } from "../sites.mjs" */
/** @import { Stage } from "../stage.mjs" */

/** @type {import("./workload.mjs").Workload} */
export const w6 = {
  name: "W6",
  title: ({ scale, size }) => `W6 many buckets: ${size.toLocaleString("en")} at rest for ${scale.idleSeconds} s, then one more, then ${AT_ONCE} others`,
  async measure({ stage, sites, scale, size }) {
    const names = namesOf("idle", size);
    const [more, others] = [namesOf("more", 1), namesOf("other", AT_ONCE)];
    await makeBuckets(sites, [...names, ...more, ...others]);
    const gateways = await createGateways(stage, sites, names);
    const beganMs = nowMs();
    for (const gateway of [gateways.a, gateways.b]) gateway.start();
    await bothLive(gateways, names, LOOK_EVERY_MS);
    const startMs = nowMs() - beganMs;
    await sleep(scale.idleSeconds * 1_000, undefined, { signal: stage.signal });

    const meter = startMeter(stage);
    await sleep(scale.idleSeconds * 1_000, undefined, { signal: stage.signal });
    const usage = await meter.read();
    const ofBoth = (/** @type {Readonly<Record<string, number>>} */ by) => Math.max(...[gateways.a, gateways.b].map(({ role }) => by[role] ?? 0));

    const addedMs = await add(stage, sites, gateways, [...names, ...more], more[0] ?? "");
    await settle(stage);
    const changedBeganMs = nowMs();
    const changed = [...names.slice(AT_ONCE), ...more, ...others];
    await gateways.configure(changed);
    await bothLive(gateways, changed, LOOK_EVERY_MS);
    const changedMs = nowMs() - changedBeganMs;
    const { loops } = await meter.read();
    return {
      operations: size,
      usage: { ...usage, loops },
      figures: {
        startMs: rounded(startMs, 0),
        idleCpuPercent: rounded((100 * ofBoth(usage.cpuSeconds)) / usage.wallSeconds, 2),
        idleMiB: rounded(ofBoth(usage.rssBytes) / MIB, 1),
        addedMs: rounded(addedMs, 0),
        changedMs: rounded(changedMs, 0),
      },
    };
  },
};

/**
 * @param {string} prefix
 * @param {number} count
 */
const namesOf = (prefix, count) => Array.from({ length: count }, (_, n) => `${prefix}-${String(n).padStart(4, "0")}`);

/**
 * @param {Gateways} gateways
 * @param {readonly string[]} names
 * @param {number} everyMs
 */
const bothLive = ({ a, b }, names, everyMs) => Promise.all([a, b].map((gateway) => gateway.untilLive(names, { withinMs: LIVE_WITHIN_MS, everyMs })));

/**
 * @param {Sites} sites
 * @param {readonly string[]} names
 */
async function makeBuckets({ a, b }, names) {
  const rest = [a, b].flatMap((site) => names.map((name) => ({ site, name })));
  const makeNext = async () => {
    for (let next = rest.pop(); next !== undefined; next = rest.pop()) await new Kvm(next.site.client).create(next.name, { history: 1 });
  };
  await Promise.all(Array.from({ length: MAKING }, makeNext));
}

/**
 * @param {Stage} stage
 * @param {Sites} sites
 * @param {Gateways} gateways
 * @param {readonly string[]} names
 * @param {string} added
 * @returns {Promise<number>} from the save until what was written there before is at B
 */
async function add(stage, sites, gateways, names, added) {
  const [from, to] = await Promise.all([sites.a, sites.b].map((site) => new Kvm(site.client).open(added)));
  await from?.put("k", "v");
  const beganMs = nowMs();
  await gateways.configure(names);
  const isThere = async () => (await to?.get("k")) !== null;
  await until(isThere, { what: `${added} is replicated`, withinMs: SEEN_WITHIN_MS, everyMs: 5, signal: stage.signal });
  return nowMs() - beganMs;
}
