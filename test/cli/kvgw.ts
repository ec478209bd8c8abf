/**
 * The built command `kvgw` as a script would call it: arguments in; exit code, stdout and stderr out. Both are pipes, as
 * they are for scripts. The caller's own settings (`KVGW_*`) do not reach it; what runs too long is killed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { atProcessEnd } from "../support/process-end.js";

const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const WITHIN_MS = 80_000;

export interface Ended {
  /** Null if it was killed. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** What it has written to stdout so far. */
  stdout(): string;
}

export type Environment = Readonly<Record<string, string>>;

export function startKvgw(args: readonly string[], env: Environment = {}): Running {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("KVGW_"));
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const forget = atProcessEnd(() => child.kill("SIGKILL"));
  const late = setTimeout(() => child.kill("SIGKILL"), WITHIN_MS);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const ended = new Promise<Ended>((resolve) => {
    child.once("close", (code) => {
      clearTimeout(late);
      forget();
      resolve({ code, stdout, stderr });
    });
  });
  return { child, ended, stdout: () => stdout };
}

export const kvgw = (args: readonly string[], env: Environment = {}): Promise<Ended> => startKvgw(args, env).ended;

export interface Folder {
  readonly path: string;
  /** Writes a file and answers its path. */
  write(name: string, text: string): Promise<string>;
  remove(): Promise<void>;
}

export async function temporaryFolder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), "kvgw-cli-"));
  return {
    path,
    async write(name, text) {
      const file = join(path, name);
      await writeFile(file, text);
      return file;
    },
    remove: () => rm(path, { recursive: true, force: true }),
  };
}
