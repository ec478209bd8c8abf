/**
 * Gives a local write its version. Pure: the same entry after the same predecessor gets the same stamp, so a replay
 * after a crash, or a second gateway, cannot disagree. Nothing else ever moves a clock.
 *
 * I5: a local write that overwrote version v gets a version above v.
 */
import type { SiteId } from "./ids.js";
import type { Entry } from "./operation.js";
import { type Version } from "./version.js";

export interface Predecessor {
  readonly version: Version;
  readonly base: Version | null | undefined;
}

export interface Stamp {
  readonly version: Version;
  readonly base: Version | null;
}

/**
 * @param previous what the entry overwrote at this site, undefined if nothing is known of the key
 * @param aboveUs  a version time that may have been overwritten unseen (an apply before a crash); 0 if none
 */
export function stampLocalWrite(
  entry: Pick<Entry, "timestampUs">,
  site: SiteId,
  previous: Predecessor | undefined,
  aboveUs: number,
): Stamp {
  const ts = Math.max(entry.timestampUs, (previous?.version.ts ?? 0) + 1, aboveUs + 1);
  return { version: { ts, site }, base: baseOf(site, previous) };
}

function baseOf(site: SiteId, previous: Predecessor | undefined): Version | null {
  if (previous === undefined) return null;
  return previous.version.site === site ? (previous.base ?? null) : previous.version;
}
