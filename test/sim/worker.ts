/**
 * One of the processes that run seeds: asks for them one by one, and reports what came of each. It is started with the
 * ports over memory in place of those over NATS (`substitute/`).
 */
import { allowManyListeners } from "../../src/system.js";
import { drawPlan } from "./draw-plan.js";
import type { Violation } from "./history.js";
import type { Plan } from "./plan.js";
import { type RunResult, run } from "./run.js";
import { shrink } from "./shrink.js";
import { tellStory } from "./story.js";

export type Task =
  | { readonly kind: "seed"; readonly seed: number; readonly twice: boolean }
  | { readonly kind: "story"; readonly plan: Plan; readonly property: string };

export type Report =
  | { readonly kind: "ready" }
  | {
      readonly kind: "seed";
      readonly seed: number;
      readonly violations: readonly Violation[];
      readonly counts: Readonly<Record<string, number>>;
      readonly virtualMs: number;
      readonly trace: string | null;
    }
  | { readonly kind: "story"; readonly plan: Plan; readonly tries: number; readonly lines: readonly string[] };

allowManyListeners();

/** Failures that nobody awaited, of the run that goes on. */
let unhandled: string[] = [];
process.on("unhandledRejection", (reason) => void unhandled.push(String(reason instanceof Error ? reason.stack : reason)));

/** A run that cannot even be finished is a finding, too. */
async function runSafely(plan: Plan): Promise<RunResult> {
  unhandled = [];
  const broken = (message: string): Violation => ({ property: "no exception", site: null, bucket: null, key: null, message });
  try {
    const result = await run(plan);
    return { ...result, violations: [...unhandled.map(broken), ...result.violations] };
  } catch (thrown) {
    const message = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
    return { history: [], violations: [broken(message)], counts: new Map(), virtualMs: 0, trace: () => message };
  }
}

async function runSeed(seed: number, twice: boolean): Promise<Report> {
  const plan = drawPlan(seed);
  const { violations, counts, virtualMs, trace } = await runSafely(plan);
  const report = { kind: "seed", seed, counts: Object.fromEntries(counts), virtualMs } as const;
  if (!twice) return { ...report, violations, trace: null };
  const [first, again] = [trace(), (await runSafely(plan)).trace()];
  const other: Violation = { property: "same seed, same run", site: null, bucket: null, key: null, message: `${first} and ${again}` };
  return { ...report, violations: first === again ? violations : [...violations, other], trace: first };
}

async function runStory(plan: Plan, property: string): Promise<Report> {
  const fails = async (smaller: Plan) => (await runSafely(smaller)).violations.some((found) => found.property === property);
  const { plan: smallest, tries } = await shrink(plan, fails);
  return { kind: "story", plan: smallest, tries, lines: tellStory(smallest, await runSafely(smallest), property) };
}

process.on("message", (task: Task) => {
  const reported = task.kind === "seed" ? runSeed(task.seed, task.twice) : runStory(task.plan, task.property);
  void reported.then((report) => process.send?.(report));
});
process.send?.({ kind: "ready" } satisfies Report);
