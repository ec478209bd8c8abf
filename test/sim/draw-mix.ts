/** What a seed's run is made of: every seed has its own mix, and leaves most things out, so that few hide many. */
import type { Draw } from "./draw.js";
import { isBuilt } from "./not-yet.js";
import type { BucketPlan, Delay, Mix } from "./plan.js";

const SITES = ["a", "b", "c", "d"] as const;
const BUCKETS = ["one", "two", "three", "four"] as const;

/** How rough a seed is: a quarter is quiet, a few have faults of single buckets only. */
export type Weather = "quiet" | "buckets only" | "rough";

export function drawWeather(draw: Draw): Weather {
  const at = draw.next();
  return at < 0.2 ? "quiet" : at < 0.26 ? "buckets only" : "rough";
}

export function drawMix(draw: Draw, weather: Weather): Mix {
  const sites = SITES.slice(0, draw.pick([2, 2, 2, 3, 3, 3, 3, 4]));
  const onlyBucketFaults = weather === "buckets only";
  const count = onlyBucketFaults ? draw.int(2, 3) : draw.pick([1, 1, 1, 1, 1, 1, 2, 2, 3, 4]);
  const skewed = draw.chance(0.5);
  const buckets = BUCKETS.slice(0, count).map((name) => drawBucket(draw, name, sites, skewed));
  const expiring = expires({ buckets });
  const rough = weather === "rough";
  // Whatever lets a pipeline start afresh lets an entry come and expire unseen.
  const mayBlind = !expiring || isBuilt("unseenExpiry");
  return {
    sites,
    buckets,
    lengthMs: draw.pick([10_000, 20_000, 30_000, 45_000, 60_000]),
    localDelay: drawDelay(draw, rough && mayBlind ? [2, 2, 10, 50, 200, 2_000] : [2, 10]),
    remoteDelay: drawDelay(draw, rough ? [5, 50, 100, 500, 2_000] : [5, 100]),
    consumerLagMs: draw.pick(mayBlind ? [0, 0, 20, 200, 1_000, 3_000] : [0, 20, 200]),
    answerLagMs: rough ? draw.pick([0, 0, 20, 200, 2_000]) : 0,
    lostRequests: rough && mayBlind ? draw.pick([0, 0, 0, 0.01, 0.05, 0.3]) : 0,
    lostAnswers: rough && mayBlind ? draw.pick([0, 0, 0.01, 0.05, 0.3, 0.3]) : 0,
    arrivesAfterCut: draw.pick([0, 0.5, 1]),
    skewMs: bySite(sites, () => drawSkew(draw, expiring, skewed)),
    hostSkewMs: bySite(sites, () => (skewed && draw.chance(0.4) ? draw.int(-3_000, 3_000) : 0)),
    startMs: bySite(sites, () => (draw.chance(mayBlind ? 0.2 : 0) ? draw.int(0, 10_000) : 0)),
    reactions: draw.pick([0, 0.1, 0.3, 0.6]),
    onlyBucketFaults,
    lease: draw.chance(0.6),
    sharing: draw.fork("sharing").chance(0.3),
  };
}

const bySite = (sites: readonly string[], value: () => number): Record<string, number> =>
  Object.fromEntries(sites.map((site) => [site, value()]));

export const expires = ({ buckets }: Pick<Mix, "buckets">): boolean =>
  buckets.some(({ messageTtl, maxAgeMs }) => messageTtl || maxAgeMs > 0);

export const sweepsSoon = ({ buckets }: Pick<Mix, "buckets">): boolean => buckets.some(({ tombstoneTtl }) => tombstoneTtl !== "24h");

/** Where entries expire, a clock that is an hour ahead would make the run wait for an hour. */
export function drawSkew(draw: Draw, expiring: boolean, skewed: boolean): number {
  if (!skewed) return draw.int(-50, 50);
  const most = draw.pick(expiring ? [0, 0, 50, 5_000, 20_000] : [0, 0, 50, 500, 5_000, 60_000, 3_600_000, 3_600_000]);
  return draw.int(-most, most);
}

function drawDelay(draw: Draw, most: readonly number[]): Delay {
  const maxMs = draw.pick(most);
  return { minMs: draw.int(0, Math.min(1, maxMs)), maxMs };
}

/** Tombstones that live for seconds, so that they are swept in the run; only where no clock is wrong by as much. */
function drawSweep(draw: Draw, skewed: boolean): Pick<BucketPlan, "tombstoneTtl" | "reconcileInterval"> {
  const soon = draw.chance(0.3) && !skewed;
  return {
    tombstoneTtl: soon ? draw.pick(["6s", "10s"]) : "24h",
    reconcileInterval: draw.pick(soon ? ["2s", "5s"] : ["5m", "5m", "5m", "10s"]),
  };
}

function drawBucket(draw: Draw, name: string, sites: readonly string[], skewed: boolean): BucketPlan {
  const expiring = draw.chance(0.2);
  const some = sites.length > 2 && draw.chance(0.15);
  const taking = some ? sites.filter((_, index) => index !== draw.int(0, sites.length)) : sites;
  const filtered = draw.chance(0.15);
  return {
    name,
    sites: taking.length < 2 ? sites : taking,
    history: draw.pick([1, 1, 1, 5, 64]),
    format: draw.chance(0.25) ? "json" : "raw",
    messageTtl: expiring,
    markers: expiring && draw.chance(0.7),
    maxAgeMs: 0,
    log: draw.chance(0.1) ? draw.pick(sites) : "local",
    include: filtered && draw.chance(0.5) ? ["x.>", "y.*.1"] : [">"],
    exclude: filtered ? ["x.*.2"] : [],
    ...drawSweep(draw, skewed),
    inFlight: draw.pick([1_024, 1_024, 1_024, 1, 4]),
    opsPerSecond: draw.pick([0, 0, 0, 0, 20]),
  };
}
