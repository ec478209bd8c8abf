/**
 * One run: start everything, let episodes of faults happen under load, heal after each and wait until all sites are equal;
 * at the end a stretch without faults to count by, a look at what was left behind, and the checker over all that was seen.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { check } from "../sim/checker/check.js";
import { createDraw } from "../sim/draw.js";
import type { Happening, Violation } from "../sim/history.js";
import { violation } from "../sim/checker/ledger.js";
import { eventually } from "../support/eventually.js";
import { compareCounts, compareGauges, compareLives, createLogged } from "./compare-metrics.js";
import { BUCKETS, SITES } from "./config-text.js";
import { figuresOf } from "./figures.js";
import { type Connection, gatewayConnections, leftoverConsumers, moreThan } from "./leftovers.js";
import { type Episode, drawPlan } from "./plan.js";
import { createRecord } from "./record.js";
import type { Mark, Report } from "./report.js";
import { readFinals, untilAtRest } from "./rest.js";
import { type Stage, createStage } from "./stage.js";
import { tellStories } from "./stories.js";
import { type FaultBand, strikeEpisode } from "./strike.js";
import type { StatusSample } from "./gateways.js";
import { putBackUnseen } from "./unseen.js";
import type { Load } from "./writers.js";

export interface ChaosOptions {
  readonly seed: number;
  readonly lengthMs: number;
  /** How far faults are apart, on average; null for the usual. */
  readonly faultEveryMs: number | null;
  readonly folder: string;
  readonly load: Load;
  /** One line for whoever watches. */
  readonly say: (line: string) => void;
}

export interface ChaosRun {
  readonly report: Report;
  readonly history: readonly Happening[];
  readonly samples: readonly StatusSample[];
}

/** Back-offs end at 15 s, and reconcile comes within 20 s; the rest is for a busy machine. */
const AT_REST_WITHIN_MS = 180_000;
/** A consumer of a gateway that was killed while it scanned is forgotten by its server after 60 s. */
const TIDY_WITHIN_MS = 120_000;
/** Writes without faults, to count by. */
const CALM_MS = 3_000;
/** Nothing may be written in this time once everything is at rest; a round of reconcile falls into most of it. */
const IDLE_MS = 4_000;

/** What a run has come to so far. */
interface Course {
  readonly stage: Stage;
  readonly options: ChaosOptions;
  readonly begunMs: number;
  readonly found: Violation[];
  readonly bands: FaultBand[];
  readonly converged: (number | null)[];
  readonly marks: Mark[];
  /** For whoever watches, with the time. */
  say(line: string): void;
  wrong(property: string, messages: readonly string[]): void;
}

export async function runChaos(options: ChaosOptions): Promise<ChaosRun> {
  const { seed, lengthMs, folder, load } = options;
  const begunMs = performance.now();
  const record = createRecord();
  const plan = drawPlan(seed, lengthMs, options.faultEveryMs);
  const stage = await createStage({ folder, record, draw: createDraw(seed), load });
  const found: Violation[] = [];
  const course: Course = {
    ...{ stage, options, begunMs, found, bands: [], converged: [], marks: [] },
    say: (line) => options.say(`${clockOf(record.nowMs())} ${line}`),
    wrong: (property, messages) => void found.push(...messages.map((message) => violation(property, {}, message))),
  };
  try {
    course.say(`seed ${seed}: 3 servers ${stage.sites[0]?.server.version ?? ""}, 3 gateways, ${load.writesPerSecond * SITES.length} writes a second`);
    const { missing } = await untilAtRest(stage, AT_REST_WITHIN_MS);
    course.wrong(REST, missing);
    const connections = await gatewayConnections(stage);
    for (const [index, episode] of plan.episodes.entries()) {
      await goThrough(course, episode);
      course.say(`equal and at rest after ${seconds(course.converged.at(-1) ?? NaN)}, episode ${index + 1} of ${plan.episodes.length}`);
    }
    return await judge(course, connections);
  } finally {
    await stage.dispose();
  }
}

const REST = "everything comes to rest";
const METRICS = "metrics are the history";

/** One episode of faults under load, and the healing after it. */
async function goThrough(course: Course, episode: Episode): Promise<void> {
  const { stage, bands, marks, converged, say, wrong } = course;
  const mark = (what: string) => void marks.push({ ms: stage.record.nowMs(), what });
  for (const { writers } of stage.sites) writers.resume();
  const strikes = await strikeEpisode(stage, episode, ({ kind, fromMs, toMs, note }) => say(`${kind} for ${seconds(toMs - fromMs)}: ${note}`));
  bands.push(...strikes.bands);
  wrong("every fault had its turn", strikes.never.map(({ kind, site }) => `${kind} at ${site} never had`));
  await pauseWriters(stage);
  mark("healed");
  say("all is healed");
  const { afterMs, missing } = await untilAtRest(stage, AT_REST_WITHIN_MS);
  converged.push(afterMs);
  mark("equal");
  wrong(REST, missing);
}

