/** A seed's plan: its mix, what is written, and which faults strike when. */
import { type Draw, createDraw } from "./draw.js";
import { drawMix, drawWeather, expires } from "./draw-mix.js";
import type { FaultKind } from "./faults/fault.js";
import { FAULT_KINDS } from "./faults/table.js";
import type { WriteKind } from "./history.js";
import { isBuilt } from "./not-yet.js";
import type { BucketPlan, ClientWrite, Mix, Plan, PlannedFault, QuietTime } from "./plan.js";

export function drawPlan(seed: number): Plan {
  const draw = createDraw(seed);
  const weather = drawWeather(draw);
  const mix = drawMix(draw.fork("mix"), weather);
  const quiet = drawQuiet(draw.fork("quiet"), mix.lengthMs);
  const faults = weather === "quiet" ? [] : drawFaults(draw.fork("faults"), mix, quiet);
  return { seed, mix, quiet, faults, writes: drawWrites(draw.fork("writes"), mix) };
}

/** A quarter of the time. */
function drawQuiet(draw: Draw, lengthMs: number): QuietTime[] {
  const quiet: QuietTime[] = [];
  for (let fromMs = 0; fromMs < lengthMs;) {
    const toMs = fromMs + draw.int(3_000, 15_000);
    if (draw.chance(0.25)) quiet.push({ fromMs, toMs });
    fromMs = toMs;
  }
  return quiet;
}

function drawFaults(draw: Draw, mix: Mix, quiet: readonly QuietTime[]): PlannedFault[] {
  const mayBlind = isBuilt("unseenExpiry") || !expires(mix);
  const drawable = FAULT_KINDS.filter(
    ({ needs, onBucket, blinds }) => isBuilt(needs) && (onBucket || !mix.onlyBucketFaults) && (mayBlind || !blinds),
  );
  const share = draw.pick([0.1, 0.25, 0.5]);
  // Each kind draws for itself, so that a new one leaves the others as they were.
  const faults = drawable.flatMap((kind) => {
    const own = draw.fork(kind.name);
    return own.chance(share) ? Array.from({ length: own.int(1, kind.atMost) }, () => drawFault(own, kind, mix)) : [];
  });
  const inQuiet = ({ atMs }: PlannedFault) => quiet.some(({ fromMs, toMs }) => atMs >= fromMs && atMs < toMs);
  return faults.filter((fault) => !inQuiet(fault)).sort((a, b) => a.atMs - b.atMs);
}

function drawFault(draw: Draw, { name, lastsMs, amount }: FaultKind, mix: Mix): PlannedFault {
  const [site, other] = twoOf(draw, mix.sites);
  const { name: bucket } = draw.pick(mix.buckets);
  const lasts = Math.round(lastsMs[0] + (lastsMs[1] - lastsMs[0]) * draw.next() ** 3);
  const how = { choice: draw.next(), amount: draw.int(...amount) };
  return { kind: name, atMs: draw.int(0, mix.lengthMs), site, other, bucket, lastsMs: lasts, ...how };
}

function twoOf(draw: Draw, sites: readonly string[]): [string, string] {
  const site = draw.pick(sites);
  return [site, draw.pick(sites.filter((other) => other !== site))];
}

/** Writes come alone, in volleys at one key from all sites at once, in duels of two sites that may have seen each other's
 *  last one, and in runs at one site faster than anybody reads. */
function drawWrites(draw: Draw, mix: Mix): ClientWrite[] {
  const writes: ClientWrite[] = [];
  const total = draw.pick([15, 30, 60, 90]);
  const keys = keysOf(draw.pick([1, 2, 4, 8, 16, 64]));
  const volleys = draw.pick([0, 0.1, 0.3]);
  const runs = draw.pick([0, 0.1, 0.3]);
  const duels = draw.pick([0, 0.1, 0.3, 0.5]);
  const ttls = draw.pick([0.1, 0.2, 0.5]);
  while (writes.length < total) {
    const bucket = draw.pick(mix.buckets);
    const key = draw.pick(keys);
    const atMs = draw.int(0, mix.lengthMs);
    const write = (site: string, ms: number) => writes.push(drawWrite(draw, bucket, writes.length + 1, site, key, ms, ttls));
    const how = draw.next();
    if (how < volleys) for (const site of bucket.sites) write(site, atMs);
    else if (how < volleys + runs) runAt(draw, draw.pick(bucket.sites), atMs, write);
    else if (how < volleys + runs + duels) duel(draw, bucket.sites, atMs, write);
    else write(draw.pick(bucket.sites), atMs);
  }
  return writes.filter(({ atMs }) => atMs < mix.lengthMs).sort((a, b) => a.atMs - b.atMs);
}

function runAt(draw: Draw, site: string, atMs: number, write: (site: string, atMs: number) => void): void {
  const stepMs = draw.pick([0, 1, 5, 100]);
  const length = draw.chance(0.2) ? draw.int(10, 30) : draw.int(2, 6);
  for (let n = 0; n < length; n++) write(site, atMs + n * stepMs);
}

function duel(draw: Draw, sites: readonly string[], atMs: number, write: (site: string, atMs: number) => void): void {
  const [one, other] = twoOf(draw, sites);
  const length = draw.int(2, 6);
  const stepMs = draw.pick([20, 200, 2_000]);
  for (let [n, ms] = [0, atMs]; n < length; n++, ms += draw.int(1, stepMs)) write(n % 2 === 0 ? one : other, ms);
}

/** Some in a tree, so that filters have something to choose. */
const keysOf = (count: number): string[] =>
  Array.from({ length: count }, (_, n) => (n % 4 === 3 ? `k${n}` : `${n % 2 === 0 ? "x" : "y"}.k${n}.${n % 3}`));

function drawWrite(
  draw: Draw,
  bucket: BucketPlan,
  op: number,
  site: string,
  key: string,
  atMs: number,
  ttls: number,
): ClientWrite {
  const kind = draw.pick<WriteKind>(["put", "put", "put", "put", "put", "put", "put", "delete", "delete", "purge"]);
  const condition = draw.pick<ClientWrite["condition"]>(["none", "none", "none", "none", "current", "stale", "create"]);
  const value = kind === "put" ? drawValue(draw, op, site) : "";
  const ttlS = kind === "put" && bucket.messageTtl && draw.chance(ttls) ? draw.int(1, 20) : null;
  return { op, atMs, site, bucket: bucket.name, key, kind, value, ttlS, condition };
}

function drawValue(draw: Draw, op: number, site: string): string {
  const at = draw.next();
  if (at < 0.04) return "";
  if (at < 0.1) return `\u00ff\u0000${op}@${site}\u00fe`;
  return `${op}@${site}`;
}
