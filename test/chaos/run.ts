/**
 * One run: start everything, let episodes of faults happen under load, heal after each and wait until all sites are equal;
 * at the end a stretch without faults to count by, a look at what was left behind, and the checker over all that was seen.
 */
import { mkdirSync } from "node:fs";
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
import { drawPlan } from "./plan.js";
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

export async function runChaos(options: ChaosOptions): Promise<ChaosRun> {
  const { seed, lengthMs, folder, load, say } = options;
  const begunMs = performance.now();
  mkdirSync(folder, { recursive: true });
  const record = createRecord();
  const plan = drawPlan(seed, lengthMs);
  const stage = await createStage({ folder, record, draw: createDraw(seed), load });
  const found: Violation[] = [];
  const bands: FaultBand[] = [];
  const converged: (number | null)[] = [];
  const marks: Mark[] = [];
  const mark = (what: string) => void marks.push({ ms: record.nowMs(), what });
  const wrong = (property: string, messages: readonly string[]) =>
    void found.push(...messages.map((message) => violation(property, {}, message)));
  try {
    say(`seed ${seed}: 3 servers ${stage.sites[0]?.server.version ?? ""}, 3 gateways, ${load.writesPerSecond * SITES.length} writes a second`);
    wrong("everything comes to rest", await becomeEqual(stage, converged, false));
    const connections = await gatewayConnections(stage);
    for (const [index, episode] of plan.episodes.entries()) {
      for (const { writers } of stage.sites) writers.resume();
      const onBand = (band: FaultBand) => say(`${clockOf(band.fromMs)} ${band.kind} for ${((band.toMs - band.fromMs) / 1_000).toFixed(1)} s: ${band.note}`);
      const strikes = await strikeEpisode(stage, episode, onBand);
      bands.push(...strikes.bands);
      wrong("every fault had its turn", strikes.never.map(({ kind, site }) => `${kind} at ${site} never had`));
      await pauseWriters(stage);
      mark("healed");
      say(`${clockOf(record.nowMs())} episode ${index + 1} of ${plan.episodes.length} is over, all is healed`);
      wrong("everything comes to rest", await becomeEqual(stage, converged, true));
      mark("equal");
      say(`${clockOf(record.nowMs())} equal and at rest after ${((converged.at(-1) ?? NaN) / 1_000).toFixed(1)} s`);
    }
    record.add({ what: "phase", phase: "healed" });
    const counts = await calmStretch(stage);
    wrong("everything comes to rest", counts.missing);
    wrong("nothing is left behind", await untilTidy(stage, connections));
    const atRest = found.every(({ property }) => property !== "everything comes to rest");
    if (atRest) record.add({ what: "phase", phase: "idle" });
    await sleep(IDLE_MS);
    const finals = await addEnd(stage);
    const history = record.history();
    const logged = createLogged(history);
    found.push(...check(history, setup()));
    if (atRest) wrong("metrics are the history", compareCounts(counts.counted, logged, counts.fromMs, counts.toMs));
    if (atRest) wrong("metrics are the history", stage.sites.flatMap(({ name, gateway }) => compareGauges(name, gateway.lives.at(-1)?.metrics ?? new Map(), finals)));
    wrong("metrics are the history", stage.sites.flatMap(({ gateway }) => compareLives(gateway.lives, logged)));
    wrong("no gateway ends by itself", stage.sites.flatMap(({ name, gateway }) => gateway.ownEnds.map((end) => `${name}: ${end}`)));
    const seconds = (performance.now() - begunMs) / 1_000;
    const figures = figuresOf({ stage, seed, seconds, lengthMs, bands, converged, found, history });
    const samples = stage.sites.flatMap(({ gateway }) => gateway.samples);
    const memorySamples = Object.fromEntries(stage.sites.map(({ name, gateway }) => [name, gateway.lives.flatMap(({ rss }) => rss)]));
    const events = bands.sort((a, b) => a.fromMs - b.fromMs);
    return { report: { ...figures, found, stories: tellStories(history, found), events, marks, memorySamples }, history, samples };
  } finally {
    await stage.dispose();
  }
}

const clockOf = (ms: number) => `${(ms / 1_000).toFixed(1).padStart(6)} s `;

const setup = () => ({
  buckets: BUCKETS.map(({ name }) => ({ name, sites: SITES, format: "raw" as const, include: [">"], exclude: [] })),
  onlyBucketFaults: false,
});

const pauseWriters = async (stage: Stage) => void (await Promise.all(stage.sites.map(({ writers }) => writers.pause())));

async function becomeEqual(stage: Stage, converged: (number | null)[], counts: boolean): Promise<readonly string[]> {
  const { afterMs, missing } = await untilAtRest(stage, AT_REST_WITHIN_MS);
  if (counts) converged.push(afterMs);
  return missing;
}

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
