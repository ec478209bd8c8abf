/**
 * Where one measurement takes place: a temporary folder and the child processes in it, each with a role.
 *
 * Invariants: a process is ended only by its own handle. A child that ends by itself breaks the stage, so that nobody
 * waits for it. After `dispose`, and when this process ends in any way it can notice, neither child nor folder is left.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { within } from "./wait.mjs";

const GONE_WITHIN_MS = 10_000;
const LOG_LINES = 8;
const LONGEST_LINE = 400;
const LOOP_WATCH = new URL("loop-watch.mjs", import.meta.url).href;

/** @typedef {Awaited<ReturnType<typeof createStage>>} Stage */
/**
 * @typedef {{ role: string, process: import("node:child_process").ChildProcess, exited: Promise<void>,
 *   watched: boolean }} Child
 */

/** @type {Set<() => void>} */
const endings = new Set();
process.on("exit", () => endings.forEach((end) => end()));

export async function createStage() {
  const folder = await mkdtemp(join(tmpdir(), "kvgw-bench-"));
  /** @type {Map<string, Child>} */
  const children = new Map();
  /** Also of processes that are gone. @type {Set<string>} */
  const roles = new Set();
  const over = new AbortController();
  /** @type {(reason: Error) => void} */
  let breakStage = () => undefined;
  /** Never fulfilled; rejected when a child has ended by itself. @type {Promise<never>} */
  const broken = new Promise((_, reject) => (breakStage = reject));
  broken.catch(() => undefined);

  const end = () => {
    for (const child of children.values()) child.process.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  };
  endings.add(end);

  /**
   * @param {string} role names the process in results and its log file in the folder
   * @param {string} command
   * @param {readonly string[]} args
   * @param {{ ipc?: boolean, watched?: boolean, cwd?: string }} [options] `watched` is for a process of Node whose event
   *   loop and garbage collection are measured; it is asked over the same channel as `ipc`
   * @returns {Child}
   */
  function start(role, command, args, { watched = false, ipc = watched, cwd } = {}) {
    const log = openSync(join(folder, `${role}.log`), "a");
    const child = spawn(command, watched ? ["--import", LOOP_WATCH, ...args] : args, {
      ...(cwd !== undefined && { cwd }),
      serialization: "advanced",
      stdio: ["ignore", log, log, ...(ipc ? [/** @type {const} */ ("ipc")] : [])],
    });
    closeSync(log);
    const exited = new Promise((/** @type {(value: void) => void} */ resolve) => {
      child.once("error", (error) => {
        breakStage(new Error(`cannot start ${role} (${command}): ${error.message}`));
        resolve();
      });
      child.once("exit", (code, signal) => {
        const unexpected = children.delete(role);
        if (unexpected) breakStage(new Error(`${role} ended by itself (${signal ?? `code ${code}`})`));
        resolve();
      });
    });
    const started = { role, process: child, exited, watched };
    children.set(role, started);
    roles.add(role);
    return started;
  }

  /** @param {Child} child */
  async function stop(child) {
    children.delete(child.role);
    child.process.kill("SIGKILL");
    await within(child.exited, { what: `${child.role} is gone`, withinMs: GONE_WITHIN_MS });
  }

  return {
    folder,
    /** Aborted when the measurement is over, however it ended. */
    signal: over.signal,
    broken,
    children: () => /** @type {readonly Child[]} */ ([...children.values()]),
    start,
    stop,
    /** The last lines of every process that said something of note. */
    logTails: () => [...roles].map((role) => tail(folder, role)).filter((text) => text !== ""),
    async dispose() {
      over.abort();
      await Promise.all([...children.values()].map(stop));
      await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
      endings.delete(end);
    },
  };
}

/**
 * Without what servers say when all is well.
 * @param {string} folder
 * @param {string} role
 */
function tail(folder, role) {
  const text = readFileSync(join(folder, `${role}.log`), "utf8");
  const lines = text.split("\n").filter((line) => line !== "" && !line.includes("[INF]"));
  return lines.slice(-LOG_LINES).map((line) => `  ${role}: ${line.slice(0, LONGEST_LINE)}`).join("\n");
}
