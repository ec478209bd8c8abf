/**
 * A file that all rules agree with, as the program knows it: defaults filled in, durations in milliseconds, names
 * branded, everything frozen.
 */
import { dirname, isAbsolute, join } from "node:path";
import { GatewayError } from "../core/errors.js";
import { hash128 } from "../core/hash.js";
import { type BucketName, type SiteId, parseBucketName, parseSiteId } from "../core/ids.js";
import type { Result } from "../core/result.js";
import { canonicalText } from "./canonical.js";
import type { BucketConfig, GatewayConfig, SiteConfig, TlsConfig } from "./config.js";
import { readCredentials } from "./credentials.js";
import { parseDuration } from "./duration.js";
import { parseListen } from "./listen-address.js";
import type { ConfigFile, SiteSettings, Tls } from "./schema-types.js";
import { parseServerAddress } from "./server-address.js";
import { BYTES_PER_SECOND_DEFAULT, GATEWAYS_DEFAULT, HTTP_LISTEN_DEFAULT, LOG_LEVEL_DEFAULT, effectiveSettings } from "./settings.js";

/** Paths of other files begin where the config file lies, wherever the process was started. */
type Place = (path: string) => string;

export function resolveConfig(file: ConfigFile, site: string, configPath: string): GatewayConfig {
  const place: Place = (path) => (isAbsolute(path) ? path : join(dirname(configPath), path));
  const shared = {
    sites: new Map(sorted(file.sites).map(([name, settings]) => [siteId(name), resolveSite(name, settings, place)])),
    buckets: new Map(sorted(file.buckets).map(([name]) => [bucketName(name), resolveBucket(file, name)])),
    http: sure(parseListen(file.http?.listen ?? HTTP_LISTEN_DEFAULT)),
    log: { level: file.log?.level ?? LOG_LEVEL_DEFAULT },
  };
  // Without `site`: sites that run the same file can be seen to do so.
  return freeze({ site: siteId(site), ...shared, hash: hash128(canonicalText(shared)) });
}

function resolveSite(name: string, settings: SiteSettings, place: Place): SiteConfig {
  return freeze({
    id: siteId(name),
    servers: (settings.servers ?? []).map((text) => sure(parseServerAddress(text)).url),
    credentials: readCredentials(settings, place),
    tls: settings.tls === undefined ? null : resolveTls(settings.tls, place),
    via: settings.via === undefined ? null : siteId(settings.via),
    domain: settings.domain ?? null,
    bytesPerSecond: settings.bytesPerSecond ?? BYTES_PER_SECOND_DEFAULT,
    gateways: settings.gateways ?? GATEWAYS_DEFAULT,
  });
}

function resolveTls(tls: Tls, place: Place): TlsConfig {
  return {
    ...(tls.caFile === undefined ? {} : { caFile: place(tls.caFile) }),
    ...(tls.certFile === undefined ? {} : { certFile: place(tls.certFile) }),
    ...(tls.keyFile === undefined ? {} : { keyFile: place(tls.keyFile) }),
    ...(tls.serverName === undefined ? {} : { serverName: tls.serverName }),
  };
}

function resolveBucket(file: ConfigFile, name: string): BucketConfig {
  const settings = effectiveSettings(file, name);
  return freeze({
    name: bucketName(name),
    subject: settings.subject,
    sites: new Map([...settings.sites].map(([site, local]) => [siteId(site), freeze({ bucket: bucketName(local) })])),
    policy: settings.policy,
    tombstoneTtlMs: milliseconds(settings.tombstoneTtl),
    reconcileIntervalMs: milliseconds(settings.reconcileInterval),
    maxClockSkewMs: milliseconds(settings.maxClockSkew),
    format: settings.format,
    log: settings.log === "local" ? "local" : siteId(settings.log),
    keys: settings.keys,
    limits: settings.limits,
    priority: settings.priority,
    create: settings.create,
    paused: settings.paused,
  });
}

const sorted = <T>(record: Readonly<Record<string, T>>): [string, T][] =>
  Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));

const siteId = (text: string): SiteId => sure(parseSiteId(text));
const bucketName = (text: string): BucketName => sure(parseBucketName(text));

function milliseconds(text: string): number {
  const ms = parseDuration(text);
  return sure(ms === null ? { ok: false, error: `${text} is no duration` } : { ok: true, value: ms });
}

/** The rules have looked at everything before; a refusal here is a rule that is missing. */
function sure<T>(result: Result<T, string>): T {
  if (result.ok) return result.value;
  throw new GatewayError("KVGW_INTERNAL", `the configuration passed its rules but not its resolution: ${result.error}`);
}

/** Deep; what a Map holds was frozen when it was made. */
function freeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) {
    if (typeof part === "object" && part !== null && !Object.isFrozen(part)) freeze(part as object);
  }
  return Object.freeze(value);
}
