/**
 * The heartbeat between two gateways: one small question for all buckets that they share, and for each of them how far the
 * peer has logged what was written there. Without it, a peer that does not log looks like one at which nobody writes.
 *
 * Times are ages, so no clock has to be right. Read as strictly as everything else that comes from outside.
 */
import { type Checkpoint, isCheckpoint } from "./checkpoint.js";
import type { BucketState } from "./events.js";
import { type BucketName, type SiteId, parseBucketName, parseSiteId } from "./ids.js";
import { PULSE_BUCKETS_MAX, PULSE_NAME_BYTES_MAX } from "./limits.js";

export interface PulseQuestion {
  readonly buckets: readonly BucketName[];
}

/** What a gateway says of one of its buckets. */
export interface BucketPulse {
  readonly state: BucketState;
  /** Null while the bucket is not captured there. */
  readonly logged: Logged | null;
}

export interface Logged {
  /** Where the own log ended, and which life of it that was. */
  readonly head: Checkpoint;
  /** Milliseconds since then: what was written before that is in the log. */
  readonly ageMs: number;
}

export interface Pulse {
  readonly site: SiteId;
  /** In the order of the question; null for a bucket that does not run there. */
  readonly buckets: readonly (BucketPulse | null)[];
}

/** What a state is called on the wire. */
const WORDS: Readonly<Record<BucketState, number>> = { starting: 0, live: 1, degraded: 2, paused: 3, parked: 4, stopped: 5 };
const STATES = new Map(Object.entries(WORDS).map(([state, word]) => [word, state as BucketState]));
const CREATED = /^[0-9]{1,20}$/;

/** Groups of buckets of which each makes one question, and an answer below 64 KiB. */
export function inQuestions(buckets: readonly BucketName[]): readonly (readonly BucketName[])[] {
  const questions: BucketName[][] = [];
  let bytes = Infinity;
  for (const bucket of buckets) {
    const last = questions.at(-1);
    bytes += bucket.length;
    if (last === undefined || last.length === PULSE_BUCKETS_MAX || bytes > PULSE_NAME_BYTES_MAX) {
      questions.push([bucket]);
      bytes = bucket.length;
    } else {
      last.push(bucket);
    }
  }
  return questions;
}

export function decodePulseQuestion(value: unknown): PulseQuestion | null {
  if (!isFields(value)) return null;
  const buckets = listOf(value["buckets"], readBucket);
  const bytes = buckets?.reduce((sum, bucket) => sum + bucket.length, 0) ?? 0;
  // One bucket is a question, whatever its name.
  return buckets === null || (bytes > PULSE_NAME_BYTES_MAX && buckets.length > 1) ? null : { buckets };
}

export const encodePulse = ({ site, buckets }: Pulse): unknown => ({ site, buckets: buckets.map(encodeBucket) });

export function decodePulse(value: unknown): Pulse | null {
  if (!isFields(value)) return null;
  const { site, buckets } = value;
  const parsed = typeof site === "string" ? parseSiteId(site) : null;
  const read = listOf(buckets, (item) => (item === 0 ? 0 : decodeBucket(item)));
  if (parsed?.ok !== true || read === null) return null;
  return { site: parsed.value, buckets: read.map((bucket) => (bucket === 0 ? null : bucket)) };
}

function encodeBucket(pulse: BucketPulse | null): unknown {
  if (pulse === null) return 0;
  const state = WORDS[pulse.state];
  if (pulse.logged === null) return [state];
  const { head, ageMs } = pulse.logged;
  return [state, head.created, head.sequence, Math.max(0, Math.round(ageMs))];
}

function decodeBucket(value: unknown): BucketPulse | null {
  if (!Array.isArray(value) || (value.length !== 1 && value.length !== 4)) return null;
  const [index, created, sequence, ageMs] = value as readonly unknown[];
  const state = isCount(index) ? STATES.get(index) : undefined;
  if (state === undefined) return null;
  if (value.length === 1) return { state, logged: null };
  const head = { created, sequence };
  return isCheckpoint(head) && CREATED.test(head.created) && isCount(ageMs) ? { state, logged: { head, ageMs } } : null;
}

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function listOf<T>(value: unknown, read: (item: unknown) => T | null): readonly T[] | null {
  if (!Array.isArray(value) || value.length > PULSE_BUCKETS_MAX) return null;
  const items = value.map(read);
  return items.includes(null) ? null : (items as T[]);
}

function readBucket(value: unknown): BucketName | null {
  const parsed = typeof value === "string" ? parseBucketName(value) : null;
  return parsed?.ok === true ? parsed.value : null;
}
