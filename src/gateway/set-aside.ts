/** What is set aside in one bucket, as the API shows it, and what can be done about it. */
import type { BucketName } from "../core/ids.js";
import { SET_ASIDE_SHOWN_MAX } from "../core/limits.js";
import type { SetAsideRecord } from "../core/ports.js";
import { formatVersion } from "../core/version.js";
import type { SetAsideOutcome, SetAsides } from "../pipeline/set-aside-retry.js";
import { isoOrNull } from "./snapshot.js";
import type { BucketSetAsides, SetAsideChange, SetAsideItem } from "./status.js";

export function createBucketSetAsides(bucket: BucketName, setAsides: SetAsides): BucketSetAsides {
  const toChange = ({ done, refused }: SetAsideOutcome): SetAsideChange => {
    const whyNot = refused.map(({ record, message }) => ({ ...itemOf(record), message }));
    return { bucket, done: done.map(itemOf), refused: whyNot };
  };
  return {
    list() {
      const newest = [...setAsides.records()].sort((a, b) => b.sinceMs - a.sinceMs);
      return { bucket, count: newest.length, operations: newest.slice(0, SET_ASIDE_SHOWN_MAX).map(itemOf) };
    },
    release: async (selection) => toChange(await setAsides.release(selection)),
    drop: async (selection) => toChange(await setAsides.drop(selection)),
  };
}

const itemOf = ({ key, origin, reason, detail, kind, version, sinceMs }: SetAsideRecord): SetAsideItem => ({
  ...{ key, origin, reason, detail, kind },
  version: version === null ? null : formatVersion(version),
  versionAt: version === null ? null : isoOrNull(version.ts / 1_000),
  since: isoOrNull(sinceMs),
});
