/**
 * Makes a failing plan smaller while it still fails in the same property: whole kinds of faults, then single faults and
 * writes in halves and quarters, then sites, buckets and everything else of the mix. Bounded by a number of tries.
 */
import type { BucketPlan, Mix, Plan } from "./plan.js";

const TRIES_MAX = 400;

export interface Shrunk {
  readonly plan: Plan;
  readonly tries: number;
}

type Step = (plan: Plan) => Plan | null;

export async function shrink(plan: Plan, fails: (plan: Plan) => Promise<boolean>): Promise<Shrunk> {
  let tries = 0;
  let smallest = plan;
  /** Takes the step if the plan still fails without what it leaves out. */
  async function attempt(step: Step): Promise<boolean> {
    const next = step(smallest);
    if (next === null || tries >= TRIES_MAX) return false;
    tries++;
    if (!(await fails(next))) return false;
    smallest = next;
    return true;
  }
  for (let before: Plan | null = null; before !== smallest && tries < TRIES_MAX;) {
    before = smallest;
    for (const step of mixSteps(smallest)) await attempt(step);
    await thinOut(() => smallest.faults.length, (from, to) => attempt((now) => ({ ...now, faults: without(now.faults, from, to) })));
    await thinOut(() => smallest.writes.length, (from, to) => attempt((now) => ({ ...now, writes: without(now.writes, from, to) })));
  }
  return { plan: smallest, tries };
}

/** Leaves parts out, large ones first; a part that has gone is not passed over, since the next one has taken its place. */
async function thinOut(length: () => number, leaveOut: (from: number, to: number) => Promise<boolean>): Promise<void> {
  for (let size = length(); size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < length();) {
      if (!(await leaveOut(from, from + size))) from += size;
    }
  }
}

const without = <T>(list: readonly T[], from: number, to: number): T[] => [...list.slice(0, from), ...list.slice(to)];

function mixSteps(plan: Plan): Step[] {
  const { mix, faults } = plan;
  const kinds = [...new Set(faults.map(({ kind }) => kind))];
  return [
    ...mix.buckets.map(({ name }) => withoutBucket(name)),
    ...mix.sites.map((site) => withoutSite(site)),
    ...kinds.map((kind): Step => (now) => ({ ...now, faults: now.faults.filter((fault) => fault.kind !== kind) })),
    ...SIMPLER.map(
      (simpler): Step =>
        (now) => changed(now, { ...now.mix, ...simpler(now.mix) }),
    ),
    ...SIMPLER_BUCKET.map(
      (simpler): Step =>
        (now) => changed(now, { ...now.mix, buckets: now.mix.buckets.map((bucket) => ({ ...bucket, ...simpler })) }),
    ),
    shorter,
  ];
}

const changed = (plan: Plan, mix: Mix): Plan | null =>
  JSON.stringify(mix) === JSON.stringify(plan.mix) ? null : { ...plan, mix };

const zeros = (mix: Mix) => Object.fromEntries(mix.sites.map((site) => [site, 0]));

const SIMPLER: readonly ((mix: Mix) => Partial<Mix>)[] = [
  () => ({ reactions: 0 }),
  () => ({ consumerLagMs: 0 }),
  () => ({ answerLagMs: 0 }),
  () => ({ lostRequests: 0 }),
  () => ({ lostAnswers: 0 }),
  () => ({ localDelay: { minMs: 1, maxMs: 1 } }),
  () => ({ remoteDelay: { minMs: 1, maxMs: 1 } }),
  () => ({ arrivesAfterCut: 0 }),
  (mix) => ({ skewMs: zeros(mix) }),
  (mix) => ({ hostSkewMs: zeros(mix) }),
  (mix) => ({ startMs: zeros(mix) }),
  () => ({ lease: true }),
  () => ({ sharing: false }),
];

const SIMPLER_BUCKET: readonly Partial<BucketPlan>[] = [
  { history: 1 },
  { format: "raw" },
  { messageTtl: false, markers: false },
  { log: "local" },
  { include: [">"], exclude: [] },
  { inFlight: 1_024 },
  { opsPerSecond: 0 },
];

function withoutBucket(name: string): Step {
  return (plan) => {
    const buckets = plan.mix.buckets.filter((bucket) => bucket.name !== name);
    if (buckets.length === 0 || buckets.length === plan.mix.buckets.length) return null;
    const [first] = buckets;
    const faults = plan.faults.map((fault) => (fault.bucket === name ? { ...fault, bucket: first?.name ?? "" } : fault));
    return { ...plan, mix: { ...plan.mix, buckets }, faults, writes: plan.writes.filter(({ bucket }) => bucket !== name) };
  };
}

function withoutSite(site: string): Step {
  return (plan) => {
    const sites = plan.mix.sites.filter((other) => other !== site);
    const buckets = plan.mix.buckets.map((bucket) => ({
      ...bucket,
      sites: bucket.sites.filter((other) => other !== site),
      log: bucket.log === site ? "local" : bucket.log,
    }));
    if (sites.length < 2 || sites.length === plan.mix.sites.length || buckets.some((bucket) => bucket.sites.length < 2)) return null;
    const staying = plan.faults.filter((fault) => fault.site !== site);
    const faults = staying.map((fault) => ({ ...fault, other: otherThan(fault.site, fault.other, sites) }));
    return { ...plan, mix: { ...plan.mix, sites, buckets }, faults, writes: plan.writes.filter((write) => write.site !== site) };
  };
}

/** The site itself if it stays, else any. */
const otherThan = (site: string, other: string, sites: readonly string[]): string =>
  sites.includes(other) ? other : (sites.find((each) => each !== site) ?? other);

const shorter: Step = (plan) => {
  const last = Math.max(0, ...plan.writes.map(({ atMs }) => atMs), ...plan.faults.map(({ atMs }) => atMs));
  const lengthMs = Math.min(plan.mix.lengthMs, last + 3_000);
  return changed(plan, { ...plan.mix, lengthMs });
};
