/**
 * One site's gateway over all its lives: started again whenever it ended, as an orchestrator would, and asked for its
 * status and metrics every second while it lives. A gateway that ends by itself is wrong unless its YAML was.
 */
import { createWriteStream } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { GatewayStatus } from "../../src/gateway/status.js";
import { type GatewayProcess, type GatewayProcessOptions, startGatewayProcess } from "../support/gateway-process.js";
import type { Record } from "./record.js";

export interface Life {
  readonly site: string;
  readonly number: number;
  readonly startedMs: number;
  endedMs: number | null;
  how: string;
  /** Resident memory as its metrics say, oldest first. */
  readonly rss: (readonly [ms: number, bytes: number])[];
  /** The last metrics that it told. */
  metrics: Metrics;
}

/** Values by series, as they stand in the exposition: `kvgw_keys{bucket="config"}`. */
export type Metrics = ReadonlyMap<string, number>;

export interface StatusSample {
  readonly ms: number;
  readonly site: string;
  readonly status: GatewayStatus;
}

export interface GatewayKeeper {
  readonly site: string;
  readonly process: GatewayProcess;
  readonly lives: readonly Life[];
  readonly samples: readonly StatusSample[];
  /** Ends by itself that nothing explains. */
  readonly ownEnds: readonly string[];
  kill(): Promise<void>;
  /** SIGTERM. */
  stop(): Promise<void>;
  start(): void;
  /** Fresh, null where it does not answer. */
  status(): Promise<GatewayStatus | null>;
  metrics(): Promise<Metrics>;
  dispose(): Promise<void>;
}

export interface KeeperDeps {
  readonly record: Record;
  readonly logFile: string;
  /** Whether the YAML was one that a gateway refuses, at some moment since then, by `performance.now`. */
  readonly configWasBrokenSince: (since: number) => boolean;
  readonly options: GatewayProcessOptions;
}

const CONFIG_REFUSED = "code 78";
const SAMPLE_MS = 1_000;
const RESTART_MS = 500;

export function createGatewayKeeper({ record, logFile, configWasBrokenSince, options }: KeeperDeps): GatewayKeeper {
  const { site } = options;
  const log = createWriteStream(logFile, { flags: "a" });
  const lives: Life[] = [];
  const samples: StatusSample[] = [];
  const ownEnds: string[] = [];
  const over = new AbortController();
  let begunAt = performance.now();

  const process = startGatewayProcess({
    ...options,
    onLog(text) {
      log.write(text);
      if (text.includes("KVGW_INTERNAL")) noteBug(text);
    },
    onEnd(how) {
      const life = lives.at(-1);
      end(`ended by itself: ${how}`);
      const refused = how === CONFIG_REFUSED && configWasBrokenSince(begunAt);
      if (!refused) ownEnds.push(`life ${life?.number ?? 0} ended by itself with ${how}`);
      void sleep(RESTART_MS, undefined, { signal: over.signal, ref: false }).then(start, () => undefined);
    },
  });
  begin();
  const sampling = keepSampling();

  function begin(): void {
    begunAt = performance.now();
    lives.push({ site, number: lives.length + 1, startedMs: record.nowMs(), endedMs: null, how: "", rss: [], metrics: new Map() });
  }

  function start(): void {
    if (over.signal.aborted || lives.at(-1)?.endedMs === null) return;
    begin();
    process.start();
  }

  function end(how: string): void {
    const life = lives.at(-1);
    if (life === undefined || life.endedMs !== null) return;
    life.endedMs = record.nowMs();
    life.how = how;
  }

  function noteBug(text: string): void {
    const line = text.split("\n").find((each) => each.includes("KVGW_INTERNAL")) ?? "";
    const life = lives.length;
    record.add({ what: "gateway", site, life, bucket: null, state: null, code: "KVGW_INTERNAL", note: line.slice(0, 2_000) });
  }

  const metrics = async () => readMetrics(await process.metrics());

  async function keepSampling(): Promise<void> {
    while (!over.signal.aborted) {
      const life = lives.at(-1);
      if (life?.endedMs === null) await sample(life).catch(() => undefined);
      await sleep(SAMPLE_MS, undefined, { signal: over.signal, ref: false }).catch(() => undefined);
    }
  }

  async function sample(life: Life): Promise<void> {
    const status = await process.status();
    // What a gateway says that was suspended or killed meanwhile is said of another time.
    if (life !== lives.at(-1)) return;
    samples.push({ ms: record.nowMs(), site, status });
    life.metrics = await metrics();
    const rss = life.metrics.get("kvgw_process_resident_memory_bytes");
    if (rss !== undefined) life.rss.push([record.nowMs(), rss]);
  }

  return {
    ...{ site, process, lives, samples, ownEnds, start, metrics },
    async kill() {
      end("kill -9");
      await process.kill();
    },
    async stop() {
      const life = lives.at(-1);
      // Not an own end: with its server gone it may only be able to give up what it does in order.
      const code = await process.stop();
      end("SIGTERM");
      if (life !== undefined) life.how = `SIGTERM, exit code ${code}`;
    },
    status: () => process.status().catch(() => null),
    async dispose() {
      over.abort();
      end("the run is over");
      await process.dispose();
      await sampling;
      await new Promise((resolve) => log.end(resolve));
    },
  };
}

export function readMetrics(text: string): Metrics {
  const series = text.split("\n").flatMap((line) => {
    const at = line.lastIndexOf(" ");
    return line.startsWith("#") || at < 0 ? [] : [[line.slice(0, at), Number(line.slice(at + 1))] as const];
  });
  return new Map(series);
}

/** The value of a series, its labels in the order in which they are exposed; undefined where it is not told. */
export function seriesOf(metrics: Metrics, name: string, labels: Readonly<globalThis.Record<string, string>>): number | undefined {
  const text = Object.entries(labels).map(([label, value]) => `${label}="${value}"`).join(",");
  return metrics.get(`${name}{${text}}`);
}
