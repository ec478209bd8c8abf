/**
 * Keys that seem to differ, looked at again one by one, as often as was asked for: what was only on its way is equal soon.
 * A key that was equal in any look is not a difference.
 */
import type { SiteId } from "../../core/ids.js";
import { VERIFY_READS_MAX } from "../../core/limits.js";
import { type Entry, sameIdentity } from "../../core/operation.js";
import type { Clock } from "../../core/ports.js";
import type { Version } from "../../core/version.js";
import { wait } from "../../pipeline/retry.js";
import { type Category, type Finding, type Holding, holdingOf, judge } from "./findings.js";
import type { Site } from "./reading.js";

export interface DifferingKey {
  readonly key: string;
  readonly category: Category;
  readonly sites: Readonly<Record<SiteId, { readonly is: Finding } & Holding>>;
}

export interface LookDeps {
  readonly sites: readonly Site[];
  readonly clock: Clock;
  readonly onLook: (keys: number, look: number) => void;
}

export interface LookOptions {
  /** With 0 there is one look, at once. */
  readonly retries: number;
  readonly waitMs: number;
  readonly strict: boolean;
}

/** Those that differed in every look, as the last one showed them. */
export async function stillDiffering(keys: readonly string[], deps: LookDeps, options: LookOptions): Promise<readonly DifferingKey[]> {
  const never = new AbortController().signal;
  const looks = Math.max(1, options.retries);
  let left: readonly DifferingKey[] = [];
  for (let look = 1; look <= looks && (look === 1 || left.length > 0); look++) {
    const names = look === 1 ? keys : left.map(({ key }) => key);
    deps.onLook(names.length, look);
    if (options.retries > 0) await wait(deps.clock, options.waitMs, never);
    left = await lookAt(names, deps, options);
  }
  return left;
}

/** The keys that differ right now, with what each site holds. All sites are asked at once, so that one moment answers. */
async function lookAt(keys: readonly string[], deps: LookDeps, { strict }: LookOptions): Promise<readonly DifferingKey[]> {
  const differing: DifferingKey[] = [];
  for (let from = 0; from < keys.length; from += VERIFY_READS_MAX) {
    const reads = keys.slice(from, from + VERIFY_READS_MAX).map(async (key) => {
      const holdings = await Promise.all(
        deps.sites.map(async (site) => [site.id, await readHolding(site, key, deps.clock)] as const),
      );
      const { category, findings } = judge(holdings, strict);
      const sites = holdings.map(([site, holding], at) => [site, { is: findings[at] ?? "same", ...holding }] as const);
      if (category !== null) differing.push({ key, category, sites: Object.fromEntries(sites) });
    });
    await Promise.all(reads);
  }
  return differing;
}

async function readHolding(site: Site, key: string, clock: Clock): Promise<Holding> {
  const entry = await site.reader.bucket.read(key);
  const version = entry === null ? null : await versionOf(site, entry);
  return holdingOf(entry, version, clock.nowMs() * 1_000);
}

/** Null for what is not logged yet, and for what the server removed. */
async function versionOf({ reader, life }: Site, entry: Entry): Promise<Version | null> {
  if (entry.version !== null || entry.kind === "expired") return entry.version;
  const logged = await reader.log.read(entry.key);
  if (logged === null || logged.identity === null || life === null) return null;
  const { revision, timestampNs } = entry;
  const isSame = sameIdentity(logged.identity, { bucketCreated: life.created, revision, timestampNs });
  return isSame ? logged.operation.version : null;
}
