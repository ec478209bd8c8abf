/**
 * What a new config would do to a running one, as data (I10): the first start is the plan from nothing. Only buckets in
 * which this site takes part run. The table below decides for every field of a bucket; a new field without a decision
 * does not compile.
 */
import type { BucketName, SiteId } from "../core/ids.js";
import { sameMeaning } from "./canonical.js";
import type { BucketConfig, GatewayConfig, ReloadPlan, SiteConfig } from "./config.js";
import { formatListen } from "./listen-address.js";
import { GATEWAYS_DEFAULT } from "./settings.js";

type Change = "name" | "update" | "restart";

/** The setting in the YAML behind each field, and what its change asks for. */
const FIELDS: Readonly<Record<keyof BucketConfig, { readonly setting: string; readonly change: Change }>> = {
  name: { setting: "name", change: "name" },
  subject: { setting: "subject", change: "restart" },
  sites: { setting: "sites", change: "restart" },
  policy: { setting: "policy", change: "restart" },
  tombstoneTtlMs: { setting: "tombstoneTtl", change: "update" },
  reconcileIntervalMs: { setting: "reconcileInterval", change: "update" },
  maxClockSkewMs: { setting: "maxClockSkew", change: "update" },
  format: { setting: "format", change: "restart" },
  log: { setting: "log", change: "restart" },
  keys: { setting: "keys", change: "restart" },
  limits: { setting: "limits", change: "update" },
  priority: { setting: "priority", change: "update" },
  create: { setting: "create", change: "restart" },
  paused: { setting: "paused", change: "update" },
};

/** What a changed field of a site asks of the buckets that use it. Which of its gateways work concerns those alone. */
const SITE_FIELDS: Readonly<Record<Exclude<keyof SiteConfig, "id" | "gateways">, Exclude<Change, "name">>> = {
  servers: "restart",
  credentials: "restart",
  tls: "restart",
  via: "restart",
  domain: "restart",
  bytesPerSecond: "update",
};

/** The buckets that this site runs, by name. */
export function bucketsOf(config: GatewayConfig): readonly BucketConfig[] {
  return [...config.buckets.values()]
    .filter(({ sites }) => sites.has(config.site))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Which gateways of this site work. */
export const gatewaysOf = (config: GatewayConfig | null): SiteConfig["gateways"] =>
  config?.sites.get(config.site)?.gateways ?? GATEWAYS_DEFAULT;

export function planReload(old: GatewayConfig | null, next: GatewayConfig): ReloadPlan {
  const before = new Map((old === null ? [] : bucketsOf(old)).map((bucket) => [bucket.name, bucket]));
  const after = bucketsOf(next);
  const running = new Set(after.map(({ name }) => name));
  const plan = {
    start: after.flatMap(({ name }) => (before.has(name) ? [] : [name])),
    stop: [...before.keys()].filter((name) => !running.has(name)),
    restart: [] as { bucket: BucketName; because: readonly string[] }[],
    update: [] as { bucket: BucketName; fields: readonly string[] }[],
    keep: [] as BucketName[],
    refused: old === null ? [] : refusals(old, next),
  };
  const siteChanges = (change: Change) => (old === null ? NO_CHANGES : changedSites(old, next, change));
  const [restarting, updating] = [siteChanges("restart"), siteChanges("update")];
  const otherGateways = gatewaysOf(old) === gatewaysOf(next) || old === null ? [] : [`sites.${next.site}.gateways`];
  for (const bucket of after) {
    const was = before.get(bucket.name);
    if (was === undefined) continue;
    const because = [...otherGateways, ...changedFields(was, bucket, "restart"), ...changesOnTheWay(bucket, next, restarting)];
    const fields = [...changedFields(was, bucket, "update"), ...changesOnTheWay(bucket, next, updating)];
    if (because.length > 0) plan.restart.push({ bucket: bucket.name, because });
    else if (fields.length > 0) plan.update.push({ bucket: bucket.name, fields });
    else plan.keep.push(bucket.name);
  }
  return plan;
}

const NO_CHANGES: ReadonlyMap<SiteId, readonly string[]> = new Map();

function changedFields(was: BucketConfig, is: BucketConfig, change: Change): readonly string[] {
  return (Object.keys(FIELDS) as (keyof BucketConfig)[])
    .filter((field) => FIELDS[field].change === change && !sameMeaning(was[field], is[field]))
    .map((field) => FIELDS[field].setting);
}

/** Such as `sites.site-b.servers`, for sites that are in both configs. */
function changedSites(old: GatewayConfig, next: GatewayConfig, change: Change): ReadonlyMap<SiteId, readonly string[]> {
  const changes = new Map<SiteId, readonly string[]>();
  for (const [id, is] of next.sites) {
    const was = old.sites.get(id);
    if (was === undefined) continue;
    const fields = (Object.keys(SITE_FIELDS) as (keyof typeof SITE_FIELDS)[]).filter(
      (field) => SITE_FIELDS[field] === change && !sameMeaning(was[field], is[field]),
    );
    if (fields.length > 0)
      changes.set(
        id,
        fields.map((field) => `sites.${id}.${field}`),
      );
  }
  return changes;
}

/** A site that is new on the way needs no mention: what leads to it has changed. */
function changesOnTheWay(
  bucket: BucketConfig,
  config: GatewayConfig,
  changes: ReadonlyMap<SiteId, readonly string[]>,
): readonly string[] {
  if (changes.size === 0) return [];
  return [...sitesUsedBy(bucket, config)].sort().flatMap((site) => changes.get(site) ?? []);
}

/** The sites that take part, the hub of their logs, and every connection that leads to one of them. */
function sitesUsedBy({ sites, log }: BucketConfig, config: GatewayConfig): ReadonlySet<SiteId> {
  const used = new Set<SiteId>();
  for (const site of log === "local" ? sites.keys() : [...sites.keys(), log]) {
    // This site's own NATS is always reached directly: its `via` is the way of the others.
    const next = (at: SiteId): SiteId | null => (at === config.site ? null : (config.sites.get(at)?.via ?? null));
    for (let at: SiteId | null = site; at !== null && !used.has(at); at = next(at)) used.add(at);
  }
  return used;
}

function refusals(old: GatewayConfig, next: GatewayConfig): ReloadPlan["refused"] {
  const refused: { path: string; message: string }[] = [];
  const [was, is] = [formatListen(old.http), formatListen(next.http)];
  if (old.site !== next.site) {
    refused.push({
      path: "site",
      message: `this process is ${old.site}, not ${next.site}; restart the process to change it`,
    });
  }
  if (was !== is) {
    refused.push({
      path: "http.listen",
      message: `this process listens on ${was}, not ${is}; restart the process to change it`,
    });
  }
  return refused;
}
