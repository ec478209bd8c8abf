/**
 * What the sites hold of one key, and what is wrong with it. Pure.
 *
 * One site has the newest: the highest version, where a write that is not logged yet stands at its server's time, which is
 * where its version will be. The others are judged by it. Absent is absent, whether by a delete, an expiry or because
 * nothing was ever written: sites may forget tombstones at different times.
 */
import type { SiteId } from "../../core/ids.js";
import { hash128 } from "../../core/hash.js";
import type { Entry } from "../../core/operation.js";
import { type Version, compareVersions } from "../../core/version.js";

/** `expired`: the server removed it, or it is past its deadline though the server still has it. */
export type HeldKind = "value" | "delete" | "purge" | "expired";

interface Written {
  readonly revision: number;
  /** The server's time of it, microseconds. */
  readonly writtenUs: number;
  /** Null where nobody knows: not logged yet, or removed by the server. */
  readonly version: Version | null;
}

/** What a site holds of one key. */
export type Holding =
  | ({ readonly kind: "value"; readonly hash: string; readonly bytes: number } & Written)
  | ({ readonly kind: Exclude<HeldKind, "value"> } & Written)
  | { readonly kind: "missing" };

/** Gravest first. `different`: another value than the newest · `missing`: none where the newest is a value · `extra`: a
 *  value where the newest is a tombstone · `version`: the same under another version. */
export const CATEGORIES = ["different", "missing", "extra", "version"] as const;
export type Category = (typeof CATEGORIES)[number];

/** What a site is, compared with the one that has the newest. */
export type Finding = "newest" | "same" | Category;

export function kindOf({ kind, expiresUs }: Pick<Entry, "kind" | "expiresUs">, nowUs: number): HeldKind {
  if (kind !== "put") return kind;
  return expiresUs !== null && expiresUs <= nowUs ? "expired" : "value";
}

export function holdingOf(entry: Entry | null, version: Version | null, nowUs: number): Holding {
  if (entry === null) return { kind: "missing" };
  const { revision, value } = entry;
  const kind = kindOf(entry, nowUs);
  const written = { revision, writtenUs: entry.timestampUs, version };
  if (kind !== "value") return { kind, ...written };
  return { kind, hash: hash128(value), bytes: value.length, ...written };
}

/** A write of an application that its gateway has not logged. */
export const isNotLogged = (holding: Holding): boolean =>
  holding.kind !== "missing" && holding.kind !== "expired" && holding.version === null;

export interface Judgement {
  /** The gravest of what was found; null if nothing was. */
  readonly category: Category | null;
  /** In the order of the sites. */
  readonly findings: readonly Finding[];
}

/** @param strict whether a version that nobody knows is taken for a different one */
export function judge(holdings: readonly (readonly [SiteId, Holding])[], strict: boolean): Judgement {
  const newest = newestOf(holdings);
  const findings = holdings.map((held) => findingOf(held[1], newest, held === newest, strict));
  return { category: CATEGORIES.find((category) => findings.includes(category)) ?? null, findings };
}

function findingOf(holding: Holding, newest: Held | null, isNewest: boolean, strict: boolean): Finding {
  if (newest !== null && !isNewest) {
    const differs = difference(holding, newest[1]);
    if (differs !== null) return differs;
  }
  if (strict && isNotLogged(holding)) return "version";
  return isNewest ? "newest" : "same";
}

function difference(holding: Holding, newest: Holding): Category | null {
  if (newest.kind === "value") {
    if (holding.kind !== "value") return "missing";
    if (holding.hash !== newest.hash) return "different";
  } else if (holding.kind === "value") return "extra";
  return haveOtherVersions(holding, newest) ? "version" : null;
}

/** An expiry is no write: its time is not compared. */
function haveOtherVersions(a: Holding, b: Holding): boolean {
  if (a.kind === "missing" || a.kind === "expired" || b.kind === "missing" || b.kind === "expired") return false;
  return a.version !== null && b.version !== null && compareVersions(a.version, b.version) !== 0;
}

type Held = readonly [SiteId, Holding];

/** Null if no site has anything. */
function newestOf(holdings: readonly Held[]): Held | null {
  return holdings.reduce<Held | null>((best, held) => {
    if (held[1].kind === "missing") return best;
    return best === null || compareHeld(held, best, holdings) > 0 ? held : best;
  }, null);
}

/** Of one version there should be one value. If not: past its deadline it is a tombstone, most sites are right, and then
 *  the site that wrote it. */
function compareHeld(a: Held, b: Held, holdings: readonly Held[]): number {
  return (
    compareVersions(standing(a), standing(b)) ||
    Number(a[1].kind !== "value") - Number(b[1].kind !== "value") ||
    alike(a, holdings) - alike(b, holdings) ||
    Number(standing(a).site === a[0]) - Number(standing(b).site === b[0])
  );
}

function standing([site, holding]: Held): Version {
  if (holding.kind === "missing") return { ts: 0, site };
  return holding.version ?? { ts: holding.writtenUs, site };
}

const alike = (held: Held, holdings: readonly Held[]): number =>
  holdings.filter(([, other]) => contentOf(other) === contentOf(held[1])).length;

const contentOf = (holding: Holding): string | null => (holding.kind === "value" ? holding.hash : null);
