/**
 * A test process that ends badly must not leave a server behind. The process is a real one: the support files, translated
 * to JavaScript into a folder as deep as their own, so that their imports hold.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "./eventually.js";

const here = fileURLToPath(new URL(".", import.meta.url));
const cache = fileURLToPath(new URL("../../.cache/", import.meta.url));
let folder: string;

beforeAll(() => {
  mkdirSync(cache, { recursive: true });
  folder = mkdtempSync(join(cache, "process-end-"));
  for (const file of ["eventually.ts", "nats-config.ts", "nats-process.ts", "nats-server.ts", "process-end.ts"]) {
    const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
    const { outputText } = ts.transpileModule(readFileSync(join(here, file), "utf8"), { compilerOptions });
    writeFileSync(join(folder, file.replace(/\.ts$/, ".js")), outputText);
  }
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly port: number;
  readonly storeDir: string;
  readonly code: number | null;
  readonly signal: string | null;
}

/** Runs a process that starts a server, tells its port and folder, and then does `ending`. */
async function endAfterStart(ending: string): Promise<Ended> {
  const program = `
    import { startNatsServer } from "./nats-server.js";
    const server = await startNatsServer();
    process.stdout.write(JSON.stringify({ port: server.port, storeDir: server.storeDir }) + "\\n");
    ${ending}
  `;
  writeFileSync(join(folder, "program.js"), program);
  const child = spawn(process.execPath, ["program.js"], { cwd: folder, stdio: ["ignore", "pipe", "ignore"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk) => (output += String(chunk)));
  const end = await new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  return { ...(JSON.parse(output) as { port: number; storeDir: string }), ...end };
}

/** By its port, because a killed orphan keeps its process id until somebody collects it. */
async function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}

describe("a test process that started a server", () => {
  it.each([
    ["throws", 'setTimeout(() => { throw new Error("crash"); }, 10);', { code: 1, signal: null }],
    ["exits", "process.exit(3);", { code: 3, signal: null }],
    ["is ended by SIGTERM", 'process.kill(process.pid, "SIGTERM");', { code: null, signal: "SIGTERM" }],
    ["is interrupted", 'process.kill(process.pid, "SIGINT");', { code: null, signal: "SIGINT" }],
  ])("leaves neither the server nor its folder when it %s", async (_, ending, end) => {
    const { port, storeDir, ...actual } = await endAfterStart(ending);
    expect(actual).toEqual(end);
    expect(existsSync(join(storeDir, ".."))).toBe(false);
    await eventually(async () => !(await isListening(port)), { what: "the server is gone" });
  });
});
