/**
 * A real nats-server with JetStream for one test: its own folder, free ports of 127.0.0.1, file storage.
 *
 * Invariants: ports, name and data stay the same over kill, stop and restart. A call that takes a server down returns
 * when the process is gone. After `dispose`, and after the end of the test process however it comes, neither process nor
 * folder is left. Every wait has an end.
 */
import { rmSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { stderr } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { findNatsServer, type FoundServer, type ServerVersion } from "../../scripts/nats-server.mjs";
import { eventually } from "./eventually.js";
import { configText, type NatsServerOptions, type Ports } from "./nats-config.js";
import { freePorts, spawnNatsProcess, untilReady, type NatsProcess } from "./nats-process.js";
import { atProcessEnd } from "./process-end.js";

/** Ports are chosen before they are bound, so another process may be faster; five times in a row it is not chance. */
const PORT_CHOICES = 5;
/** A restart must have its old ports back; a connection that left from one of them frees it within seconds. */
const PORTS_BACK_WITHIN_MS = 15_000;

export interface NatsServer {
  readonly name: string;
  readonly version: string;
  readonly url: string;
  readonly port: number;
  readonly monitorPort: number;
  readonly leafPort: number | undefined;
  readonly leafUrl: string | undefined;
  /** May be copied and put back while the server is down. */
  readonly storeDir: string;
  /** Undefined while the server is down. */
  readonly pid: number | undefined;
  /** The last lines of the present or last process. */
  logTail(): string;
  stop(): Promise<void>;
  /** SIGKILL: nothing is flushed or said. */
  kill(): Promise<void>;
  /** Stops the server if it runs, and starts it on the same ports and data. */
  restart(): Promise<void>;
  /** SIGSTOP: connections stay open and nobody answers. */
  suspend(): Promise<void>;
  resume(): void;
  /** Other `extraConfig` in the running server. Returns when the server has said that it took it. */
  reload(extraConfig: string): Promise<void>;
  dispose(): Promise<void>;
}

interface Site {
  readonly found: FoundServer;
  readonly folder: string;
  readonly configPath: string;
  readonly storeDir: string;
  readonly name: string;
  readonly options: NatsServerOptions;
}

export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const found = await binary(options.version);
  const folder = await mkdtemp(join(tmpdir(), "kvgw-nats-"));
  const site: Site = {
    found,
    folder,
    configPath: join(folder, "nats-server.conf"),
    storeDir: join(folder, "store"),
    name: options.name ?? basename(folder),
    options,
  };
  const life: Life = { process: undefined, log: () => "", disposed: false };
  const forget = atProcessEnd(() => {
    life.process?.signal("SIGKILL");
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  });
  const dispose = async (): Promise<void> => {
    life.disposed = true;
    await takeDown(life, "kill");
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
    forget();
  };
  try {
    const ports = await firstStart(site, life);
    return handle(site, life, ports, dispose);
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** What changes over the life of a server. */
interface Life {
  process: NatsProcess | undefined;
  log: () => string;
  disposed: boolean;
}

function handle(site: Site, life: Life, ports: Ports, dispose: () => Promise<void>): NatsServer {
  const running = (): NatsProcess => {
    if (life.process === undefined || life.process.hasExited()) throw new Error(`nats-server ${site.name} is down`);
    return life.process;
  };
  return {
    name: site.name,
    version: site.found.version,
    url: `nats://127.0.0.1:${ports.client}`,
    port: ports.client,
    monitorPort: ports.monitor,
    leafPort: ports.leaf,
    leafUrl: ports.leaf === undefined ? undefined : `nats-leaf://127.0.0.1:${ports.leaf}`,
    storeDir: site.storeDir,
    get pid() {
      return life.process?.hasExited() === false ? life.process.pid : undefined;
    },
    logTail: () => life.log(),
    stop: () => takeDown(life, "stop"),
    kill: () => takeDown(life, "kill"),
    restart: async () => {
      await takeDown(life, "stop");
      await startAgain(site, life, ports);
    },
    suspend: async () => running().suspend(),
    resume: () => running().signal("SIGCONT"),
    reload: async (extraConfig) => {
      await writeFile(site.configPath, configText({ ...site, options: { ...site.options, extraConfig } }, ports));
      const before = reloads(life);
      running().signal("SIGHUP");
      await eventually(() => reloads(life) > before, { what: `nats-server ${site.name} has reloaded its configuration` });
    },
    dispose,
  };
}

const reloads = (life: Life): number => life.log().split("Reloaded server configuration").length;

async function takeDown(life: Life, how: "stop" | "kill"): Promise<void> {
  const { process } = life;
  if (process === undefined) return;
  if (how === "stop") await process.stop();
  else process.signal("SIGKILL");
  await process.exited;
  life.process = undefined;
}

async function firstStart(site: Site, life: Life): Promise<Ports> {
  for (let choice = 1; ; choice++) {
    const [client = 0, monitor = 0, leaf = 0] = await freePorts(3);
    const ports = { client, monitor, leaf: site.options.leafListen ? leaf : undefined };
    await writeFile(site.configPath, configText(site, ports));
    try {
      await launch(site, life, ports);
      return ports;
    } catch (error) {
      if (choice === PORT_CHOICES || !portTaken(error)) throw error;
    }
  }
}

async function startAgain(site: Site, life: Life, ports: Ports): Promise<void> {
  const deadline = performance.now() + PORTS_BACK_WITHIN_MS;
  for (;;) {
    try {
      return await launch(site, life, ports);
    } catch (error) {
      if (performance.now() > deadline || !portTaken(error)) throw error;
      await sleep(100);
    }
  }
}

async function launch(site: Site, life: Life, ports: Ports): Promise<void> {
  if (life.disposed) throw new Error(`nats-server ${site.name} was disposed of`);
  const process = spawnNatsProcess(site.found.path, site.configPath);
  life.process = process;
  life.log = () => process.logTail();
  try {
    await untilReady(process, ports.client, site.name);
  } catch (error) {
    await takeDown(life, "kill");
    throw error;
  }
  // A server that crashes explains what the test then sees; without its last words the test is a riddle.
  void process.exited.then(() => {
    if (process.askedToEnd()) return;
    stderr.write(`nats-server ${site.name} ${site.found.version} ended by itself:\n${process.logTail()}\n`);
  });
}

function portTaken(error: unknown): boolean {
  return error instanceof Error && /address already in use|belongs to the server/.test(error.message);
}

/** One search per version and process; a failed one may be repeated. */
const searches = new Map<ServerVersion | undefined, Promise<FoundServer>>();

async function binary(version: ServerVersion | undefined): Promise<FoundServer> {
  const search = searches.get(version) ?? findNatsServer({ version });
  searches.set(version, search);
  return search.catch((error: unknown) => {
    searches.delete(version);
    throw error;
  });
}
