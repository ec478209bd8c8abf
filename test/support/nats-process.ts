/**
 * One operating system process of nats-server, and how to know that it is ready. A process is ours by its handle; that a
 * port answers is not enough, because another server may have taken it: the name in its greeting must be ours too.
 */
import { execFile, spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { createServer, connect, type AddressInfo, type Server } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { eventually } from "./eventually.js";

const READY_WITHIN_MS = 15_000;
const GREETING_WITHIN_MS = 1_000;
const STOP_WITHIN_MS = 10_000;
const SUSPEND_WITHIN_MS = 10_000;
/** Enough to hold a start and the failure after it. */
const LOG_LINES = 200;

export interface NatsProcess {
  readonly pid: number | undefined;
  hasExited(): boolean;
  /** Whether somebody told it to end. */
  askedToEnd(): boolean;
  /** Settles when the process is gone and its log is complete. */
  readonly exited: Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** SIGSTOP; done when no thread of the process runs any more. */
  suspend(): Promise<void>;
  /** Asks first, insists after 10 s. */
  stop(): Promise<void>;
  logTail(): string;
}

export function spawnNatsProcess(binary: string, configPath: string): NatsProcess {
  const child = spawn(binary, ["-c", configPath], { stdio: ["ignore", "ignore", "pipe"] });
  const tail = createTail(LOG_LINES);
  createInterface({ input: child.stderr }).on("line", tail.add);
  let gone = false;
  let askedToEnd = false;
  const exited = new Promise<void>((resolve) => {
    child.once("error", (error) => tail.add(`cannot start ${binary}: ${error.message}`));
    child.once("close", (code, signal) => {
      gone = true;
      tail.add(`the process ended with ${signal ?? `code ${code}`}`);
      resolve();
    });
  });
  const stop = async (): Promise<void> => {
    askedToEnd = true;
    // A suspended process takes a request to end only once it runs again.
    child.kill("SIGCONT");
    child.kill("SIGTERM");
    const timer = setTimeout(() => void child.kill("SIGKILL"), STOP_WITHIN_MS);
    await exited;
    clearTimeout(timer);
  };
  const suspend = async (): Promise<void> => {
    child.kill("SIGSTOP");
    const options = { what: `${binary} is suspended`, withinMs: SUSPEND_WITHIN_MS, everyMs: 2 };
    await eventually(() => isSuspended(child.pid ?? 0), options);
  };
  return {
    pid: child.pid,
    hasExited: () => gone,
    askedToEnd: () => askedToEnd,
    exited,
    signal: (signal) => {
      askedToEnd ||= signal === "SIGKILL" || signal === "SIGTERM" || signal === "SIGINT";
      child.kill(signal);
    },
    suspend,
    stop,
    logTail: tail.text,
  };
}

function createTail(limit: number): { readonly add: (line: string) => void; readonly text: () => string } {
  const lines: string[] = [];
  return {
    add: (line) => {
      lines.push(line);
      if (lines.length > limit) lines.shift();
    },
    text: () => lines.join("\n"),
  };
}

/** The signal is on its way for a while, and on a busy machine a thread may still answer a request meanwhile. */
async function isSuspended(pid: number): Promise<boolean> {
  if (process.platform !== "linux") {
    return (await promisify(execFile)("ps", ["-o", "state=", "-p", String(pid)])).stdout.startsWith("T");
  }
  const threads = await readdir(`/proc/${pid}/task`);
  const states = await Promise.all(threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/stat`, "utf8")));
  return states.every((state) => /\) T /.test(state));
}

/** Waits until the server greets on its port; a failure carries the end of the server's log. */
export async function untilReady(server: NatsProcess, port: number, name: string): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS;
  while (!server.hasExited() && performance.now() < deadline) {
    const greeting = await readGreeting(port).catch(() => undefined);
    if (greeting?.name === name) return;
    if (greeting !== undefined) throw new Error(`port ${port} belongs to the server ${greeting.name}, not to ${name}`);
    await sleep(20);
  }
  const what = server.hasExited() ? "ended before it was ready" : `was not ready within ${READY_WITHIN_MS} ms`;
  throw new Error(`nats-server ${name} ${what}; the end of its log:\n${server.logTail()}`);
}

/** The INFO line that a server sends to whoever connects. */
async function readGreeting(port: number): Promise<{ readonly name: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1" });
    let text = "";
    socket.setEncoding("utf8").setTimeout(GREETING_WITHIN_MS, () => void socket.destroy(new Error("no greeting")));
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed before the greeting")));
    socket.on("data", (chunk) => {
      text += String(chunk);
      const info = /^INFO (\{.*\})\s*\r\n/.exec(text)?.[1];
      if (info === undefined) return;
      resolve({ name: (JSON.parse(info) as { server_name: string }).server_name });
      socket.destroy();
    });
  });
}

/** Ports that were free a moment ago, all different. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const held = await Promise.all(Array.from({ length: count }, () => listenAnywhere()));
  const ports = held.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function listenAnywhere(): Promise<Server> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}
