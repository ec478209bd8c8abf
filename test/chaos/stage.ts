/**
 * Everything real that a run needs: three servers, three gateways, one YAML, the ways between them, the applications,
 * and somebody at each server who sees all. After `dispose`, and after the end of this process however it comes, nothing
 * of it is left but the folder of the run.
 */
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Draw } from "../sim/draw.js";
import { openBucket } from "../support/clients.js";
import { freePorts } from "../support/nats-process.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { BUCKETS, type ConfigChange, SITES, addressVariable, configText } from "./config-text.js";
import { type GatewayKeeper, createGatewayKeeper } from "./gateways.js";
import { type Links, createLinks } from "./links.js";
import { type Observer, createObserver } from "./observer.js";
import type { Record } from "./record.js";
import { type Load, type Writers, createWriters } from "./writers.js";

export interface StagedSite {
  readonly name: string;
  readonly server: NatsServer;
  readonly gateway: GatewayKeeper;
  readonly observer: Observer;
  readonly writers: Writers;
  /** Of the YAML as it should be: addresses differ, so this does, too. */
  readonly configHash: string;
}

export interface Stage {
  readonly record: Record;
  readonly links: Links;
  readonly sites: readonly StagedSite[];
  site(name: string): StagedSite;
  /** The YAML as it should be, with a change; saved as editors save, or in place. */
  saveConfig(change: ConfigChange, inPlace?: boolean): Promise<void>;
  breakConfig(breakIt: (valid: string) => string, inPlace?: boolean): Promise<void>;
  readonly configFile: string;
  /** Who comes and goes as well, such as a second gateway. */
  alsoDispose(release: () => Promise<void>): void;
  dispose(): Promise<void>;
}

export interface StageOptions {
  readonly folder: string;
  readonly record: Record;
  readonly draw: Draw;
  readonly load: Load;
}

/** Values of 1 MiB fit with all headers, in both directions. */
const MAX_PAYLOAD_BYTES = 2 * 1024 * 1024;

export async function createStage({ folder, record, draw, load }: StageOptions): Promise<Stage> {
  const releases: (() => Promise<unknown>)[] = [];
  const dispose = async () => {
    const failures: unknown[] = [];
    for (const release of releases.splice(0).reverse()) await release().catch((thrown: unknown) => failures.push(thrown));
    if (failures.length > 0) throw new AggregateError(failures, `not everything could be stopped: ${failures.map(String).join("; ")}`);
  };
  try {
    return await build();
  } catch (thrown) {
    await dispose().catch(() => undefined);
    throw thrown;
  }

  async function build(): Promise<Stage> {
    await mkdir(folder, { recursive: true });
    const servers = await Promise.all(SITES.map((name) => startServer(name)));
    const links = await createLinks(new Map(servers.map(({ name, port }) => [name, port])));
    releases.push(() => links.close());
    const config = createConfigFile(join(folder, "gateway.yaml"));
    await config.save(configText());
    let ops = 0;
    const ports = await freePorts(SITES.length);
    const sites = await Promise.all(
      servers.map(async (server, index): Promise<StagedSite> => {
        const { name } = server;
        const observer = await createObserver(name, server.url, record);
        releases.push(() => observer.close());
        for (const { name: bucket, history } of BUCKETS) await openBucket(observer.nats, bucket, { history });
        const gateway = startGateway(name, ports[index] ?? 0, links, config);
        const deps = { site: name, url: links.applicationUrl(name), draw: draw.fork(`writes at ${name}`), record };
        const writers = await createWriters({ ...deps, load, nextOp: () => ++ops });
        releases.push(() => writers.close());
        const { config: running } = await gateway.process.untilReady();
        await watchAll(observer, name);
        return { name, server, gateway, observer, writers, configHash: running.hash };
      }),
    );
    return {
      ...{ record, links, sites, dispose, configFile: config.file },
      site: (name) => sites.find((site) => site.name === name) ?? unknownSite(name),
      saveConfig: (change, inPlace) => config.save(configText(change), { inPlace }),
      breakConfig: (breakIt, inPlace) => config.save(breakIt(configText()), { inPlace, broken: true }),
      alsoDispose: (release) => void releases.push(release),
    };
  }

  async function startServer(name: string): Promise<NatsServer> {
    const server = await startNatsServer({ name, maxPayload: MAX_PAYLOAD_BYTES });
    releases.push(() => server.dispose());
    return server;
  }

  function startGateway(site: string, httpPort: number, links: Links, config: ConfigFile): GatewayKeeper {
    const env = Object.fromEntries(SITES.map((to) => [addressVariable(to), links.url({ from: site, to })]));
    const options = { configFile: config.file, site, httpPort, env };
    const logFile = join(folder, `gateway-${site}.log`);
    const keeper = createGatewayKeeper({ record, logFile, configWasBrokenSince: config.wasBrokenSince, options });
    releases.push(() => keeper.dispose());
    return keeper;
  }
}

interface ConfigFile {
  readonly file: string;
  /** Now, or at any moment since then, by `performance.now`. */
  wasBrokenSince(since: number): boolean;
  save(text: string, how?: { readonly inPlace?: boolean | undefined; readonly broken?: boolean }): Promise<void>;
}

function createConfigFile(file: string): ConfigFile {
  let broken = false;
  let brokenAt = -Infinity;
  return {
    file,
    wasBrokenSince: (since) => broken || brokenAt >= since,
    async save(text, { inPlace = false, broken: isBroken = false } = {}) {
      // A gateway that starts while the file is written may meet either text.
      brokenAt = performance.now();
      broken = true;
      if (inPlace) await writeFile(file, text);
      else {
        await writeFile(`${file}.new`, text);
        await rename(`${file}.new`, file);
      }
      brokenAt = performance.now();
      broken = isBroken;
    },
  };
}

/** The streams of a site: its buckets, its logs, and its state. */
async function watchAll(observer: Observer, site: string): Promise<void> {
  for (const { name } of BUCKETS) {
    await observer.watch({ stream: `KV_${name}`, place: "bucket", bucket: name, prefix: `$KV.${name}.` });
    await observer.watch({ stream: logStream(site, name), place: "log", bucket: name, prefix: `rep.kv.ops.${name}.${site}.` });
  }
  const state = `KVGW_${site}`;
  await observer.watch({ stream: `KV_${state}`, place: "state", bucket: state, prefix: `$KV.${state}.` });
}

export const logStream = (site: string, bucket: string): string => `KVGW_${site}_${bucket}`;

function unknownSite(name: string): never {
  throw new RangeError(`there is no site ${name}`);
}
