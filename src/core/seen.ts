/**
 * What a site remembers of a peer's bucket: how far it had come when both were last proved equal. A bucket that begins its
 * next run before that point has come back wrong: an older copy was put back, or another bucket stands there. What it holds
 * may have been deleted and swept everywhere since, so it is not simply believed.
 */
import { type Checkpoint, isCheckpoint } from "./checkpoint.js";
import type { Revision } from "./ids.js";
import { isRun } from "./moment.js";

/** A point in the life of a bucket: creation time of its stream, and a revision. */
export type BucketMark = Checkpoint;

export interface Seen extends BucketMark {
  /** The run of the peer's gateway (`core/moment.ts`) in which the bucket had come so far. */
  readonly run: string;
  /** By the peer's own clock, microseconds. */
  readonly atUs: number;
  /** The peer has not been listed since: tombstones may have been swept without it. */
  readonly left: boolean;
}

/** Of a site that takes part, before anything was swept with it. */
export const NOT_SEEN: Seen = Object.freeze({ created: "", sequence: 0, run: "0", atUs: 0, left: false });

/** @param run the one that began at `start`: what was seen in it says nothing */
export function cameBackWrong(seen: Seen | undefined, run: string, start: BucketMark): boolean {
  if (seen === undefined || seen.run === run) return false;
  return seen.left || (seen.created !== "" && seen.created !== start.created) || start.sequence < seen.sequence;
}

export interface Jumps {
  /** Entries of the bucket in the order of their revisions, with the server's time of each. */
  see(revision: Revision, timestampUs: number): void;
  /** Whether something stands at or before the mark that was written after it: its revision has been used twice. */
  contradict(mark: Seen): boolean;
}

/**
 * An older copy of a bucket that has been written since has the same revisions once more, but not the same times: between
 * the copy and what came after lies a gap. Only gaps of at least `gapUs` are kept, which bounds their number.
 */
export function createJumps(gapUs: number): Jumps {
  const after: { readonly revision: Revision; readonly atUs: number }[] = [];
  let lastUs = 0;
  return {
    see(revision, timestampUs) {
      if (timestampUs - lastUs >= gapUs) after.push({ revision, atUs: timestampUs });
      lastUs = timestampUs;
    },
    contradict: (mark) => after.some(({ revision, atUs }) => revision <= mark.sequence && atUs > mark.atUs),
  };
}

export function isSeen(value: unknown): value is Seen {
  if (!isCheckpoint(value)) return false;
  const { run, atUs, left } = value as Partial<Record<keyof Seen, unknown>>;
  return isRun(run) && Number.isSafeInteger(atUs) && (atUs as number) >= 0 && typeof left === "boolean";
}
