/** Shares seeds between worker processes and gathers what they report. A worker that dies is a finding, too. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Violation } from "./history.js";
import type { Plan } from "./plan.js";
import type { Substitutes } from "./substitute/hooks.js";
import type { Report, Task } from "./worker.js";

export type SeedReport = Extract<Report, { readonly kind: "seed" }>;
export type StoryReport = Extract<Report, { readonly kind: "story" }>;

export interface SwarmOptions {
  readonly workers: number;
  /** Modules whose text is another one: a mutant. */
  readonly texts?: Readonly<Record<string, string>>;
  /** Every seed is run twice. */
  readonly twice?: boolean;
}

export interface Swarm {
  /** Runs seeds until there are none left, or `onReport` says that it is enough. */
  run(seeds: Iterator<number>, onReport: (report: SeedReport) => "go on" | "enough"): Promise<void>;
  story(plan: Plan, property: string): Promise<StoryReport>;
  stop(): void;
}

/** 2 of each 100 seeds run twice, and must do the same both times. */
export const runsTwice = (seed: number): boolean => seed % 50 === 0;
/** A run takes well below a second; one that takes this long hangs. */
const RUN_MS_MAX = 120_000;

const beside = (file: string) => new URL(file, import.meta.url);

export function createSwarm({ workers, texts = {}, twice = false }: SwarmOptions): Swarm {
  const substitutes: Substitutes = {
    modules: { [beside("../../src/gateway/build.js").href]: beside("world/ports.js").href },
    texts,
  };
  const start = (): ChildProcess =>
    fork(fileURLToPath(beside("worker.js")), {
      execArgv: ["--import", beside("substitute/register.js").href],
      env: { ...process.env, KVGW_SIM_SUBSTITUTES: JSON.stringify(substitutes) },
      serialization: "advanced",
    });
  const children = Array.from({ length: workers }, start);
  const ready = children.map((child) => answer(child));

  async function ask(index: number, task: Task): Promise<Report> {
    await ready[index];
    const child = children[index];
    if (child === undefined) throw new RangeError(`there is no worker ${index}`);
    child.send(task);
    return answer(child);
  }

  async function work(index: number, seeds: Iterator<number>, onReport: (report: SeedReport) => "go on" | "enough") {
    for (let next = seeds.next(); next.done !== true; next = seeds.next()) {
      const seed = next.value;
      const report = await ask(index, { kind: "seed", seed, twice: twice || runsTwice(seed) }).catch((thrown: unknown) => lost(seed, thrown));
      if (report.kind !== "seed") continue;
      if (onReport(report) === "enough") return;
      if (children[index]?.connected === true) continue;
      children[index] = start();
      ready[index] = answer(children[index]);
    }
  }

  return {
    async run(seeds, onReport) {
      let enough = false;
      const shared = { next: () => (enough ? { done: true as const, value: undefined } : seeds.next()) };
      const report = (each: SeedReport) => {
        if (!enough && onReport(each) === "enough") enough = true;
        return enough ? ("enough" as const) : ("go on" as const);
      };
      await Promise.all(children.map((_, index) => work(index, shared, report)));
    },
    async story(plan, property) {
      const report = await ask(0, { kind: "story", plan, property });
      if (report.kind !== "story") throw new Error(`a worker answered with ${report.kind}`);
      return report;
    },
    stop() {
      for (const child of children) child.kill("SIGKILL");
    },
  };
}

/** The next message of a child; rejects if the child ends, or says nothing for far too long. */
function answer(child: ChildProcess): Promise<Report> {
  return new Promise((resolve, reject) => {
    const finish = () => {
      clearTimeout(timer);
      child.off("message", onMessage);
      child.off("exit", onExit);
    };
    const onMessage = (report: Report) => {
      finish();
      resolve(report);
    };
    const onExit = (code: number | null) => {
      finish();
      reject(new Error(`the worker ended with ${code ?? "a signal"}`));
    };
    const timer = setTimeout(() => child.kill("SIGKILL"), RUN_MS_MAX);
    child.on("message", onMessage);
    child.on("exit", onExit);
  });
}

function lost(seed: number, thrown: unknown): SeedReport {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const violation: Violation = { property: "every run ends", site: null, bucket: null, key: null, message };
  return { kind: "seed", seed, violations: [violation], counts: {}, virtualMs: 0, trace: null };
}
