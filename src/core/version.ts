/**
 * A version names one write and decides every conflict: `(ts, site)`, compared by `ts`, then by site name bytewise.
 *
 *     ts    one integer, microseconds since the epoch, hybrid: it follows the origin's clock but always exceeds
 *           the version that the write replaced
 *     site  the origin, so that two sites never make the same version
 *
 * I1: versions are totally ordered, and equal versions mean the same operation.
 */
import { type SiteId, parseSiteId } from "./ids.js";
import { SITES_REMEMBERED_MAX, TIMESTAMP_US_MAX } from "./limits.js";

export interface Version {
  /** Microseconds since the epoch, 1 … 2^53 - 1. */
  readonly ts: number;
  readonly site: SiteId;
}

/** Negative when `a` is older, positive when newer, 0 when both name the same write. */
export function compareVersions(a: Version, b: Version): number {
  if (a.ts !== b.ts) return a.ts < b.ts ? -1 : 1;
  if (a.site === b.site) return 0;
  // Site names are ASCII, so comparing code units is comparing bytes.
  return a.site < b.site ? -1 : 1;
}

export const isTimestamp = (ts: number): boolean => Number.isSafeInteger(ts) && ts > 0 && ts <= TIMESTAMP_US_MAX;

/** The form in the `Kvgw-Version` and `Kvgw-Base` headers: `1730542200000000 site-a`. */
export const formatVersion = (version: Version): string => `${version.ts} ${version.site}`;

/** Null for anything that is not exactly the form above, within bounds: the text may come from anybody. Read by hand,
 *  because it is read for every message. */
export function parseVersion(text: string): Version | null {
  const space = text.indexOf(" ");
  if (space < 1 || space > DIGITS_MAX) return null;
  let ts = 0;
  for (let index = 0; index < space; index++) {
    const digit = text.charCodeAt(index) - ZERO;
    if (digit < 0 || digit > 9 || (digit === 0 && index === 0)) return null;
    ts = ts * 10 + digit;
  }
  const site = knownSite(text.slice(space + 1));
  return site !== null && isTimestamp(ts) ? { ts, site } : null;
}

const ZERO = 0x30;
const DIGITS_MAX = 16;

/** The few names that come again and again are checked once. Bounded: a forger may invent names without end. */
const siteByName = new Map<string, SiteId>();

function knownSite(name: string): SiteId | null {
  const known = siteByName.get(name);
  if (known !== undefined) return known;
  const parsed = parseSiteId(name);
  if (!parsed.ok) return null;
  if (siteByName.size < SITES_REMEMBERED_MAX) siteByName.set(name, parsed.value);
  return parsed.value;
}
