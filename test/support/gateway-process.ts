/**
 * A real gateway process for one test: `kvgw run` as users start it, on a config file and free ports of its own.
 *
 * Invariants: after `dispose`, and after the end of the test process however it comes, no process is left. Every wait
 * has an end. The build in `dist/` is what runs: `npm test` makes it first.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { GatewayStatus } from "../../src/gateway/status.js";
import { eventually } from "./eventually.js";
import { atProcessEnd } from "./process-end.js";

const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const LOG_LINES_MAX = 300;
const EXIT_WITHIN_MS = 15_000;

export interface GatewayProcess {
  readonly url: string;
  readonly pid: number | undefined;
  status(): Promise<GatewayStatus>;
  metrics(): Promise<string>;
  post(path: string): Promise<{ readonly code: number; readonly body: unknown }>;
  /** Waits until every bucket of this site has been captured. */
  untilReady(): Promise<GatewayStatus>;
  /** Starts it again after `kill` or `stop`. */
  start(): void;
  /** SIGTERM; the exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL. */
  kill(): Promise<void>;
  signal(name: NodeJS.Signals): void;
  log(): string;
  /** It has written to its log since it was started last; before that it may not have begun to run. */
  speaks(): boolean;
  dispose(): Promise<void>;
}

export interface GatewayProcessOptions {
  readonly configFile: string;
  readonly site: string;
  readonly httpPort: number;
  /** Beside those that every gateway is started with. */
  readonly args?: readonly string[];
  /** Beside what it needs anyway. */
  readonly env?: Readonly<Record<string, string>>;
  /** Everything that it writes to its log, as it comes. */
  readonly onLog?: (text: string) => void;
  /** It ended though nobody here asked for it. */
  readonly onEnd?: (how: string) => void;
}

export function startGatewayProcess(options: GatewayProcessOptions): GatewayProcess {
  const { configFile, site, httpPort, args = [] } = options;
  const url = `http://127.0.0.1:${httpPort}`;
  let child: ChildProcess | null = null;
  let lines: string[] = [];
  let speaks = false;

  function start(): void {
    const env = { ...process.env, ...options.env, KVGW_SITE: site, KVGW_HTTP: `127.0.0.1:${httpPort}` };
    const started = spawn(process.execPath, [MAIN, "run", "-c", configFile, ...args], { env, stdio: ["ignore", "ignore", "pipe"] });
    child = started;
    speaks = false;
    started.once("exit", (code, signal) => {
      if (child === started) options.onEnd?.(signal ?? `code ${code}`);
    });
    started.stderr.setEncoding("utf8").on("data", (text: string) => {
      options.onLog?.(text);
      if (child === started) speaks = true;
      lines = [...lines, ...text.split("\n").filter((line) => line !== "")].slice(-LOG_LINES_MAX);
    });
  }

  async function end(signal: NodeJS.Signals): Promise<number | null> {
    const ending = child;
    if (ending === null) return null;
    child = null;
    if (ending.exitCode !== null || ending.signalCode !== null) return ending.exitCode;
    const exited = once(ending, "exit", { signal: AbortSignal.timeout(EXIT_WITHIN_MS) });
    ending.kill(signal);
    await exited.catch((thrown: unknown) => {
      ending.kill("SIGKILL");
      throw new Error(`the gateway of ${site} did not end after ${signal}:\n${lines.join("\n")}`, { cause: thrown });
    });
    return ending.exitCode;
  }

  const get = async (path: string) => {
    const response = await fetch(url + path, { signal: AbortSignal.timeout(5_000) });
    return response.text();
  };
  const status = async () => JSON.parse(await get("/api/v1/status")) as GatewayStatus;

  const forget = atProcessEnd(() => child?.kill("SIGKILL"));
  start();
  return {
    url,
    get pid() {
      return child?.pid;
    },
    status,
    metrics: () => get("/metrics"),
    async post(path) {
      const response = await fetch(url + path, { method: "POST", signal: AbortSignal.timeout(15_000) });
      return { code: response.status, body: await response.json() };
    },
    untilReady: () =>
      eventually(
        async () => {
          const now = await status();
          return now.ready ? now : false;
        },
        { what: `the gateway of ${site} is ready` },
      ).catch((thrown: unknown) => {
        throw new Error(`${String(thrown)}\n${lines.join("\n")}`, { cause: thrown });
      }),
    start,
    stop: () => end("SIGTERM"),
    kill: async () => void (await end("SIGKILL")),
    signal: (name) => void child?.kill(name),
    log: () => lines.join("\n"),
    speaks: () => speaks,
    async dispose() {
      await end("SIGKILL");
      forget();
    },
  };
}