async function judge(course: Course, connections: readonly Connection[]): Promise<ChaosRun> {
  const { stage, found, wrong } = course;
  const { record, sites } = stage;
  record.add({ what: "phase", phase: "healed" });
  const counts = await calmStretch(stage);
  wrong(REST, counts.missing);
  wrong("nothing is left behind", await untilTidy(stage, connections));
  const isAtRest = found.every(({ property }) => property !== REST);
  if (isAtRest) record.add({ what: "phase", phase: "idle" });
  await sleep(IDLE_MS);
  const finals = await addEnd(stage);
  const history = record.history();
  const logged = createLogged(history);
  found.push(...check(history, setup(course.begunMs)));
  // Before everything is at rest gateways may count what they have not told yet.
  if (isAtRest) {
    wrong(METRICS, compareCounts(counts.counted, logged, counts.fromMs, counts.toMs));
    wrong(METRICS, sites.flatMap(({ name, gateway }) => compareGauges(name, gateway.lives.at(-1)?.metrics ?? new Map(), finals)));
  }
  wrong(METRICS, sites.flatMap(({ gateway }) => compareLives(gateway.lives, logged)));
  wrong("no gateway ends by itself", sites.flatMap(({ name, gateway }) => gateway.ownEnds.map((end) => `${name}: ${end}`)));
  return { report: reportOf(course, history), history, samples: sites.flatMap(({ gateway }) => gateway.samples) };
}

function reportOf({ stage, options, begunMs, found, bands, converged, marks }: Course, history: readonly Happening[]): Report {
  const elapsed = { seed: options.seed, lengthMs: options.lengthMs, seconds: (performance.now() - begunMs) / 1_000 };
  const memorySamples = Object.fromEntries(stage.sites.map(({ name, gateway }) => [name, gateway.lives.flatMap(({ rss }) => rss)]));
  return {
    ...figuresOf({ ...elapsed, stage, bands, converged, found, history }),
    ...{ found, stories: tellStories(history, found), marks, memorySamples },
    events: [...bands].sort((a, b) => a.fromMs - b.fromMs),
  };
}

const clockOf = (ms: number) => `${(ms / 1_000).toFixed(1).padStart(6)} s `;
const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;

const setup = (begunMs: number) => ({
  beganMs: Date.now() - (performance.now() - begunMs),
  buckets: BUCKETS.map(({ name }) => ({ name, sites: SITES, format: "raw" as const, include: [">"], exclude: [] })),
  onlyBucketFaults: false,
});

const pauseWriters = async (stage: Stage) => void (await Promise.all(stage.sites.map(({ writers }) => writers.pause())));

/** Writes and no faults, from rest to rest: what was counted over it can be compared exactly. */
async function calmStretch(stage: Stage) {
  const read = () => Promise.all(stage.sites.map(({ gateway }) => gateway.metrics()));
  const fromMs = stage.record.nowMs();
  const before = await read();
  for (const { writers } of stage.sites) writers.resume();
  await sleep(CALM_MS);
  await pauseWriters(stage);
  const { missing } = await untilAtRest(stage, AT_REST_WITHIN_MS);
  const after = await read();
  const toMs = stage.record.nowMs();
  const counted = SITES.map((site, index) => ({ site, before: before[index] ?? new Map(), after: after[index] ?? new Map() }));
  return { counted, fromMs, toMs, missing };
}

async function untilTidy(stage: Stage, before: readonly Connection[]): Promise<readonly string[]> {
  let left: readonly string[] = [];
  const look = async () => {
    left = [...(await leftoverConsumers(stage)), ...moreThan(before, await gatewayConnections(stage))];
    return left.length === 0;
  };
  await eventually(look, { what: "nothing is left behind", withinMs: TIDY_WITHIN_MS, everyMs: 500 }).catch(() => undefined);
  return left;
}

/** What everything was like in the end, for the checker. */
async function addEnd({ record, sites, ...stage }: Stage) {
  for (const { name: site, gateway, observer } of sites) {
    const status = await gateway.status();
    for (const [bucket, { state, reason }] of Object.entries(status?.buckets ?? {})) {
      const note = `${bucket} is ${state}${reason === null ? "" : `: ${reason.message}`}`;
      record.add({ what: "gateway", site, life: gateway.lives.length, bucket, state, code: null, note });
    }
    const life = gateway.lives.at(-1);
    if (life !== undefined) life.metrics = await gateway.metrics().catch(() => life.metrics);
    await observer.untilSeen();
  }
  putBackUnseen(record, sites.flatMap(({ observer }) => observer.unseen()));
  record.add({ what: "phase", phase: "over" });
  const finals = await readFinals({ record, sites, ...stage }, record.history());
  for (const final of finals) record.add({ what: "final", ...final });
  return finals;
}
