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
import { TIMESTAMP_US_MAX } from "./limits.js";

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

const FORM = /^([1-9][0-9]{0,15}) ([a-z0-9-]+)$/;

/** Null for anything that is not exactly the form above, within bounds: the text may come from anybody. */
export function parseVersion(text: string): Version | null {
  const parts = FORM.exec(text);
  if (parts === null) return null;
  const ts = Number(parts[1]);
  const site = parseSiteId(parts[2] ?? "");
  return isTimestamp(ts) && site.ok ? { ts, site: site.value } : null;
}
