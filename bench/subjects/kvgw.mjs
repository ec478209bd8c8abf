/** The product as a subject: two real `kvgw run` processes between two separate servers, both ways as always. */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { freePorts } from "../servers.mjs";
import { BUCKET } from "../sites.mjs";
import { until } from "../wait.mjs";

/** KVGW_MAIN measures another build, such as the one of an earlier version. */
const MAIN = resolve(process.env["KVGW_MAIN"] ?? fileURLToPath(new URL("../../dist/main.js", import.meta.url)));
const LIVE_WITHIN_MS = 60_000;
const ANSWER_WITHIN_MS = 2_000;
const POLL_EVERY_MS = 50;

/** @import { Sites } from "../sites.mjs" */

/** @type {import("./subject.mjs").Subject} */
export const kvgw = {
  name: "kvgw",
  differs: "both ways, two processes, with versions, compare-and-set and a durable operation log at each site",
  leaf: false,
  bucketAtB: true,
  async prepare(stage, sites) {
    if (!existsSync(MAIN)) throw new Error(`there is no ${MAIN}: run \`npm run build\`, or set KVGW_MAIN to a main.js`);
    const [portA = 0, portB = 0] = await freePorts(2);
    const gateways = [
      { role: "gateway-a", site: "site-a", peer: "site-b", port: portA },
      { role: "gateway-b", site: "site-b", peer: "site-a", port: portB },
    ];
    const config = (/** @type {string} */ role) => join(stage.folder, `${role}.yaml`);
    for (const { role, port } of gateways) await writeFile(config(role), configText(sites, port));
    return {
      async start() {
        for (const { role, site } of gateways) {
          stage.start(role, process.execPath, [MAIN, "run", "-c", config(role), "--site", site]);
        }
        const bounds = { withinMs: LIVE_WITHIN_MS, everyMs: POLL_EVERY_MS, signal: stage.signal };
        const untilLive = gateways.map(({ role, port, peer }) => () => {
          return until(() => isLive(port, peer), { what: `${role} is ready and reads ${peer}`, ...bounds });
        });
        return { untilReady: () => Promise.all(untilLive.map((wait) => wait())) };
      },
    };
  },
};

/**
 * All settings but addresses are the defaults.
 * @param {Sites} sites
 * @param {number} httpPort
 */
function configText({ a, b }, httpPort) {
  return [
    "version: 1",
    "sites:",
    `  site-a: { servers: ["${a.url}"] }`,
    `  site-b: { servers: ["${b.url}"] }`,
    "buckets:",
    `  ${BUCKET}: {}`,
    `http: { listen: "127.0.0.1:${httpPort}" }`,
    "log: { level: warn }",
    "",
  ].join("\n");
}

/**
 * `/readyz` does not speak of peers, the status does.
 * @param {number} port
 * @param {string} peer
 */
async function isLive(port, peer) {
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/status`, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  const status = /** @type {any} */ (await answer.json());
  const bucket = status.buckets?.[BUCKET];
  const state = bucket?.peers?.[peer]?.state;
  if (!status.ready || bucket?.state !== "live" || state !== "live") {
    throw new Error(`ready: ${status.ready}, bucket ${bucket?.state}, peer ${state}`);
  }
  return true;
}
