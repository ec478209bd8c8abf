/**
 * The process: which pipelines should run, and how that changes. A reload parses, checks and plans before it touches
 * anything, so a refused config changes nothing (I10); an unchanged bucket is not touched at all. The first start is a
 * reload from nothing, so the two cannot differ.
 */
import type { GatewayConfig, ReloadPlan, SiteConfig } from "../config/config.js";
import { bucketsOf, gatewaysOf, planReload } from "../config/diff.js";
import { createBucketCounters } from "../core/counters.js";
import { toGatewayError } from "../core/errors.js";
import type { Observe } from "../core/events.js";
import type { BucketName } from "../core/ids.js";
import type { Clock, Random } from "../core/ports.js";
import type { Result } from "../core/result.js";
import type { Connections, Lease } from "../nats/connections.js";
import { createSiteState } from "../nats/site-state.js";
import { createServiceListing } from "../nats/service-listing.js";
import { createStreamLooks } from "../nats/stream-looks.js";
import { type Admission, createAdmission } from "./admission.js";
import { type BuildDeps, buildBucketPorts, buildSitePorts, reach } from "./build.js";
import { type Beside, createHeart } from "./heart.js";
import { createLinks } from "./links.js";
import type { Holder } from "./lease-record.js";
import { type Requests, createRequests } from "./requests.js";
import { createSharing } from "./sharing.js";
import { type LoadedConfig, createStatus } from "./snapshot.js";
import type { CountersByBucket, GatewayStatus, ReloadOutcome, Role } from "./status.js";
import { type Supervisor, createSupervisor } from "./supervisor.js";

export interface GatewayDeps {
  readonly connections: Connections;
  readonly clock: Clock;
  readonly random: Random;
  readonly observe: Observe;
  /** Of this program. */
  readonly version: string;
  readonly configPath: string;
  /** Problems as `file:line:column path: message`. */
  readonly parse: (text: string) => Result<GatewayConfig, readonly string[]>;
  /** Zero in production: the tests' way to a site whose clock is wrong. */
  readonly clockOffsetUs: number;
  /** This process, for the site lease. Null: it works at once, whoever else does. */
  readonly holder: Holder | null;
}

export interface Gateway extends Requests {
  /** Applies a config text; one at a time, in the order of the calls. Never rejects. */
  reload(text: string): Promise<ReloadOutcome>;
  /** Notes, when its turn comes, that there is no text to apply: the running config stays. Never rejects. */
  refuse(problems: readonly string[]): Promise<ReloadOutcome>;
  config(): GatewayConfig | null;
  status(): GatewayStatus;
  counters(): CountersByBucket;
  stop(): Promise<void>;
}

