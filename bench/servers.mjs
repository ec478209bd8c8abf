/**
 * Two real nats-servers with JetStream for one measurement: free ports of 127.0.0.1, file storage in the stage's folder,
 * everything else as the server has it by default. With `leaf`, B is a leaf node of A and each has a JetStream domain.
 */
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { until } from "./wait.mjs";

const READY_WITHIN_MS = 15_000;

/** @import { NatsConnection } from "@nats-io/transport-node" */
/** @import { Stage } from "./stage.mjs" */
/** @typedef {{ url: string, connection: NatsConnection, monitor: string }} Server `monitor` is where its own figures stand */

/** The JetStream domains of the two sites, where they have one. */
export const DOMAINS = Object.freeze({ a: "bench-a", b: "bench-b" });

/**
 * @param {Stage} stage
 * @param {{ binary: string, leaf: boolean }} options
 * @returns {Promise<{ a: Server, b: Server }>}
 */
export async function startServers(stage, { binary, leaf }) {
  const [portA = 0, portB = 0, leafPort = 0, monitorA = 0, monitorB = 0] = await freePorts(5);
  const domain = (/** @type {"a" | "b"} */ site) => (leaf ? DOMAINS[site] : undefined);
  const listen = leaf ? `leafnodes { listen: "127.0.0.1:${leafPort}" }` : "";
  const remote = leaf ? `leafnodes { remotes: [{ url: "nats-leaf://127.0.0.1:${leafPort}" }] }` : "";
  const a = await startServer(stage, binary, { role: "server-a", port: portA, monitor: monitorA, domain: domain("a"), extra: listen });
  const b = await startServer(stage, binary, { role: "server-b", port: portB, monitor: monitorB, domain: domain("b"), extra: remote });
  return { a, b };
}

/**
 * @param {Stage} stage
 * @param {string} binary
 * @param {{ role: string, port: number, monitor: number, domain: string | undefined, extra: string }} options
 * @returns {Promise<Server>}
 */
async function startServer(stage, binary, { role, port, monitor, domain, extra }) {
  const name = `${role}-${process.pid}`;
  const config = join(stage.folder, `${role}.conf`);
  const store = JSON.stringify(join(stage.folder, role));
  const jetstream = `jetstream { store_dir: ${store}${domain === undefined ? "" : `, domain: ${domain}`} }`;
  await writeFile(config, [`server_name: ${name}`, `listen: "127.0.0.1:${port}"`, `http: "127.0.0.1:${monitor}"`, jetstream, extra, ""].join("\n"));
  stage.start(role, binary, ["-c", config]);
  const url = `nats://127.0.0.1:${port}`;
  const options = { what: `${role} answers on port ${port}`, withinMs: READY_WITHIN_MS, signal: stage.signal };
  const connection = await until(() => connect({ servers: url, reconnect: false, noAsyncTraces: true }), options);
  stage.signal.addEventListener("abort", () => void connection.close());
  const other = connection.info?.server_name !== name;
  if (other) throw new Error(`another server listens on port ${port}: run the bench again`);
  return { url, connection, monitor: `http://127.0.0.1:${monitor}` };
}

/**
 * Ports that were free a moment ago, all different.
 * @param {number} count
 */
export async function freePorts(count) {
  const held = await Promise.all(Array.from({ length: count }, () => listenAnywhere()));
  const ports = held.map((server) => /** @type {import("node:net").AddressInfo} */ (server.address()).port);
  await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** @returns {Promise<import("node:net").Server>} */
async function listenAnywhere() {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}
