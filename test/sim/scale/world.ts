/**
 * Many whole sites and no faults but distance: the sites, lives and links of `world/`, without its plan and its history,
 * which would keep every message of every site.
 */
import { type VirtualClock, createVirtualClock } from "../../memory/virtual-clock.js";
import { createDraw } from "../draw.js";
import type { BucketPlan, Mix } from "../plan.js";
import { type Clients, createClients } from "../world/clients.js";
import { configText } from "../world/config-text.js";
import { type Life, startLife } from "../world/life.js";
import type { Recorder } from "../world/recorder.js";
import { type SimSite, bucketOf, createSimSite, textOf } from "../world/site.js";
import { type Agreement, createAgreement } from "./agreement.js";
import type { ScaleCase } from "./case.js";
import type { CountedSite } from "./ports.js";
import { type Tally, createTally } from "./tally.js";

export interface ScaleWorld {
  readonly clock: VirtualClock;
  readonly tally: Tally;
  readonly agreement: Agreement;
  /** Those that have gateways. */
  readonly names: readonly string[];
  readonly buckets: readonly string[];
  life(site: string): Life;
  /** All gateways, within a second. */
  start(): void;
  /** Of an application at the site. */
  write(site: string, bucket: string, key: string): void;
  /** Nothing gets between these sites and all others, or the hub, until the returned function is called. */
  cutOff(away: readonly string[]): () => void;
  /** By comparing all that is stored. */
  isEqual(): boolean;
}

const HUB = "hub";
const START_WITHIN_MS = 1_000;
const SEED = 1;
const NO_LOSS = { requests: 0, answers: 0 } as const;
const NO_LAG = { consumerMs: 0, answerMs: 0 } as const;
const BOTH_WAYS = ["to server", "to client"] as const;

export function createScaleWorld(of: ScaleCase): ScaleWorld {
  const clock = createVirtualClock();
  const draw = createDraw(SEED);
  const tally = createTally();
  const names = namesOf("s", of.sites);
  const buckets = namesOf("b", of.buckets);
  const mix = mixOf(of, names, buckets);
  const agreement = createAgreement(names.length, () => clock.elapsedMs());
  const recorder = createCountingRecorder(agreement, tally);
  const sites = new Map(mix.sites.map((name): [string, CountedSite] => [name, counted(createSimSite(clock, name, mix, recorder, () => undefined), tally)]));
  const lives = new Map<string, Life>();
  const clients = new Map<string, Clients>();
  let written = 0;

  const life = (name: string): Life => mustBe(lives.get(name), name);

  function begin(name: string): void {
    const deps = { clock, mix, site: mustBe(sites.get(name), name), sites, recorder, lost: () => NO_LOSS, lags: () => NO_LAG };
    const delayTo = (to: string) => (to === name ? of.localDelay : of.linkDelay);
    const born = startLife({ ...deps, number: lives.size + 1, draw: draw.fork(`life ${name}`), delayTo }, configText(mix));
    born.onWrite = ({ to, key }) => {
      tally.count(to === "state" ? `saves ${key.slice(0, key.indexOf("."))}` : `sent to the ${to}`);
      return null;
    };
    lives.set(name, born);
  }

  return {
    ...{ clock, tally, agreement, names, buckets, life },
    start() {
      for (const name of names) clock.schedule(draw.int(0, START_WITHIN_MS), () => begin(name));
    },
    write(name, bucket, key) {
      const site = mustBe(sites.get(name), name);
      const own = clients.get(name) ?? createClients({ clock, site, draw, recorder, delayMs: () => 0, lost: () => NO_LOSS });
      clients.set(name, own);
      const op = ++written;
      own.write({ op, atMs: 0, site: name, bucket, key, kind: "put", value: `${op} at ${name}`, ttlS: null, condition: "none" });
    },
    cutOff: (away) => cutOff(away, names, life, of.topology === "hub"),
    isEqual: () => buckets.every((bucket) => new Set(names.map((name) => contentOf(mustBe(sites.get(name), name), bucket))).size === 1),
  };
}

const namesOf = (prefix: string, count: number) => Array.from({ length: count }, (_, n) => `${prefix}${String(n).padStart(4, "0")}`);

const counted = (site: SimSite, tally: Tally): CountedSite => Object.assign(site, { tally });

function mustBe<T>(found: T | undefined, name: string): T {
  if (found === undefined) throw new RangeError(`there is no site ${name}`);
  return found;
}

function mixOf(of: ScaleCase, names: readonly string[], buckets: readonly string[]): Mix {
  const log = of.topology === "hub" ? HUB : "local";
  const asPlanned = (name: string): BucketPlan => ({
    ...{ name, sites: names, history: 1, format: "raw", messageTtl: false, markers: false, maxAgeMs: 0, log },
    ...{ include: [">"], exclude: [], inFlight: 1_024, tombstoneTtl: "24h", reconcileInterval: of.reconcileInterval, opsPerSecond: 0 },
  });
  return {
    ...{ sites: of.topology === "hub" ? [...names, HUB] : names, buckets: buckets.map(asPlanned), lengthMs: 0 },
    ...{ localDelay: of.localDelay, remoteDelay: of.linkDelay, consumerLagMs: 0, answerLagMs: 0, lostRequests: 0, lostAnswers: 0 },
    ...{ arrivesAfterCut: 1, skewMs: {}, hostSkewMs: {}, startMs: {}, reactions: 0, onlyBucketFaults: false, lease: false, sharing: false },
  };
}

/** Keeps nothing: who holds what goes to the agreement, the rest is counted. */
function createCountingRecorder(agreement: Agreement, tally: Tally): Recorder {
  let current: number | null = null;
  return {
    history: [],
    counts: new Map(),
    add(happening) {
      if (happening.what !== "stored") return;
      const { place, site, bucket, key, value, op } = happening;
      tally.count(place === "log" ? "logged" : op === null ? "applied" : "written");
      if (place === "bucket") agreement.stored(site, bucket, key, value);
    },
    count: () => undefined,
    as(op, work) {
      current = op;
      try {
        return work();
      } finally {
        current = null;
      }
    },
    writing: () => current,
    trace: () => "",
  };
}

function cutOff(away: readonly string[], names: readonly string[], life: (site: string) => Life, hasHub: boolean): () => void {
  const apart = new Set(away);
  const links = hasHub
    ? away.map((name) => life(name).linkTo(HUB))
    : names.flatMap((from) => names.flatMap((to) => (apart.has(from) === apart.has(to) ? [] : [life(from).linkTo(to)])));
  for (const link of links) for (const direction of BOTH_WAYS) link.block(direction);
  return () => {
    for (const link of links) for (const direction of BOTH_WAYS) link.unblock(direction);
  };
}

function contentOf(site: SimSite, bucket: string): string {
  const { bucket: stream } = bucketOf(site, bucket);
  const lasts = stream.lastOfEach().flatMap((sequence) => stream.next(sequence) ?? []);
  return JSON.stringify(lasts.map(({ subject, payload }) => [subject, textOf(payload)]).sort());
}