export function createGateway(deps: GatewayDeps): Gateway {
  const { clock, observe, connections } = deps;
  const startedMs = clock.nowMs();
  const supervisorByBucket = new Map<BucketName, Supervisor>();
  let loaded: LoadedConfig | null = null;
  let lastError: string | null = null;
  let last: Promise<unknown> = Promise.resolve();
  // The first of them is that of this site's own NATS.
  let held: Lease[] = [];
  let stopped = false;
  // A reload broke off half-way by a mistake of ours: what runs is not what `loaded` says.
  let torn = false;
  let epoch: Promise<number> | null = null;
  const links = createLinks(clock);
  let working: SiteConfig["gateways"] = "one";
  let admission = admit();
  let shared: Pick<BuildDeps, "heart" | "listing" | "looks"> | null = null;

  function start(config: GatewayConfig, bucket: BucketName): void {
    const bucketConfig = config.buckets.get(bucket);
    if (bucketConfig === undefined) return;
    const { clockOffsetUs, random } = deps;
    const peers = [...bucketConfig.sites.keys()].filter((site) => site !== config.site);
    const { admitted, standby } = admission;
    shared ??= {
      heart: createHeart(clock, () => besideOf(admission, deps.holder)),
      looks: createStreamLooks(clock),
      listing: createServiceListing({ site: config.site, version: deps.version, clock, random }),
    };
    const build = { ...shared, links, connections, clock, clockOffsetUs, admitted: () => admitted(bucket), epoch: () => nextEpoch(config) };
    const ports = buildBucketPorts(build, config, bucketConfig);
    const supervisor = createSupervisor(
      { site: config.site, ports, counters: createBucketCounters(peers), clock, random, observe, standby: () => standby(bucket) },
      bucketConfig,
    );
    supervisorByBucket.set(bucket, supervisor);
  }

  function onRole(now: Role, before: Role | null): void {
    // Whoever begins to work has consumers of its own, under names that nobody had before.
    if (now === "active") epoch = null;
    // Buckets of a process that has just started begin already.
    if (before !== null || now === "standby") for (const supervisor of supervisorByBucket.values()) void supervisor.roleChanged();
  }

  /** Buckets may begin that another gateway has worked, also under the name of the consumers that it had before that one. */
  function onHeld(buckets: readonly BucketName[]): void {
    epoch = null;
    for (const bucket of buckets) void supervisorByBucket.get(bucket)?.roleChanged();
  }

  async function onLost(bucket: BucketName): Promise<void> {
    await supervisorByBucket.get(bucket)?.roleChanged();
  }

  function admit(): Admission {
    const { holder } = deps;
    if (working === "one" || holder === null) return createAdmission({ holder, clock, observe, onRole });
    return createSharing({ holder, clock, observe, onHeld, onLost });
  }

  /** Where other gateways of the site work than before nothing runs meanwhile: who may is settled anew. */
  async function readmit(next: SiteConfig["gateways"]): Promise<void> {
    await admission.release();
    working = next;
    admission = admit();
  }

  /** One number for the whole time in which this gateway works, asked for again only if asking failed. */
  function nextEpoch(config: GatewayConfig): Promise<number> {
    if (epoch !== null) return epoch;
    const own = config.sites.get(config.site);
    if (own === undefined) return Promise.reject(new RangeError(`site ${config.site} is not listed`));
    const lease = connections.lease(own);
    const asked = createSiteState(lease, config.site, clock)
      .nextEpoch()
      .finally(() => lease.release());
    asked.catch(() => (epoch = null));
    epoch = asked;
    return asked;
  }

  /** One lease on every connection that this config's buckets need. */
  function leasesOf(config: GatewayConfig): Lease[] {
    const sites = new Set([config.site]);
    for (const { sites: bucketSites, log } of bucketsOf(config)) {
      for (const site of log === "local" ? bucketSites.keys() : [log]) sites.add(site);
    }
    return [...sites].map((site) => connections.lease(reach(config, site).over));
  }

  async function stopBuckets(buckets: readonly BucketName[]): Promise<void> {
    const stopping = buckets.map(async (bucket) => {
      await supervisorByBucket
        .get(bucket)
        ?.stop()
        .finally(() => supervisorByBucket.delete(bucket));
      observe({ type: "bucket-removed", bucket });
    });
    // All of them, whatever becomes of one: two pipelines for one bucket never overlap.
    await Promise.allSettled(stopping);
    await Promise.all(stopping);
  }

  /** After a reload that broke off, the next one stops all that runs and starts everything afresh. */
  function planFor(next: GatewayConfig): ReloadPlan {
    if (!torn) return planReload(loaded?.config ?? null, next);
    const afresh = planReload(loaded === null ? null : { ...loaded.config, buckets: new Map() }, next);
    return { ...afresh, stop: [...supervisorByBucket.keys()] };
  }

  async function apply(next: GatewayConfig, plan: ReloadPlan): Promise<ReloadOutcome> {
    const restarted = plan.restart.map(({ bucket }) => bucket);
    // New leases before old ones go: a connection that stays in use is not closed in between.
    const before = held;
    held = leasesOf(next);
    torn = true;
    links.follow(next);
    try {
      const follow = () => {
        const names = bucketsOf(next).map(({ name }) => name);
        admission.follow(() => buildSitePorts({ connections, clock }, next), names);
      };
      const isOther = gatewaysOf(next) !== working;
      if (!isOther) follow();
      await stopBuckets([...plan.stop, ...restarted]);
      if (isOther) await readmit(gatewaysOf(next)).then(follow);
      for (const bucket of [...plan.start, ...restarted]) start(next, bucket);
      for (const { bucket } of plan.update) {
        const config = next.buckets.get(bucket);
        if (config !== undefined) supervisorByBucket.get(bucket)?.update(config);
      }
    } finally {
      for (const lease of before) lease.release();
    }
    torn = false;
    loaded = { config: next, loadedMs: clock.nowMs() };
    lastError = null;
    const { hash } = next;
    const updated = plan.update.map(({ bucket }) => bucket);
    const changes = { started: plan.start, stopped: plan.stop, restarted, updated, kept: plan.keep.length };
    observe({ type: "config-applied", hash, ...changes });
    return { result: "applied", hash, problems: [], ...changes };
  }

  function refuse(problems: readonly string[]): ReloadOutcome {
    lastError = problems.join("\n");
    observe({ type: "config-rejected", problems });
    return rejected(problems);
  }

  function breakOff(thrown: unknown): ReloadOutcome {
    const { code, message } = toGatewayError(thrown);
    lastError = message;
    observe({ type: "bug", reason: { code, message } });
    return rejected([message]);
  }

  function rejected(problems: readonly string[]): ReloadOutcome {
    return { ...NOTHING, result: "rejected", hash: loaded?.config.hash ?? "", problems, kept: supervisorByBucket.size };
  }

  async function reloadNow(text: string): Promise<ReloadOutcome> {
    if (stopped) return refuse(["the gateway is stopping"]);
    const parsed = deps.parse(text);
    if (!parsed.ok) return refuse(parsed.error);
    const next = parsed.value;
    const plan = planFor(next);
    if (plan.refused.length > 0) return refuse(plan.refused.map(({ path, message }) => `${deps.configPath} ${path}: ${message}`));
    if (next.hash === loaded?.config.hash && !torn) {
      lastError = null;
      observe({ type: "config-unchanged", hash: next.hash });
      return { ...NOTHING, result: "unchanged", hash: next.hash, kept: supervisorByBucket.size };
    }
    return apply(next, plan);
  }

  /** What is asked for is done one at a time, in order; a mistake of ours in it is told, and ends nothing else. */
  function inTurn(work: () => ReloadOutcome | Promise<ReloadOutcome>): Promise<ReloadOutcome> {
    return afterAll(work).catch(breakOff);
  }

  function afterAll<T>(work: () => T | Promise<T>): Promise<T> {
    const outcome = last.then(work);
    last = outcome.catch(() => undefined);
    return outcome;
  }

  return {
    reload: (text) => inTurn(() => reloadNow(text)),
    refuse: (problems) => inTurn(() => refuse(problems)),
    ...createRequests({ clock, supervisorByBucket, site: () => loaded?.config.site, standby: (bucket) => admission.standby(bucket), afterAll }),
    config: () => loaded?.config ?? null,
    status() {
      const { version, configPath } = deps;
      const localConnected = held[0]?.connected() ?? false;
      const times = { startedMs, nowMs: clock.nowMs() };
      const members = admission.members()?.map(({ name }) => name) ?? null;
      const { bucketLease } = admission;
      const leading = { role: admission.role(), lease: admission.lease(), members, bucketLease };
      const parts = { loaded, lastError, localConnected, ...times, ...leading, version, configPath };
      return createStatus(parts, [...supervisorByBucket.values()]);
    },
    counters: () => new Map([...supervisorByBucket].map(([bucket, supervisor]) => [bucket, supervisor.counters()])),
    async stop() {
      stopped = true;
      await last;
      try {
        await stopBuckets([...supervisorByBucket.keys()]);
      } finally {
        await admission.release();
        for (const lease of held) lease.release();
        await connections.close();
      }
    },
  };
}

const NOTHING = { started: [], stopped: [], restarted: [], updated: [], kept: 0, problems: [] } as const;

/** Null where no other gateway of the site can have a bucket that this one has not. */
function besideOf(admission: Admission, holder: Holder | null): Beside | null {
  const members = admission.members();
  if (members === null || holder === null) return null;
  return { self: holder.id, others: () => (admission.members() ?? []).flatMap(({ id }) => (id === holder.id ? [] : [id])) };
}
