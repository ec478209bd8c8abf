/**
 * Gives a local write its version. Pure: the same entry after the same predecessor gets the same stamp, so a replay
 * after a crash, or a second gateway, cannot disagree. Nothing else ever moves a clock.
 *
 * I5: a local write that overwrote version v gets a version above v.
 *
 * How far above, where its own time is not, follows from the message: a store that was put back to an older copy may have the
 * same predecessor stand there twice, under two writes, of which the first is forgotten here and not at peers.
 */
import type { SiteId } from "./ids.js";
import { STAMP_STEPS } from "./limits.js";
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
  entry: Pick<Entry, "timestampUs" | "timestampNs">,
  site: SiteId,
  previous: Predecessor | undefined,
  aboveUs: number,
): Stamp {
  const beforeUs = Math.max(previous?.version.ts ?? 0, aboveUs);
  const ts = entry.timestampUs > beforeUs ? entry.timestampUs : beforeUs + stepOf(entry);
  return { version: { ts, site }, base: baseOf(site, previous) };
}

/** From 1 to `STAMP_STEPS`, by the second's nanoseconds. */
const stepOf = ({ timestampNs }: Pick<Entry, "timestampNs">): number => 1 + (Number(timestampNs.slice(-9)) % STAMP_STEPS);

function baseOf(site: SiteId, previous: Predecessor | undefined): Version | null {
  if (previous === undefined) return null;
  return previous.version.site === site ? (previous.base ?? null) : previous.version;
}
