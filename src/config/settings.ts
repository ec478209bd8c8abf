/**
 * One bucket's settings after `defaults` and the defaults of the schema, still in the words of the YAML, and where
 * each of them was written. The schema is the only place where a default value stands.
 */
import type { ConfigPath } from "./path.js";
import { gatewaySchema } from "./schema.js";
import type { BucketDefaults, BucketSettings, ConfigFile, CreateSettings, Participants } from "./schema-types.js";

const { $defs: schema } = gatewaySchema;

type Block = NonNullable<BucketSettings>;
type Mergeable = Exclude<keyof NonNullable<BucketDefaults>, "sites">;

export interface EffectiveSettings {
  readonly subject: string;
  readonly sites: ReadonlyMap<string, string>;
  readonly policy: NonNullable<Block["policy"]>;
  readonly tombstoneTtl: string;
  readonly reconcileInterval: string;
  readonly maxClockSkew: string;
  readonly format: NonNullable<Block["format"]>;
  readonly log: string;
  readonly keys: { readonly include: readonly string[]; readonly exclude: readonly string[] };
  readonly limits: { readonly inFlight: number; readonly opsPerSecond: number };
  readonly priority: number;
  readonly create: false | Required<CreateSettings>;
  readonly paused: boolean;
}

export const HTTP_LISTEN_DEFAULT = schema.httpSettings.properties.listen.default;
export const BYTES_PER_SECOND_DEFAULT = schema.siteSettings.properties.bytesPerSecond.default;
export const GATEWAYS_DEFAULT = schema.gateways.default;
export const LOG_LEVEL_DEFAULT = schema.logSettings.properties.level.default;

export const defaultSubject = (bucket: string): string => `rep.kv.ops.${bucket}`;

/** What `bucket` runs with; a name that is not in the file stands for a bucket without settings. */
export function effectiveSettings(file: ConfigFile, bucket: string): EffectiveSettings {
  const own = ownSettings(file, bucket);
  const common = file.defaults ?? {};
  const pick = <Name extends Mergeable>(name: Name): Block[Name] => own[name] ?? common[name];
  return {
    subject: own.subject ?? defaultSubject(bucket),
    sites: participants(own.sites ?? common.sites ?? Object.keys(file.sites), bucket),
    policy: pick("policy") ?? schema.policy.default,
    tombstoneTtl: pick("tombstoneTtl") ?? schema.tombstoneTtl.default,
    reconcileInterval: pick("reconcileInterval") ?? schema.reconcileInterval.default,
    maxClockSkew: pick("maxClockSkew") ?? schema.maxClockSkew.default,
    format: pick("format") ?? schema.format.default,
    log: pick("log") ?? schema.logPlace.default,
    keys: { include: [...KEYS.include], exclude: [...KEYS.exclude], ...common.keys, ...own.keys },
    limits: { ...LIMITS, ...common.limits, ...own.limits },
    priority: pick("priority") ?? schema.priority.default,
    create: mergeCreate(common.create, own.create),
    paused: pick("paused") ?? schema.paused.default,
  };
}

/** Where a bucket's setting was written: at the bucket, in `defaults`, or nowhere, which is the bucket again. */
export function whereWritten(file: ConfigFile, bucket: string, setting: keyof Block): ConfigPath {
  if (ownSettings(file, bucket)[setting] !== undefined) return ["buckets", bucket, setting];
  const common: Block = file.defaults ?? {};
  return common[setting] === undefined ? ["buckets", bucket] : ["defaults", setting];
}

export function ownSettings(file: ConfigFile, bucket: string): Block {
  return (Object.hasOwn(file.buckets, bucket) ? file.buckets[bucket] : null) ?? {};
}

const KEYS = { include: schema.keys.properties.include.default, exclude: schema.keys.properties.exclude.default };
const LIMITS = {
  inFlight: schema.limits.properties.inFlight.default,
  opsPerSecond: schema.limits.properties.opsPerSecond.default,
};
const CREATE = {
  history: schema.createSettings.properties.history.default,
  storage: schema.createSettings.properties.storage.default,
  replicas: schema.createSettings.properties.replicas.default,
};

/** `false` at the bucket wins over settings in `defaults`, and settings at the bucket over `false` there. */
function mergeCreate(common: Block["create"], own: Block["create"]): EffectiveSettings["create"] {
  if (own === false || (own === undefined && common === false)) return false;
  return { ...CREATE, ...(common === false ? {} : common), ...own };
}

/** Site to local bucket name, by site. */
export function participants(sites: Participants, bucket: string): ReadonlyMap<string, string> {
  const names: [string, string][] = Array.isArray(sites)
    ? sites.map((site) => [site, bucket])
    : Object.entries(sites).map(([site, participant]) => [site, participant?.bucket ?? bucket]);
  return new Map(names.sort(([a], [b]) => (a < b ? -1 : 1)));
}
