/**
 * One site of the demo: a nats-server, a gateway, and an application that knows neither the gateway nor the other site.
 * Both can be taken down and started again; address and data stay.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type KV, Kvm } from "@nats-io/kv";
import { type NatsConnection, connect } from "@nats-io/transport-node";
import type { GatewayStatus } from "../../gateway/status.js";
import { createGatewayClient } from "../gateway-client.js";
import { type Child, startChild } from "./child.js";
import { waitFor, waitUntil } from "./wait.js";

export interface DemoSite {
  readonly id: string;
  readonly natsUrl: string;
  startServer(): Promise<void>;
  stopServer(): Promise<void>;
  /** Resolves when it is ready. */
  startGateway(): Promise<void>;
  /** Without a warning, as a crash would. */
  killGateway(): Promise<void>;
  status(): Promise<GatewayStatus>;
  put(bucket: string, key: string, value: string): Promise<void>;
  remove(bucket: string, key: string): Promise<void>;
  /** Null if the key is absent. */
  get(bucket: string, key: string): Promise<string | null>;
  /** Takes down what runs, in order. */
  close(): Promise<void>;
  /** Takes down what runs, at once. */
  killNow(): void;
  /** What gateway and server said last. */
  logTail(): readonly string[];
}

export interface DemoSiteOptions {
  readonly id: string;
  readonly binary: string;
  readonly folder: string;
  readonly configFile: string;
  readonly natsPort: number;
  readonly gatewayPort: number;
  readonly signal: AbortSignal;
}

const MAIN = fileURLToPath(new URL("../../main.js", import.meta.url));

export function createDemoSite(options: DemoSiteOptions): DemoSite {
  const { id, signal } = options;
  const natsUrl = `nats://127.0.0.1:${options.natsPort}`;
  const api = createGatewayClient(`http://127.0.0.1:${options.gatewayPort}`, undefined);
  let server: Child | null = null;
  let gateway: Child | null = null;
  let application: NatsConnection | null = null;

  async function bucketOf(name: string): Promise<KV> {
    if (application === null) throw new Error(`the nats-server of ${id} is down`);
    return new Kvm(application).open(name);
  }

  return {
    id,
    natsUrl,
    async startServer() {
      // A story that was called off must not start anything again.
      signal.throwIfAborted();
      const started = (server = startServerProcess(options));
      const what = `the nats-server of ${id} answers`;
      const { value } = await waitFor(() => greet(natsUrl, id), { what, signal, hopeless: () => started.ended() });
      application = value;
    },
    async stopServer() {
      await application?.close();
      application = null;
      await server?.stop();
    },
    async startGateway() {
      signal.throwIfAborted();
      const started = (gateway = startGatewayProcess(options));
      const ready = async () => (await api.status()).ready;
      await waitUntil(ready, { what: `the gateway of ${id} is ready`, signal, hopeless: () => started.ended() });
    },
    killGateway: async () => gateway?.kill(),
    status: () => api.status(),
    put: async (bucket, key, value) => void (await (await bucketOf(bucket)).put(key, value)),
    remove: async (bucket, key) => (await bucketOf(bucket)).delete(key),
    async get(bucket, key) {
      const entry = await (await bucketOf(bucket)).get(key);
      return entry?.operation === "PUT" ? entry.string() : null;
    },
    async close() {
      await gateway?.stop();
      await application?.close();
      await server?.stop();
    },
    killNow() {
      gateway?.killNow();
      server?.killNow();
    },
    logTail: () => [...(gateway?.logTail() ?? []), ...(server?.logTail() ?? [])],
  };
}

function startServerProcess({ id, binary, folder, natsPort }: DemoSiteOptions): Child {
  const address = ["--addr", "127.0.0.1", "--port", String(natsPort)];
  return startChild(binary, [...address, "--name", id, "--jetstream", "--store_dir", join(folder, `nats-${id}`)]);
}

/** The same command that runs in production, with the same file at both sites. */
function startGatewayProcess({ id, configFile, gatewayPort }: DemoSiteOptions): Child {
  const env = { ...process.env, KVGW_SITE: id, KVGW_DEMO_LISTEN: `127.0.0.1:${gatewayPort}` };
  return startChild(process.execPath, [MAIN, "run", "--config", configFile], env);
}

/** An application's connection, null while the server is not there. */
async function greet(url: string, name: string): Promise<NatsConnection | null> {
  const options = { servers: url, name: "kvgw demo application", reconnect: false, timeout: 1_000 };
  const connection = await connect(options).catch(() => null);
  if (connection === null || connection.info?.server_name === name) return connection;
  await connection.close();
  throw new Error("another server has its port");
}
