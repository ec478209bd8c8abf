/**
 * One case from start to end: all gateways start, applications write, all rest for a while, some sites are cut off while
 * all go on writing, and come back. Time is virtual, so servers and processors are never the bottleneck: what is measured
 * is how many messages it takes, and how long they are under way.
 */
import type { Counts, Part, ScaleCase, ScaleResult, Spread } from "./case.js";
import { since } from "./tally.js";
import { type ScaleWorld, createScaleWorld } from "./world.js";

/** Looking at the status of all gateways takes longer than the time that passes meanwhile. */
const LIVE_LOOK_MS = 250;
const PROVED_LOOK_MS = 1_000;
const WITHIN_MS = 300_000;
/** Until checkpoints and answers of what has just happened are done, too. */
const SETTLE_MS = 3_000;
/** By then both sides of a cut know that the connections are gone. */
const CUT_NOTICED_MS = 16_000;

interface Run {
  readonly of: ScaleCase;
  readonly world: ScaleWorld;
  /** Operations so far. */
  written: number;
}

export async function measure(of: ScaleCase): Promise<ScaleResult> {
  const began = process.cpuUsage();
  const run: Run = { of, world: createScaleWorld(of), written: 0 };
  const start = await during(run, () => begin(run));
  const write = await during(run, () => writeAll(run));
  const idle = await during(run, async () => {
    await run.world.clock.advance(of.idleMs);
    return {};
  });
  const memory = memoryNow();
  const back = await during(run, () => comeBack(run));
  return {
    ...{ of, start, write, idle, back, ...memory },
    cpuMs: cpuMsSince(began),
    rssMaxBytes: process.resourceUsage().maxRSS * 1_024,
    equal: run.world.isEqual(),
  };
}

const cpuMsSince = (began: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1_000;
};

function memoryNow() {
  globalThis.gc?.();
  return { heapBytes: process.memoryUsage().heapUsed, rssBytes: process.memoryUsage().rss };
}

async function during<T>({ world }: Run, work: () => Promise<T>): Promise<Part & T> {
  const [counts, cpu, beganMs]: [Counts, NodeJS.CpuUsage, number] = [world.tally.counts(), process.cpuUsage(), world.clock.elapsedMs()];
  const found = await work();
  return { virtualMs: world.clock.elapsedMs() - beganMs, cpuMs: cpuMsSince(cpu), counts: since(counts, world.tally.counts()), ...found };
}

async function begin(run: Run) {
  const { clock, names, start } = run.world;
  start();
  // Until the last one exists.
  await clock.advance(2 * LIVE_LOOK_MS);
  const liveMs = await until(run, LIVE_LOOK_MS, () => clock.elapsedMs() > 1_000 && names.every((name) => readsAll(run, name)), "all are live");
  const provedMs = await until(run, PROVED_LOOK_MS, () => names.every((name) => provedSince(run, name, names, 0)), "all are proved equal");
  return { liveMs, provedMs };
}

function readsAll({ world, of }: Run, name: string): boolean {
  const buckets = Object.values(world.life(name).gateway.status().buckets);
  return buckets.length === of.buckets && buckets.every(({ state, peers }) => state === "live" && Object.values(peers).every((peer) => peer.state === "live"));
}

/** Whether the site has been equal with each of these peers at some time since then. */
function provedSince({ world }: Run, name: string, peers: readonly string[], sinceMs: number): boolean {
  const wanted = new Set(peers);
  return [...world.life(name).gateway.counters().values()].every((counters) =>
    [...counters.peers].every(([peer, { reconcile }]) => !wanted.has(peer) || reconcile.lastEqualMs > sinceMs),
  );
}

/** How long it took. */
async function until({ world }: Run, lookMs: number, holds: () => boolean, what: string): Promise<number> {
  const beganMs = world.clock.elapsedMs();
  while (!holds()) {
    if (world.clock.elapsedMs() - beganMs > WITHIN_MS) throw new Error(`not within ${WITHIN_MS} ms: ${what}`);
    await world.clock.advance(lookMs);
  }
  return world.clock.elapsedMs() - beganMs;
}

/** From now on, one write after the other, each at the next of these sites. */
function schedule(run: Run, writes: number, sites: readonly string[], beginMs: number): void {
  const { of, world } = run;
  for (let n = 0; n < writes; n++) {
    const number = run.written++;
    const site = sites[n % sites.length] ?? "";
    const bucket = world.buckets[number % world.buckets.length] ?? "";
    const key = `key-${Math.floor(number / world.buckets.length) % of.keys}`;
    world.clock.schedule(beginMs + n * of.writeEveryMs, () => world.write(site, bucket, key));
  }
}

async function convergence({ world }: Run): Promise<number> {
  const beganMs = world.clock.elapsedMs();
  if (!(await world.clock.runUntil(() => world.agreement.holds(), WITHIN_MS))) throw new Error(`not within ${WITHIN_MS} ms: all are equal`);
  return world.clock.elapsedMs() - beganMs;
}

async function writeAll(run: Run) {
  const { of, world } = run;
  world.agreement.tookMs.length = 0;
  schedule(run, of.writes, world.names, 0);
  await world.clock.advance((of.writes - 1) * of.writeEveryMs);
  const convergeMs = await convergence(run);
  await world.clock.advance(SETTLE_MS);
  return { operations: of.writes, convergeMs, operationMs: spreadOf(world.agreement.tookMs) };
}

async function comeBack(run: Run) {
  const { of, world } = run;
  const [away, here] = [world.names.slice(0, of.away), world.names.slice(of.away)];
  const uncut = world.cutOff(away);
  // The same keys on both sides: what is written in both counts as a conflict.
  const half = Math.floor(of.writes / 2);
  schedule(run, half, away, CUT_NOTICED_MS);
  run.written -= half;
  schedule(run, half, here, CUT_NOTICED_MS + of.writeEveryMs / 2);
  await world.clock.advance(Math.max(of.awayMs, CUT_NOTICED_MS + half * of.writeEveryMs));
  uncut();
  const [healedMs, healed] = [world.clock.elapsedMs(), world.clock.nowMs()];
  const convergeMs = await convergence(run);
  const proved = () => away.every((name) => provedSince(run, name, here, healed)) && here.every((name) => provedSince(run, name, away, healed));
  await until(run, PROVED_LOOK_MS, proved, "those who were apart have proved each other equal");
  return { operations: 2 * half, convergeMs, provedMs: world.clock.elapsedMs() - healedMs };
}

function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}
