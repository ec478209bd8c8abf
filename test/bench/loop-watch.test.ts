/** The watch that is preloaded into what the bench measures, in real processes. How long anything takes is no matter. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";

const WATCH = fileURLToPath(new URL("../../bench/loop-watch.mjs", import.meta.url));
const STALL = "const stall = (ms) => { for (const end = performance.now() + ms; performance.now() < end; ); };";
const STAY = "setInterval(() => undefined, 60_000);";

interface Loop {
  readonly longestStallMs: number;
  readonly gcMs: number;
  readonly busyMs: number;
}

const started: ChildProcess[] = [];
afterEach(() => started.splice(0).forEach((child) => child.kill("SIGKILL")));

function watched(code: string): ChildProcess {
  const child = spawn(process.execPath, ["--expose-gc", "--import", WATCH, "-e", `${STALL} ${STAY} ${code}`], {
    serialization: "advanced",
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  started.push(child);
  return child;
}

async function read(child: ChildProcess): Promise<Loop> {
  child.send({ loop: "read" });
  const [{ loop }] = (await once(child, "message")) as [{ loop: Loop }];
  return loop;
}

describe("the watch", () => {
  it("counts nothing while nobody waits for the process", async () => {
    expect(await read(watched("stall(60); gc();"))).toMatchObject({ longestStallMs: 0 });
  });

  it("tells of a stall after the first connection, and of what was collected", async () => {
    const child = watched(`
      require("node:net").connect(1, "127.0.0.1").on("error", () => undefined);
      setTimeout(() => { stall(60); gc(); process.send("done"); }, 20);`);
    await once(child, "message");
    const { longestStallMs, gcMs, busyMs } = await read(child);
    expect(longestStallMs).toBeGreaterThanOrEqual(60);
    expect(gcMs).toBeGreaterThan(0);
    expect(busyMs).toBeGreaterThanOrEqual(60);
  });

  it("begins anew at its parent's word, and answers as often as it is asked", async () => {
    const child = watched(`process.on("message", (word) => { if (word === "stall") setTimeout(stallAndTell, 20); });
      const stallAndTell = () => { stall(80); gc(); process.send("done"); };`);
    child.send({ loop: "begin" });
    child.send("stall");
    await once(child, "message");
    const before = await read(child);
    expect(before.longestStallMs).toBeGreaterThanOrEqual(80);
    expect((await read(child)).longestStallMs).toBeGreaterThanOrEqual(before.longestStallMs);
    child.send({ loop: "begin" });
    expect((await read(child)).gcMs).toBeLessThan(before.gcMs);
  });

  it("does not keep a process that has nothing left to do", async () => {
    const child = spawn(process.execPath, ["--import", WATCH, "-e", ""], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    started.push(child);
    expect((await once(child, "exit"))[0]).toBe(0);
  });
});
