/** A child process of the demo, known by its handle only: nothing here looks for processes by name. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { DEMO_LOG_LINES, DEMO_STOP_MS } from "../../core/limits.js";

export interface Child {
  /** Why it runs no more, null while it does. */
  ended(): string | null;
  /** Asks it to end, insists after a while; resolves when it is gone. */
  stop(): Promise<void>;
  /** No time for last words; resolves when it is gone. */
  kill(): Promise<void>;
  /** The same without waiting, for the end of this process. */
  killNow(): void;
  /** The last lines that it wrote. */
  logTail(): readonly string[];
}

export function startChild(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Child {
  const child = spawn(command, args, { env, stdio: ["ignore", "ignore", "pipe"] });
  const lines: string[] = [];
  const note = (line: string) => {
    lines.push(line);
    if (lines.length > DEMO_LOG_LINES) lines.shift();
  };
  createInterface({ input: child.stderr }).on("line", note);
  let ended: string | null = null;
  const exited = new Promise<void>((resolve) => {
    const finish = (how: string) => {
      ended = `the process ended: ${how}`;
      note(ended);
      resolve();
    };
    child.once("error", (error) => finish(error.message));
    child.once("exit", (code, signal) => finish(signal ?? `code ${code}`));
  });
  return {
    ended: () => ended,
    stop: () => end(child, exited, "SIGTERM"),
    kill: () => end(child, exited, "SIGKILL"),
    killNow: () => void (ended === null && child.kill("SIGKILL")),
    logTail: () => lines,
  };
}

async function end(child: ChildProcess, exited: Promise<void>, signal: NodeJS.Signals): Promise<void> {
  child.kill(signal);
  const insist = setTimeout(() => void child.kill("SIGKILL"), DEMO_STOP_MS);
  await exited;
  clearTimeout(insist);
}
