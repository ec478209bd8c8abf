/**
 * What a schema cannot say about buckets. What stands in `defaults` is judged there, once, and not again at every
 * bucket that inherits it.
 */
import { DURATION_MS_MAX, RECONCILE_INTERVAL_MS_MAX } from "../core/limits.js";
import { formatDuration, parseDuration } from "./duration.js";
import type { ConfigPath, Finding } from "./path.js";
import type { BucketSettings, ConfigFile } from "./schema-types.js";
import { type EffectiveSettings, effectiveSettings, ownSettings, whereWritten } from "./settings.js";
import { showText } from "./show.js";
import { unknownSite } from "./site-rules.js";
import { checkSubjects, keyPatternFlaw } from "./subject-rules.js";

type Block = NonNullable<BucketSettings>;

type Effective = readonly (readonly [name: string, settings: EffectiveSettings])[];

/** Longest duration of each setting, and what goes wrong beyond it. */
const DURATIONS = {
  tombstoneTtl: DURATION_MS_MAX,
  reconcileInterval: RECONCILE_INTERVAL_MS_MAX,
  maxClockSkew: DURATION_MS_MAX,
};

export function checkBuckets(file: ConfigFile): readonly Finding[] {
  const names = Object.keys(file.buckets);
  const effective = names.map((name) => [name, effectiveSettings(file, name)] as const);
  return [
    ...checkBlock(file, file.defaults ?? {}, ["defaults"]),
    ...names.flatMap((name) => checkBlock(file, ownSettings(file, name), ["buckets", name])),
    ...names.flatMap((name) => checkName(name, ["buckets", name], true)),
    ...checkSubjects(file),
    ...checkTombstones(file, effective),
    ...checkLocalNames(file, effective),
  ];
}

/** The settings that stand in one place, as they stand there. */
function checkBlock(file: ConfigFile, block: Block, path: ConfigPath): readonly Finding[] {
  return [
    ...checkDurations(block, path),
    ...checkParticipants(file, block, [...path, "sites"]),
    ...checkLog(file, block, [...path, "log"]),
    ...checkKeys(block, [...path, "keys"]),
  ];
}

function checkDurations(block: Block, path: ConfigPath): readonly Finding[] {
  return (Object.keys(DURATIONS) as (keyof typeof DURATIONS)[]).flatMap((setting) => {
    const text = block[setting];
    const ms = text === undefined ? null : parseDuration(text);
    if (ms === null || (ms > 0 && ms <= DURATIONS[setting])) return [];
    const message = ms === 0 ? "must be longer than 0" : `must be at most ${formatDuration(DURATIONS[setting])}`;
    return [{ path: [...path, setting], message: `${setting} ${message}, found ${text}` }];
  });
}

function checkParticipants(file: ConfigFile, block: Block, path: ConfigPath): readonly Finding[] {
  const { sites } = block;
  if (sites === undefined) return [];
  if (Array.isArray(sites)) {
    return sites.flatMap((site, index) => {
      const message = unknownSite(file, site);
      return message === null ? [] : [{ path: [...path, index], message }];
    });
  }
  return Object.entries(sites).flatMap(([site, participant]) => {
    const message = unknownSite(file, site);
    const local = participant?.bucket;
    return [
      ...(message === null ? [] : [{ path: [...path, site], atKey: true, message }]),
      ...(local === undefined ? [] : checkName(local, [...path, site, "bucket"], false)),
    ];
  });
}

function checkLog(file: ConfigFile, block: Block, path: ConfigPath): readonly Finding[] {
  if (block.log === undefined || block.log === "local") return [];
  const message = unknownSite(file, block.log);
  return message === null ? [] : [{ path, message: `${message}; or local for each site's own` }];
}

function checkKeys(block: Block, path: ConfigPath): readonly Finding[] {
  return (["include", "exclude"] as const).flatMap((list) =>
    (block.keys?.[list] ?? []).flatMap((pattern, index) => {
      const flaw = keyPatternFlaw(pattern);
      return flaw === null
        ? []
        : [{ path: [...path, list, index], message: `not a key filter, ${showText(pattern)}: ${flaw}` }];
    }),
  );
}

/** Names that the gateway's own buckets have, or that mean something to JavaScript objects. */
function checkName(name: string, path: ConfigPath, atKey: boolean): readonly Finding[] {
  if (name.startsWith("KVGW_")) {
    return [{ path, atKey, message: "bucket names that begin with KVGW_ are the gateways' own; choose another" }];
  }
  if (!Object.hasOwn(Object.prototype, name)) return [];
  return [
    { path, atKey, message: `a bucket cannot be called ${name}: programs that list buckets by name would stumble` },
  ];
}

/** A delete that is forgotten before the sites were compared could come back. */
function checkTombstones(file: ConfigFile, effective: Effective): readonly Finding[] {
  const found = new Map<string, Finding>();
  for (const [name, { tombstoneTtl, reconcileInterval }] of effective) {
    const ttlMs = parseDuration(tombstoneTtl) ?? 0;
    if (ttlMs === 0 || ttlMs > (parseDuration(reconcileInterval) ?? 0)) continue;
    const path = placeOfDurations(file, name);
    const message =
      `tombstoneTtl (${tombstoneTtl}) must be longer than reconcileInterval (${reconcileInterval}): ` +
      "a delete must be remembered until the sites were compared";
    found.set(path.join("."), { path, message });
  }
  return [...found.values()];
}

/** The nearest of the two settings that was written: at the bucket rather than in `defaults`. */
function placeOfDurations(file: ConfigFile, bucket: string): ConfigPath {
  const places = (["tombstoneTtl", "reconcileInterval"] as const).map((setting) => whereWritten(file, bucket, setting));
  const own = places.find((path) => path.length > 2);
  return own ?? places.find((path) => path[0] === "defaults") ?? ["buckets", bucket];
}

/** Two buckets of the file that are one and the same at some site would fight over every key. */
function checkLocalNames(file: ConfigFile, effective: Effective): readonly Finding[] {
  const owners = new Map<string, string>();
  const findings: Finding[] = [];
  for (const [name, { sites }] of effective) {
    for (const [site, local] of sites) {
      const place = `${site}/${local}`;
      const owner = owners.get(place);
      if (owner === undefined) owners.set(place, name);
      else findings.push(sameLocal(file, name, owner, site, local));
    }
  }
  return findings;
}

function sameLocal(file: ConfigFile, name: string, owner: string, site: string, local: string): Finding {
  const own = ownSettings(file, name).sites;
  const renamed = own !== undefined && !Array.isArray(own) && own[site]?.bucket !== undefined;
  const path = renamed ? ["buckets", name, "sites", site, "bucket"] : ["buckets", name];
  const message = `at ${site} this is bucket ${showText(local)}, which bucket ${owner} replicates already; each needs its own`;
  return { path, atKey: !renamed, message };
}
