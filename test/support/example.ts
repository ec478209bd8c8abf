/**
 * One of the examples, run as its README says: servers from its conf files, gateways from its gateway.yaml. Only what
 * would collide with other tests differs: the ports in the conf files and the folder that they store in. The gateways
 * learn of the ports as a user would tell them, through the environment variables that the YAML names.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { NatsConnection } from "@nats-io/transport-node";
import { vi } from "vitest";
import { findNatsServer } from "../../scripts/nats-server.mjs";
import { connectTo } from "./clients.js";
import { type GatewayProcess, startGatewayProcess } from "./gateway-process.js";
import { type NatsProcess, freePorts, spawnNatsProcess, untilReady } from "./nats-process.js";
import { atProcessEnd } from "./process-end.js";

export const EXAMPLES = fileURLToPath(new URL("../../examples/", import.meta.url));

export interface Example {
  /** A copy of the example's own, which a test may edit. */
  readonly configFile: string;
  /** A client of the server that a conf file describes, by its `server_name`. */
  readonly client: (server: string) => NatsConnection;
  readonly gateway: (site: string) => GatewayProcess;
  dispose(): Promise<void>;
}

export interface ExampleOptions {
  /** Conf files, from the example's folder, in the order in which they are started. */
  readonly servers: readonly string[];
  /** The sites that have a gateway. */
  readonly gateways: readonly string[];
}

export async function startExample(name: string, { servers, gateways }: ExampleOptions): Promise<Example> {
  const folder = await mkdtemp(join(tmpdir(), "kvgw-example-"));
  const releases: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 })];
  const dispose = async () => {
    for (const release of releases.splice(0).reverse()) await release();
    vi.unstubAllEnvs();
  };
  try {
    const confs = await Promise.all(servers.map((file) => readFile(resolve(EXAMPLES, name, file), "utf8")));
    const ports = await replacements(confs);
    const clients = new Map<string, NatsConnection>();
    for (const conf of confs) {
      const server = await startServer(conf, ports, folder);
      releases.push(() => server.stop());
      const client = await connectTo(server.url);
      releases.push(() => client.close().catch(() => undefined));
      clients.set(server.name, client);
    }
    const yaml = await readFile(join(EXAMPLES, name, "gateway.yaml"), "utf8");
    const configFile = join(folder, "gateway.yaml");
    await writeFile(configFile, yaml);
    for (const [variable, url] of addresses(yaml, ports)) vi.stubEnv(variable, url);
    const httpPorts = await freePorts(gateways.length);
    const processes = new Map(
      gateways.map((site, index) => [site, startGatewayProcess({ configFile, site, httpPort: httpPorts[index] ?? 0 })]),
    );
    for (const gateway of processes.values()) releases.push(() => gateway.dispose());
    await Promise.all([...processes.values()].map((gateway) => gateway.untilReady()));
    return { configFile, client: (server) => known(clients, server), gateway: (site) => known(processes, site), dispose };
  } catch (thrown) {
    await dispose();
    throw thrown;
  }
}

type Ports = ReadonlyMap<string, number>;

/** A free port for every port that the conf files name. */
async function replacements(confs: readonly string[]): Promise<Ports> {
  const named = new Set(confs.flatMap((conf) => [...conf.matchAll(/127\.0\.0\.1:(\d+)/g)].map(([, port = ""]) => port)));
  const free = await freePorts(named.size);
  return new Map([...named].map((port, index) => [port, free[index] ?? 0]));
}

interface StartedServer {
  readonly name: string;
  readonly url: string;
  stop(): Promise<void>;
}

async function startServer(conf: string, ports: Ports, folder: string): Promise<StartedServer> {
  const name = only(conf, /^server_name: (\S+)$/m);
  const port = ports.get(only(conf, /^listen: "127\.0\.0\.1:(\d+)"$/m)) ?? 0;
  const file = join(folder, `${name}.conf`);
  await writeFile(file, elsewhere(conf, ports, folder));
  const server: NatsProcess = spawnNatsProcess((await findNatsServer()).path, file);
  const forget = atProcessEnd(() => server.signal("SIGKILL"));
  const stop = async () => {
    await server.stop();
    forget();
  };
  await untilReady(server, port, name).catch(async (thrown: unknown) => {
    await stop();
    throw thrown;
  });
  return { name, url: `nats://127.0.0.1:${port}`, stop };
}

/** The same servers, on other ports and in another folder. */
function elsewhere(conf: string, ports: Ports, folder: string): string {
  only(conf, /store_dir: "data\/(\S+)"/);
  return conf
    .replaceAll(/127\.0\.0\.1:(\d+)/g, (_, port: string) => `127.0.0.1:${ports.get(port) ?? port}`)
    .replaceAll(/store_dir: "(\S+)"/g, (_, path: string) => `store_dir: ${JSON.stringify(join(folder, path))}`);
}

/** The variables by which the YAML lets its NATS addresses be replaced, each with where that server is now. */
function addresses(yaml: string, ports: Ports): readonly (readonly [variable: string, url: string])[] {
  return [...yaml.matchAll(/\$\{(\w+):-nats:\/\/127\.0\.0\.1:(\d+)\}/g)].map(([, variable = "", port = ""]) => {
    const now = ports.get(port);
    if (now === undefined) throw new Error(`${variable} leads to port ${port}, where no server of the example listens`);
    return [variable, `nats://127.0.0.1:${now}`] as const;
  });
}

function only(text: string, pattern: RegExp): string {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`no ${String(pattern)} in:\n${text}`);
  return found;
}

function known<T>(map: ReadonlyMap<string, T>, name: string): T {
  const found = map.get(name);
  if (found === undefined) throw new RangeError(`${name} is not one of ${[...map.keys()].join(", ")}`);
  return found;
}
