/** The command itself, on real servers and gateways, for as long as every kind of fault needs to come once. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.js";
import { atProcessEnd } from "../support/process-end.js";
import { INVALID } from "./faults/config.js";
import { FAULT_KINDS } from "./faults/table.js";
import type { Report } from "./report.js";

const PROJECT = fileURLToPath(new URL("../../", import.meta.url));
const SEED = 7;
/** Of faults; what comes before and after takes as long again. */
const SECONDS = 32;
/** Beside other tests, and with sites that take their time to become equal. */
const WITHIN_MS = 300_000;

describe("chaos", () => {
  let folder: string;
  let child: ChildProcess;
  let printed: string;

  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "kvgw-chaos-test-"))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** As the npm script, without the build before it. */
  function start(): void {
    const { scripts } = JSON.parse(readFileSync(join(PROJECT, "package.json"), "utf8")) as { scripts: { chaos: string } };
    const [, ...args] = scripts.chaos.split(" ");
    const more = ["--seconds", String(SECONDS), "--seed", String(SEED), "--out", folder];
    child = spawn(process.execPath, [...args, ...more], { cwd: PROJECT, stdio: ["ignore", "pipe", "pipe"] });
    printed = "";
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", (text: string) => (printed += text));
    const forget = atProcessEnd(() => child.kill("SIGTERM"));
    child.once("exit", forget);
  }

  const progress = () => (existsSync(join(folder, "progress.log")) ? readFileSync(join(folder, "progress.log"), "utf8") : "");

  it("of every kind at once loses nothing, and all sites end equal", { timeout: WITHIN_MS }, async () => {
    start();
    const [code] = (await once(child, "exit")) as [number | null];
    expect(code, printed).toBe(0);
    const report = JSON.parse(readFileSync(join(folder, "report.json"), "utf8")) as Report;
    expect(report).toMatchObject({ seed: SEED, violations: 0, found: [], lost: 0, resurrected: 0, diverged: 0 });
    expect(Object.keys(report.faults).sort()).toEqual(FAULT_KINDS.map(({ name }) => name).sort());
    expect(report.faults[INVALID]).toBeGreaterThanOrEqual(2);
    expect(report.lives.length).toBeGreaterThan(3);
    expect(report.longestToConvergeMs).not.toBeNull();
    // A run in which nobody wrote, deleted or disagreed would prove nothing.
    expect(report.operations.acknowledged).toBeGreaterThan(1_000);
    expect(report.deletes).toBeGreaterThan(300);
    expect(report.logged).toBeGreaterThan(500);
    expect(report.conflicts).toBeGreaterThan(0);
    expect(readFileSync(join(folder, "timeline.html"), "utf8")).toContain("</svg>");
  });

  it("takes everything down with it when it is interrupted", { timeout: WITHIN_MS }, async () => {
    start();
    await eventually(() => progress().includes("3 gateways"), { what: "everything has started", withinMs: 120_000 });
    const children = childrenOf(child.pid ?? 0);
    expect(children.length).toBeGreaterThanOrEqual(6);
    child.kill("SIGINT");
    await once(child, "exit");
    expect(child.signalCode).toBe("SIGINT");
    await eventually(() => children.filter(isAlive).length === 0, { what: "no server and no gateway is left" });
  });
});

const ps = (...args: readonly string[]) => spawnSync("ps", args, { encoding: "utf8" }).stdout.trim();

const childrenOf = (pid: number): readonly number[] =>
  ps("-A", "-o", "pid=,ppid=").split("\n").flatMap((line) => {
    const [child, parent] = line.trim().split(/\s+/).map(Number);
    return child !== undefined && parent === pid ? [child] : [];
  });

/** A killed process that nobody has asked for yet is not alive. */
const isAlive = (pid: number): boolean => !/^(?:Z.*)?$/.test(ps("-o", "state=", "-p", String(pid)));
