/**
 * One run of a plan: first faults and writes, then everything heals, all must become equal within a bounded time, and
 * then nothing may be written any more. What happened is handed to the checker.
 */
import { START_MS } from "../memory/virtual-clock.js";
import { check } from "./checker/check.js";
import { takesPart } from "./checker/wire.js";
import { strike } from "./faults/fault.js";
import { faultKind } from "./faults/table.js";
import type { Happening, Setup, Violation } from "./history.js";
import type { Plan } from "./plan.js";
import { bucketOf, textOf } from "./world/site.js";
import { type World, createWorld } from "./world/world.js";

export interface RunResult {
  readonly history: readonly Happening[];
  readonly violations: readonly Violation[];
  readonly counts: ReadonlyMap<string, number>;
  readonly virtualMs: number;
  /** A hash over everything that happened: equal for equal runs. */
  trace(): string;
}

/** From healed to equal: some waits of 15 s one after the other, a backlog over a slow connection, and a reconcile interval. */
const ROUND_WITHIN_MS = 1.2 * 300_000;
const CONVERGE_WITHIN_MS = 240_000 + ROUND_WITHIN_MS;
/** Longer than every wait between two attempts: after so long without a sign nothing is under way any more. */
const STILL_MS = 30_000;
const IDLE_MS = 60_000;
const LOOK_EVERY_MS = 1_000;

export async function run(plan: Plan): Promise<RunResult> {
  const world = createWorld(plan);
  const { clock, recorder } = world;
  for (const site of plan.mix.sites) clock.schedule(plan.mix.startMs[site] ?? 0, () => world.start(site));
  for (const write of plan.writes) clock.schedule(write.atMs, () => world.clients.get(write.site)?.write(write));
  for (const fault of plan.faults) clock.schedule(fault.atMs, () => strike(world, faultKind(fault.kind), fault));
  await clock.advance(plan.mix.lengthMs);

  world.heal();
  recorder.add({ what: "phase", phase: "healed" });
  const settled = await settle(world);
  if (settled) {
    recorder.add({ what: "phase", phase: "idle" });
    await clock.advance(IDLE_MS);
  }
  recorder.add({ what: "phase", phase: "over" });
  addFinals(world);
  for (const site of plan.mix.sites) countConflicts(world, site);
  for (const site of plan.mix.sites) world.life(site)?.crash();
  const violations = check(recorder.history, setupOf(plan));
  return {
    ...{ history: recorder.history, violations, counts: recorder.counts, virtualMs: clock.elapsedMs() },
    trace: () => recorder.trace(),
  };
}

/** Until all are equal and nothing has happened for a while; false if that does not come to be. */
async function settle(world: World): Promise<boolean> {
  const { clock, recorder } = world;
  const untilMs = clock.elapsedMs() + CONVERGE_WITHIN_MS;
  // What vanished is found by rounds only, and until then all may seem to be equal without it.
  if (world.plan.faults.some(({ kind }) => /purged|rewound|deleted/.test(kind))) await clock.advance(ROUND_WITHIN_MS);
  let [happenings, stillMs] = [0, 0];
  while (clock.elapsedMs() < untilMs && !(stillMs >= STILL_MS && areEqual(world))) {
    await clock.advance(LOOK_EVERY_MS);
    stillMs = recorder.history.length === happenings && !isExpiring(world) ? stillMs + LOOK_EVERY_MS : 0;
    happenings = recorder.history.length;
  }
  return stillMs >= STILL_MS && areEqual(world);
}

const isExpiring = ({ sites }: World): boolean =>
  [...sites.values()].some(({ buckets }) =>
    [...buckets.values()].some(({ bucket }) => [...bucket.messages()].some(({ deadlineMs }) => deadlineMs !== null)),
  );

function areEqual({ plan, sites }: World): boolean {
  return plan.mix.buckets.every((bucket) => {
    const texts = bucket.sites.map((name) => {
      const site = sites.get(name);
      if (site === undefined) return "";
      const stream = bucketOf(site, bucket.name).bucket;
      const lasts = stream.lastOfEach().flatMap((sequence) => stream.next(sequence) ?? []);
      const present = lasts.filter(({ subject, block }) => takesPart(subject, bucket) && !/KV-Operation|Nats-Marker-Reason/.test(block));
      return JSON.stringify(present.map(({ subject, payload }) => [subject, textOf(payload)]).sort());
    });
    return texts.every((text) => text === texts[0]);
  });
}

function addFinals({ sites, recorder }: World): void {
  for (const { name: site, buckets } of sites.values()) {
    for (const [bucket, { bucket: stream }] of buckets) {
      for (const sequence of stream.lastOfEach()) {
        const message = stream.next(sequence);
        if (message === undefined) continue;
        const { subject: key, timestampNs, block, payload } = message;
        const at = { site, bucket, key, created: stream.mark().created, sequence, timestampNs, block };
        recorder.add({ what: "final", ...at, value: textOf(payload) });
      }
    }
  }
}

/** Of the lives that end with the run: a lower bound. */
function countConflicts(world: World, site: string): void {
  for (const { races, captured, swept, peers } of world.life(site)?.gateway.counters().values() ?? []) {
    world.recorder.count("writes captured", captured);
    world.recorder.count("apply races", races);
    world.recorder.count("tombstones swept", swept);
    for (const { conflicts, applied, reconcile } of peers.values()) {
      world.recorder.count("operations applied", applied);
      world.recorder.count("keys repaired by reconcile", reconcile.repairs);
      world.recorder.count("rounds that proved two sites equal", reconcile.rounds.equal);
      world.recorder.count("conflicts", conflicts.local_won + conflicts.peer_won);
    }
  }
}

export const setupOf = ({ mix }: Plan): Setup => ({ beganMs: START_MS, buckets: mix.buckets, onlyBucketFaults: mix.onlyBucketFaults });
