/**
 * A site's bucket and its operation log, read once from end to end: what stands in the bucket first, then the versions of
 * what was written at this site, which only the log has. The two are matched by identity, so a write that came in between
 * has no version rather than a wrong one.
 */
import { hash32 } from "../../core/hash.js";
import type { SiteId } from "../../core/ids.js";
import type { KeyFilter } from "../../core/key-filter.js";
import { VERIFY_RANGES } from "../../core/limits.js";
import type { Entry, EntryIdentity, Operation } from "../../core/operation.js";
import type { BucketLife, BucketReader } from "../../nats/bucket-reader.js";
import type { LogReader } from "../../nats/log-reader.js";

export interface SiteReader {
  readonly bucket: BucketReader;
  readonly log: LogReader;
}

/** A site as it was when the comparison began; `life` is null where it has no such bucket. */
export interface Site {
  readonly id: SiteId;
  readonly reader: SiteReader;
  readonly life: BucketLife | null;
}

/** Which of the VERIFY_RANGES a key falls into. */
export const rangeOf = (key: string): number => hash32(key) & (VERIFY_RANGES - 1);

export interface Selection {
  readonly takesPart: KeyFilter;
  readonly hasRange: (range: number) => boolean;
}

export interface Visitor {
  onEntry(entry: Entry, range: number): void;
  /** Of this life of the bucket. */
  onLogged(operation: Operation, identity: EntryIdentity, range: number): void;
}

/** @param onRead called for every entry, whether it is selected or not */
export async function readSite(site: Site, { takesPart, hasRange }: Selection, visitor: Visitor, onRead: () => void): Promise<void> {
  const { life, reader } = site;
  if (life === null) return;
  await reader.bucket.scan((entry) => {
    onRead();
    const range = rangeOf(entry.key);
    if (hasRange(range) && takesPart(entry.key)) visitor.onEntry(entry, range);
  });
  await reader.log.scan(({ operation, identity }) => {
    if (identity === null || identity.bucketCreated !== life.created) return;
    const range = rangeOf(operation.key);
    if (hasRange(range) && takesPart(operation.key)) visitor.onLogged(operation, identity, range);
  });
}
