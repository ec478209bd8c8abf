/**
 * `kvgw demo`: two sites on this machine and the story of what the gateway is for. Needs nothing but a nats-server
 * binary, ends by itself, and takes with it whatever it started. Exit code 0 only if every step held.
 */
import type { Command } from "commander";
import { type FoundServer, findNatsServer } from "../../scripts/nats-server.mjs";
import { GatewayError } from "../core/errors.js";
import { DEMO_STORY_MS } from "../core/limits.js";
import { type CommonOptions, JSON_OPTION } from "./common-options.js";
import { type Stage, openStage } from "./demo/stage.js";
import { STORY, type Step } from "./demo/story.js";
import { EXIT } from "./exit-codes.js";
import { type Terminal, createTerminal } from "./terminal.js";
import { formatMs, printable } from "./wording.js";

interface Told {
  readonly name: string;
  readonly ok: boolean;
  readonly ms: number;
  /** What came of it, or why it did not hold. */
  readonly said: string;
}

interface DemoReport {
  readonly ok: boolean;
  readonly ms: number;
  readonly steps: readonly Told[];
  /** What the processes said last, if something failed. */
  readonly logs: readonly string[];
}

export function addDemo(program: Command): void {
  program
    .command("demo")
    .description("two sites on this machine: write, cut, heal, converge, reload; exit code 0 if the sites end up equal")
    .option(...JSON_OPTION)
    .action((options: CommonOptions) => demo(options, createTerminal()));
}

async function demo(options: CommonOptions, terminal: Terminal): Promise<void> {
  const quiet = options.json === true;
  // Nothing runs yet, so a signal may still end the process at once.
  const server = await findServer(terminal);
  const stopping = new AbortController();
  const interrupt = () => {
    if (stopping.signal.aborted) process.exit(EXIT.failed);
    stopping.abort(new Error(INTERRUPTION));
  };
  for (const signal of SIGNALS) process.on(signal, interrupt);
  try {
    const report = await perform(server, stopping, terminal, quiet);
    process.exitCode = report.ok ? EXIT.fine : EXIT.failed;
    if (quiet) terminal.printJson(report);
    else tellEnd(report, terminal);
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, interrupt);
  }
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

async function findServer(terminal: Terminal): Promise<FoundServer> {
  terminal.progress("looking for a nats-server …");
  try {
    return await findNatsServer({ log: (text) => terminal.complain(text) });
  } catch (thrown) {
    terminal.progress("");
    throw new GatewayError("KVGW_SERVER_UNSUITABLE", thrown instanceof Error ? thrown.message : String(thrown), thrown);
  }
}

async function perform(
  server: FoundServer,
  stopping: AbortController,
  terminal: Terminal,
  quiet: boolean,
): Promise<DemoReport> {
  const stage = await openStage(server, stopping.signal);
  const began = performance.now();
  const tooLong = new Error(`the story took longer than ${DEMO_STORY_MS / 1_000} s`);
  const timer = setTimeout(() => stopping.abort(tooLong), DEMO_STORY_MS);
  const steps: Told[] = [];
  let logs: readonly string[] = [];
  try {
    for (const step of STORY) {
      terminal.progress(`  ${step.title} …`);
      const told = await tell(step, stage);
      terminal.progress("");
      steps.push(told);
      if (!quiet) terminal.print(line(told, terminal));
      if (!told.ok) break;
    }
    // Who interrupts has seen enough.
    if (steps.some(({ ok }) => !ok) && !interrupted(stopping.signal)) logs = lastWords(stage);
  } finally {
    clearTimeout(timer);
    terminal.progress("stopping …");
    // Whatever of a failed step still waits, waits no more.
    stopping.abort(new Error("the story is over"));
    await stage.close();
    terminal.progress("");
  }
  const ok = steps.length === STORY.length && steps.every((told) => told.ok);
  return { ok, ms: since(began), steps, logs };
}

const since = (began: number): number => Math.round(performance.now() - began);

const lastWords = ({ sites }: Stage): readonly string[] =>
  sites.flatMap((site) => site.logTail().map((text) => `${site.id}  ${text}`));

const INTERRUPTION = "interrupted";
const interrupted = ({ reason }: AbortSignal): boolean => reason instanceof Error && reason.message === INTERRUPTION;

/** Never rejects; once the story is called off, no step is waited for. */
async function tell(step: Step, stage: Stage): Promise<Told> {
  const began = performance.now();
  const end = (ok: boolean, said: string): Told => ({ name: step.name, ok, ms: since(began), said });
  try {
    return end(true, await Promise.race([step.run(stage), calledOff(stage.signal)]));
  } catch (thrown) {
    const { signal } = stage;
    const reason: unknown = signal.aborted ? signal.reason : thrown;
    return end(false, `${step.title}: ${reason instanceof Error ? reason.message : String(reason)}`);
  }
}

function calledOff(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const refuse = () => reject(signal.reason instanceof Error ? signal.reason : new Error("called off"));
    if (signal.aborted) refuse();
    else signal.addEventListener("abort", refuse, { once: true });
  });
}

const line = ({ ok, said, ms }: Told, { colour }: Terminal): string =>
  `${ok ? colour.green("✔") : colour.red("✘")} ${printable(said)} ${colour.dim(`[${formatMs(ms)}]`)}`;

function tellEnd({ ok, ms, logs }: DemoReport, terminal: Terminal): void {
  const { colour } = terminal;
  for (const text of logs) terminal.complain(colour.dim(printable(text)));
  if (ok) terminal.print(`\n${colour.green("The sites are equal.")} Everything was stopped again, in ${formatMs(ms)}.`);
  else terminal.print(`\n${colour.red("The demo ended")} at the step above; everything was stopped again.`);
}
