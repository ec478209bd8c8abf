/**
 * `kvgw run`: the composition root of the gateway. Everything real is made here and handed down; nothing below reads a
 * file, a clock or the environment by itself.
 */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Command } from "commander";
import { readConfigFile, watchConfigFile } from "../config/file.js";
import { parseConfig } from "../config/parse.js";
import { describeConfig } from "../config/redact.js";
import { GatewayError } from "../core/errors.js";
import type { Observe } from "../core/events.js";
import { LINGER_MS, SHUTDOWN_MS } from "../core/limits.js";
import type { Clock } from "../core/ports.js";
import { err, ok } from "../core/result.js";
import { type Gateway, createGateway } from "../gateway/gateway.js";
import type { Holder } from "../gateway/lease-record.js";
import type { ReloadOutcome } from "../gateway/status.js";
import { type HttpServer, createHttpServer } from "../http/server.js";
import { createConnections } from "../nats/connections.js";
import { allowManyListeners, createSystemClock, readSecret, systemRandom } from "../system.js";
import { createLogger } from "../telemetry/log.js";
import { createMetrics } from "../telemetry/metrics.js";
import { createObserver } from "../telemetry/observe.js";
import { CONFIG_OPTION, type CommonOptions, SITE_OPTION, configPath, programVersion } from "./common-options.js";
import { formatProblem } from "./config-source.js";
import { EXIT } from "./exit-codes.js";

export function addRun(program: Command): void {
  program
    .command("run")
    .description("run this site's gateway until SIGTERM")
    .option(...CONFIG_OPTION)
    .option(...SITE_OPTION)
    .option("--no-lease", "work at once, whatever other gateway of this site does: for tests and emergencies")
    .action((options: RunOptions) => run(options));
}

interface RunOptions extends CommonOptions {
  readonly lease: boolean;
}

/** How others see this process. */
const ownHolder = (): Holder => ({ id: randomUUID(), name: `process ${process.pid} on ${hostname()}` });

/** Resolves when the gateway has stopped. KVGW_CONFIG_INVALID, KVGW_CONFIG_UNREADABLE if it cannot start. */
async function run(options: RunOptions): Promise<void> {
  allowManyListeners();
  const file = configPath(options);
  const clock = createSystemClock();
  const parse = (text: string) => parseConfig(text, { file, env: process.env, site: options.site });
  const text = await readConfigFile(file);
  if (!text.ok) throw new GatewayError("KVGW_CONFIG_UNREADABLE", text.error.map(formatProblem).join("\n"));
  const first = parse(text.value);
  if (!first.ok) throw new GatewayError("KVGW_CONFIG_INVALID", first.error.map(formatProblem).join("\n"));

  const { site, log, http } = first.value;
  const logger = createLogger({ site, level: log.level });
  const metrics = createMetrics({ status: () => gateway.status(), counters: () => gateway.counters() });
  const tell = createObserver({ logger, metrics });
  const observe: Observe = (event) => {
    // Only now: a config that is refused changes nothing, the level of the log included (I10).
    if (event.type === "config-applied") logger.setLevel(gateway.config()?.log.level ?? log.level);
    tell(event);
  };
  const connections = createConnections({
    clock,
    readSecret,
    clientName: `kvgw ${site}`,
    onBug: ({ code, message }) => observe({ type: "bug", reason: { code, message } }),
    onStatus: ({ id: peer }, connected, detail) =>
      observe(connected ? { type: "site-connected", peer, server: detail } : { type: "site-disconnected", peer, message: detail }),
  });
  const gateway = createGateway({
    ...{ connections, clock, random: systemRandom, observe, version: programVersion(), configPath: file, clockOffsetUs: 0 },
    holder: options.lease ? ownHolder() : null,
    parse: (next) => {
      const parsed = parse(next);
      return parsed.ok ? ok(parsed.value) : err(parsed.error.map(formatProblem));
    },
  });
  const reload = () => reloadFile(gateway, file);
  const server = createHttpServer(
    {
      status: () => gateway.status(),
      effectiveConfig: () => describe(gateway),
      reload,
      reconcile: (bucket) => gateway.reconcile(bucket),
      pause: (bucket) => gateway.pause(bucket),
      resume: (bucket) => gateway.resume(bucket),
      setAsides: (bucket) => gateway.setAsides(bucket),
      metrics: async () => ({ contentType: metrics.contentType, text: await metrics.text() }),
      alive: () => true,
    },
    http,
  );
  // Before anybody can know that it runs: unheard, the signal would end the process.
  process.on("SIGHUP", () => void reload());
  await server.listen();
  observe({ type: "gateway-started", site, version: programVersion(), buckets: first.value.buckets.size });
  await gateway.reload(text.value);
  await untilStopped({ gateway, server, file, known: text.value, clock, observe });
  observe({ type: "gateway-stopped" });
  endWithin(LINGER_MS, observe);
}

const describe = (gateway: Gateway): unknown => {
  const config = gateway.config();
  return config === null ? null : describeConfig(config);
};

async function reloadFile(gateway: Gateway, file: string): Promise<ReloadOutcome> {
  const text = await readConfigFile(file);
  return text.ok ? gateway.reload(text.value) : gateway.refuse(text.error.map(formatProblem));
}

/** The process ends by itself as soon as nothing holds it. Something that should not must not hold it for ever: whoever started the
 *  gateway would wait, and in the end kill it. Seen so far: a connection that is closed while a server has accepted it and says
 *  nothing, as one that is suspended does. The client library leaves that socket open (transport-node 3.4.0). */
function endWithin(lingerMs: number, observe: Observe): void {
  const end = () => {
    observe({ type: "process-held", by: process.getActiveResourcesInfo() });
    process.exit(EXIT.fine);
  };
  setTimeout(end, lingerMs).unref();
}

interface Running {
  readonly gateway: Gateway;
  readonly server: HttpServer;
  readonly file: string;
  /** The text that the gateway was started with. */
  readonly known: string;
  readonly clock: Clock;
  readonly observe: Observe;
}

/** Follows the file until SIGTERM or SIGINT, then stops in order; a second signal ends at once. */
async function untilStopped({ gateway, server, file, known, clock, observe }: Running): Promise<void> {
  const watching = new AbortController();
  watchConfigFile(
    file,
    {
      onChange: (text) => void gateway.reload(text),
      onProblem: (problem) => void gateway.refuse([formatProblem(problem)]),
      signal: watching.signal,
      known,
    },
    clock,
  );
  const signal = await new Promise<string>((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => resolve(name));
  });
  for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => process.exit(EXIT.failed));
  observe({ type: "gateway-stopping", signal });
  const giveUp = setTimeout(() => process.exit(EXIT.failed), SHUTDOWN_MS);
  watching.abort();
  await gateway.stop();
  await server.close();
  clearTimeout(giveUp);
}
