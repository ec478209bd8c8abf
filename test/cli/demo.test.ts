import { chmod, readFile, readdir } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findNatsServer } from "../../scripts/nats-server.mjs";
import { eventually } from "../support/eventually.js";
import { type Folder, kvgw, startKvgw, temporaryFolder } from "./kvgw.js";

const DEMO_WITHIN_MS = 90_000;
const STEPS = ["start", "write", "delete", "cut", "conflict", "reload", "refuse", "verify"];

interface Report {
  readonly ok: boolean;
  readonly ms: number;
  readonly steps: readonly { readonly name: string; readonly ok: boolean; readonly ms: number; readonly said: string }[];
  readonly logs: readonly string[];
}

let folder: Folder;
/** Where the demo makes its own temporary folder. */
let temporary: Folder;

beforeEach(async () => {
  [folder, temporary] = await Promise.all([temporaryFolder(), temporaryFolder()]);
});
afterEach(() => Promise.all([folder.remove(), temporary.remove()]));

/** A nats-server that notes its process id; `start` is what it does then. */
async function watchedServer(start: string): Promise<{ readonly path: string; pids(): Promise<readonly number[]> }> {
  const pidFile = `${folder.path}/pids`;
  const real = (await findNatsServer()).path;
  const script = `#!/bin/sh\n[ "$1" = --version ] && exec "${real}" --version\necho $$ >> "${pidFile}"\n${start.replace("REAL", real)}\n`;
  const path = await folder.write("nats-server", script);
  await chmod(path, 0o755);
  return { path, pids: async () => (await readFile(pidFile, "utf8")).trim().split("\n").map(Number) };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("kvgw demo", () => {
  it(
    "tells its whole story, ends with equal sites, and leaves nothing behind",
    async () => {
      const server = await watchedServer('exec "REAL" "$@"');
      const { code, stdout } = await kvgw(["demo", "--json"], { TMPDIR: temporary.path, NATS_SERVER: server.path });
      const report = JSON.parse(stdout) as Report;
      expect(report.steps.filter(({ ok }) => !ok)).toEqual([]);
      expect(report.steps.map(({ name }) => name)).toEqual(STEPS);
      expect({ code, ok: report.ok, logs: report.logs }).toEqual({ code: 0, ok: true, logs: [] });
      const said = Object.fromEntries(report.steps.map((step) => [step.name, step.said]));
      expect(said["cut"]).toContain("both say light");
      expect(said["conflict"]).toMatch(/both say (hola|bonjour)/);
      expect(said["refuse"]).toMatch(/gateway\.yaml:\d+:\d+ /);
      expect(said["verify"]).toContain("4 buckets");
      expect(await readdir(temporary.path)).toEqual([]);
      // Two servers, and the one that was cut off started again.
      expect(await server.pids()).toHaveLength(3);
      expect((await server.pids()).filter(isAlive)).toEqual([]);
    },
    DEMO_WITHIN_MS,
  );

  it(
    "takes everything with it when it is interrupted",
    async () => {
      const server = await watchedServer('exec "REAL" "$@"');
      const demo = startKvgw(["demo"], { TMPDIR: temporary.path, NATS_SERVER: server.path });
      await eventually(() => demo.stdout().includes("✔"), { what: "the first step is told", withinMs: 30_000 });
      demo.child.kill("SIGINT");
      const { code, stdout } = await demo.ended;
      expect(code).toBe(1);
      expect(stdout).toContain("interrupted");
      expect(stdout).not.toContain("\u001b");
      expect(await readdir(temporary.path)).toEqual([]);
      expect((await server.pids()).filter(isAlive)).toEqual([]);
    },
    DEMO_WITHIN_MS,
  );

  it(
    "says which step failed, and what the processes said, when a server does not start",
    async () => {
      const server = await watchedServer('echo "no room on this disk" >&2; exit 3');
      const { code, stdout } = await kvgw(["demo", "--json"], { TMPDIR: temporary.path, NATS_SERVER: server.path });
      const report = JSON.parse(stdout) as Report;
      expect({ code, ok: report.ok }).toEqual({ code: 1, ok: false });
      expect(report.steps.map(({ name, ok }) => ({ name, ok }))).toEqual([{ name: "start", ok: false }]);
      expect(report.steps[0]?.said).toContain("the process ended: code 3");
      expect(report.logs.join("\n")).toContain("no room on this disk");
      expect(await readdir(temporary.path)).toEqual([]);
    },
    DEMO_WITHIN_MS,
  );

  it("ends with 1 and what to do when there is no nats-server that works", async () => {
    const { code, stdout, stderr } = await kvgw(["demo", "--json"], { NATS_SERVER: "/bin/false" });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^KVGW_SERVER_UNSUITABLE NATS_SERVER=\/bin\/false /);
  });
});
