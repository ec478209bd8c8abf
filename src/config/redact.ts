/**
 * The effective config as it may be shown to anybody who may look: every default filled in, secrets blanked. It has
 * the form of the file, so that it can be saved as one; JSON is YAML.
 */
import type { BucketConfig, GatewayConfig, SiteConfig } from "./config.js";
import { sourceOf, writeCredentials } from "./credentials.js";
import { formatDuration } from "./duration.js";
import { formatListen } from "./listen-address.js";
import { withoutLogin } from "./show.js";

export const BLANKED = "(not shown)";

export function describeConfig(config: GatewayConfig): unknown {
  const inline = [...config.sites.values()].some(
    ({ credentials }) => credentials !== null && sourceOf(credentials).from === "inline",
  );
  return {
    version: 1,
    site: config.site,
    ...(inline ? { allowInlineSecrets: true } : {}),
    sites: describeEach(config.sites, describeSite),
    buckets: describeEach(config.buckets, describeBucket),
    http: { listen: formatListen(config.http) },
    log: { level: config.log.level },
  };
}

function describeSite({ servers, credentials, tls, via, domain, bytesPerSecond, gateways }: SiteConfig): unknown {
  return {
    ...(servers.length === 0 ? {} : { servers: servers.map(withoutLogin) }),
    ...(credentials === null ? {} : { credentials: writeCredentials(credentials, () => BLANKED) }),
    ...(tls === null ? {} : { tls: { ...tls } }),
    ...(via === null ? {} : { via }),
    ...(domain === null ? {} : { domain }),
    bytesPerSecond,
    gateways,
  };
}

function describeBucket(bucket: BucketConfig): unknown {
  return {
    subject: bucket.subject,
    sites: Object.fromEntries([...bucket.sites].map(([site, local]) => [site, { bucket: local.bucket }])),
    policy: bucket.policy,
    tombstoneTtl: formatDuration(bucket.tombstoneTtlMs),
    reconcileInterval: formatDuration(bucket.reconcileIntervalMs),
    maxClockSkew: formatDuration(bucket.maxClockSkewMs),
    format: bucket.format,
    log: bucket.log,
    keys: { include: [...bucket.keys.include], exclude: [...bucket.keys.exclude] },
    limits: { ...bucket.limits },
    priority: bucket.priority,
    create: bucket.create === false ? false : { ...bucket.create },
    paused: bucket.paused,
  };
}

/** Names of sites and buckets are no names of object properties: the schema and the rules have refused those. */
function describeEach<Name extends string, T>(map: ReadonlyMap<Name, T>, describe: (value: T) => unknown): unknown {
  return Object.fromEntries([...map].map(([name, value]) => [name, describe(value)]));
}
