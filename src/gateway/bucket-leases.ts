/**
 * Who works one bucket of a site whose gateways share them: one record per bucket in the site's state. A gateway takes it
 * before the bucket begins, by a save that must follow the record that was seen, and gives it back after the bucket has
 * ended. So two pipelines of one bucket do not overlap as a rule; nothing relies on it. Nobody looks at the records of
 * buckets that are none of its own.
 */
import type { BucketName, Revision } from "../core/ids.js";
import { GatewayError } from "../core/errors.js";
import { STATE_READS_MAX, STATE_WRITES_MAX } from "../core/limits.js";
import type { Clock, SiteState } from "../core/ports.js";
import { FREE, type Holder, type LeaseRecord, heldBy, readLease } from "./lease-record.js";

export interface FoundLease {
  readonly bucket: BucketName;
  readonly revision: Revision;
  /** Null: nobody's. */
  readonly record: LeaseRecord | null;
}

export interface BucketLeases {
  look(state: SiteState, buckets: readonly BucketName[]): Promise<readonly FoundLease[]>;
  /** Those that are ours now; of the others somebody was quicker. Where it fails it is not known of any. */
  take(state: SiteState, found: readonly FoundLease[]): Promise<readonly BucketName[]>;
  /** Whether it was known to be ours or not. */
  giveBack(state: SiteState, bucket: BucketName): Promise<void>;
}

const keyOf = (bucket: BucketName): string => `lease.${bucket}`;

export function createBucketLeases(holder: Holder, clock: Clock): BucketLeases {
  async function find(state: SiteState, bucket: BucketName): Promise<FoundLease> {
    const { value, revision } = await state.load(keyOf(bucket));
    return { bucket, revision, record: readLease(value) };
  }

  return {
    look: (state, buckets) => inParts(buckets, STATE_READS_MAX, (bucket) => find(state, bucket)),
    async take(state, found) {
      const taken = await inParts(found, STATE_WRITES_MAX, async ({ bucket, revision }) => {
        const isOurs = await isSaved(state.save(keyOf(bucket), heldBy(holder, clock, true), revision));
        return isOurs ? [bucket] : [];
      });
      return taken.flat();
    },
    async giveBack(state, bucket) {
      const { record, revision } = await find(state, bucket);
      if (record?.holder === holder.id) await isSaved(state.save(keyOf(bucket), FREE, revision));
    },
  };
}

/** False where somebody else was quicker. */
async function isSaved(saving: Promise<Revision>): Promise<boolean> {
  try {
    await saving;
    return true;
  } catch (thrown) {
    if (thrown instanceof GatewayError && thrown.code === "KVGW_STATE_CHANGED") return false;
    throw thrown;
  }
}

async function inParts<Each, Done>(all: readonly Each[], atOnceMax: number, work: (each: Each) => Promise<Done>): Promise<Done[]> {
  const done: Done[] = [];
  for (let at = 0; at < all.length; at += atOnceMax) done.push(...(await Promise.all(all.slice(at, at + atOnceMax).map(work))));
  return done;
}
