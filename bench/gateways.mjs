/**
 * The product's processes of one measurement: one `kvgw run` per site, between two separate servers, with the buckets that
 * it is told. All settings but addresses are the defaults.
 */
import { existsSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { freePorts } from "./servers.mjs";
import { until } from "./wait.mjs";

/** KVGW_MAIN measures another build, such as the one of an earlier version. */
const MAIN = resolve(process.env["KVGW_MAIN"] ?? fileURLToPath(new URL("../dist/main.js", import.meta.url)));
const LIVE_WITHIN_MS = 60_000;
const ANSWER_WITHIN_MS = 5_000;
const POLL_EVERY_MS = 50;

/** @import { Sites } from "./sites.mjs" */
/** @import { Child, Stage } from "./stage.mjs" */
/** @typedef {Awaited<ReturnType<typeof createGateways>>} Gateways */
/** @typedef {Gateways["a"]} Gateway */

/**
 * Writes their files and starts nothing.
 * @param {Stage} stage
 * @param {Sites} sites
 * @param {readonly string[]} buckets
 */
export async function createGateways(stage, sites, buckets) {
  if (!existsSync(MAIN)) throw new Error(`there is no ${MAIN}: run \`npm run build\`, or set KVGW_MAIN to a main.js`);
  const [portA = 0, portB = 0] = await freePorts(2);
  const a = gateway(stage, { role: "gateway-a", site: "site-a", peer: "site-b", port: portA });
  const b = gateway(stage, { role: "gateway-b", site: "site-b", peer: "site-a", port: portB });
  /** Other buckets for both; gateways that run take them in. @param {readonly string[]} names */
  const configure = async (names) => {
    for (const { config, port } of [a, b]) {
      await writeFile(`${config}.next`, configText(sites, port, names));
      await rename(`${config}.next`, config);
    }
  };
  await configure(buckets);
  return { a, b, configure };
}

/**
 * @param {Stage} stage
 * @param {{ role: string, site: string, peer: string, port: number }} options
 */
function gateway(stage, { role, site, peer, port }) {
  const config = join(stage.folder, `${role}.yaml`);
  /** @type {Child | undefined} */
  let child;
  const ask = async (/** @type {string} */ path, /** @type {"GET" | "POST"} */ method = "GET") => {
    const answer = await fetch(`http://127.0.0.1:${port}/${path}`, { method, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    if (!answer.ok) throw new Error(`${method} ${path} of ${role}: ${answer.status}`);
    return answer;
  };
  const status = async () => /** @type {any} */ (await (await ask("api/v1/status")).json());
  return {
    ...{ role, site, config, port, status },
    start() {
      child = stage.start(role, process.execPath, [MAIN, "run", "-c", config, "--site", site], { watched: true });
    },
    /** As by a crash, which leaves the more to the next start. */
    async stop() {
      if (child !== undefined) await stage.stop(child);
    },
    reconcile: async (/** @type {string} */ bucket) => void (await ask(`api/v1/buckets/${bucket}/reconcile`, "POST")),
    /**
     * Until it says of each of these buckets, and of no other, that it is live.
     * @param {readonly string[]} buckets
     * @param {{ withPeer?: boolean, withinMs?: number, everyMs?: number }} [options]
     */
    untilLive(buckets, { withPeer = true, withinMs = LIVE_WITHIN_MS, everyMs = POLL_EVERY_MS } = {}) {
      const what = `${role} is ready${withPeer ? ` and reads ${peer}` : ""}`;
      return until(async () => isLive(await status(), buckets, withPeer ? peer : null), { what, withinMs, everyMs, signal: stage.signal });
    },
  };
}

/**
 * `/readyz` does not speak of peers, the status does.
 * @param {any} status
 * @param {readonly string[]} buckets
 * @param {string | null} peer
 */
function isLive(status, buckets, peer) {
  const found = Object.keys(status.buckets ?? {}).length;
  if (found !== buckets.length) throw new Error(`it has ${found} buckets instead of ${buckets.length}`);
  for (const name of buckets) {
    const bucket = status.buckets[name];
    const state = peer === null ? "live" : bucket?.peers?.[peer]?.state;
    if (bucket?.state !== "live" || state !== "live") throw new Error(`bucket ${name} is ${bucket?.state}, its peer ${state}`);
  }
  return true;
}

/**
 * @param {Sites} sites
 * @param {number} httpPort
 * @param {readonly string[]} buckets
 */
function configText({ a, b }, httpPort, buckets) {
  return [
    "version: 1",
    "sites:",
    `  site-a: { servers: ["${a.url}"] }`,
    `  site-b: { servers: ["${b.url}"] }`,
    "buckets:",
    ...buckets.map((name) => `  ${name}: {}`),
    `http: { listen: "127.0.0.1:${httpPort}" }`,
    "log: { level: warn }",
    "",
  ].join("\n");
}
