/**
 * The simulator as plain JavaScript, for the tests that run it: as `npm run simulate` has it, but every file for itself
 * and without a look at its types, which takes a tenth of the time. Each test file has a folder of its own.
 */
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const PROJECT = fileURLToPath(new URL("../../", import.meta.url));
const compilerOptions: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ES2022,
  verbatimModuleSyntax: true,
};

export interface Simulator {
  /** Runs one of its commands; resolves with the exit code, what it printed, and the JSON that it wrote. */
  run(command: "simulate" | "hunt-mutants" | "scale", ...args: readonly string[]): Promise<Ended>;
}

export interface Ended {
  readonly code: number;
  readonly printed: string;
  readonly json: unknown;
}

export function compileSimulator(name: string): Simulator {
  const out = join(PROJECT, ".cache", `simulator-${name}`);
  rmSync(out, { recursive: true, force: true });
  for (const folder of ["src", "test/memory", "test/sim"]) compileFolder(folder, out);
  return {
    run: (command, ...args) =>
      new Promise((resolve) => {
        const json = join(out, `${command}.json`);
        const script = join(out, "test/sim", `${command}.js`);
        execFile(process.execPath, [script, ...args, "--json", json], { maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
          const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
          resolve({ code, printed: stdout + stderr, json: readJson(json) });
        });
      }),
  };
}

function compileFolder(folder: string, out: string): void {
  for (const entry of readdirSync(join(PROJECT, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) compileFolder(path, out);
    if (!entry.isFile() || !path.endsWith(".ts") || path.endsWith(".test.ts")) continue;
    const { outputText } = ts.transpileModule(readFileSync(join(PROJECT, path), "utf8"), { compilerOptions });
    const target = join(out, path.replace(/\.ts$/, ".js"));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, outputText);
  }
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return null;
  }
}
