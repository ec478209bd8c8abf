/**
 * Answers what peers ask about this site's bucket, from the replica; only a fetched value is read from the bucket. What is
 * served is in the own log: a version that a crash could still change must not travel by another way.
 */
import type { Checkpoint } from "../core/checkpoint.js";
import type { DigestTree } from "../core/digest.js";
import type { Key, SiteId } from "../core/ids.js";
import { DIGEST_REFRESH_LEAVES, QUESTION_KEYS_MAX, QUESTION_KEY_BYTES_MAX, SLICE_MS } from "../core/limits.js";
import { type Operation, tombstoneOf } from "../core/operation.js";
import type { BucketStore, Clock, Questions } from "../core/ports.js";
import { type Hello, PROTOCOL, type Summary, type SummaryPage } from "../core/question.js";
import type { Replica } from "../core/replica.js";
import type { BucketMark } from "../core/seen.js";
import type { Marks } from "./marks.js";
import type { Rejoin } from "./rejoin.js";
import type { Witness } from "./witness.js";

export interface AnswerDeps {
  readonly site: SiteId;
  readonly fingerprint: () => string;
  readonly replica: Replica;
  readonly store: BucketStore;
  /** When everything captured so far is in the own log: where that ends. */
  readonly logged: () => Promise<Checkpoint>;
  /** Whether what is known of the key is in the own log, as far as it is this site's. */
  readonly isLogged: (key: Key) => boolean;
  /** Where the bucket stood at the start of the run, and up to where the tail has come. */
  readonly start: BucketMark;
  readonly captured: () => BucketMark;
  readonly marks: Pick<Marks, "seen">;
  readonly rejoin: Pick<Rejoin, "isRejoining" | "hear">;
  readonly witness: Witness;
  readonly clock: Clock;
  /** Somebody introduced itself, whose clock is ahead by so much, give or take the time that the question took. */
  readonly onAsked: (asker: SiteId, skewMs: number) => void;
}

export interface Answers extends Questions {
  /** What this site says of itself, and what it remembers of the peer that is to hear it. */
  introduce(to: SiteId): Promise<Hello>;
}

export function createAnswers(deps: AnswerDeps): Answers {
  const { replica, clock } = deps;
  const { digests } = replica;

  async function introduce(to: SiteId): Promise<Hello> {
    const { site, witness } = deps;
    const moment = witness.nextHello();
    const bucket = deps.captured();
    const log = await deps.logged();
    await summedUp(digests, clock);
    const nowUs = Math.floor(clock.nowMs() * 1_000);
    const introduced = { protocol: PROTOCOL, site, fingerprint: deps.fingerprint(), nowUs, log, start: deps.start, bucket };
    // Nobody needs to know what is remembered of others, and with a thousand sites that would be most of what is sent.
    const remembered = { seen: only(to, deps.marks.seen()), rejoining: deps.rejoin.isRejoining(), moment, equal: only(to, witness.equal()) };
    return { ...introduced, ...remembered, digest: digests.digest("") };
  }

  return {
    introduce,
    hello(asker) {
      // First, so that the answer tells what the asker's memory says about this site.
      deps.rejoin.hear(asker);
      deps.onAsked(asker.site, asker.nowUs / 1_000 - clock.nowMs());
      return introduce(asker.site);
    },
    async digests(prefixes) {
      await summedUp(digests, clock);
      return prefixes.map((prefix) => digests.children(prefix));
    },
    entries: (prefix, after) => Promise.resolve(pageOf(deps, digests.keys(prefix), after)),
    versions: (keys) => Promise.resolve(keys.map((key) => toldOf(deps, key))),
    async fetch(key) {
      await deps.logged();
      const operation = await operationOf(deps, key);
      // Written again meanwhile: the asker looks again, or has it by the log.
      return mayTell(deps, key) ? operation : null;
    },
  };
}

function only<T>(site: SiteId, bySite: ReadonlyMap<SiteId, T>): ReadonlyMap<SiteId, T> {
  const found = bySite.get(site);
  return new Map(found === undefined ? [] : [[site, found]]);
}

/** Sums up what has changed, in slices: a million keys must not hold the event loop. */
export async function summedUp(digests: DigestTree, clock: Clock): Promise<void> {
  for (let done = false; !done; ) {
    const beganMs = clock.elapsedMs();
    do done = digests.refresh(DIGEST_REFRESH_LEAVES);
    while (!done && clock.elapsedMs() - beganMs < SLICE_MS);
    if (!done) await new Promise<void>((resolve) => clock.schedule(0, resolve));
  }
}

export function summaryOf(replica: Replica, key: Key): Summary | null {
  const known = replica.get(key);
  if (known === undefined) return null;
  return { key, version: known.version, kind: known.kind, since: replica.tombstones.get(key) ?? null };
}

/** Not what is not in the log yet, nor what only stands in for an own write that the bucket has lost. */
const mayTell = ({ replica, isLogged }: AnswerDeps, key: Key): boolean => isLogged(key) && replica.get(key)?.isStandIn !== true;

/** A tombstone is taken as it is told. One that may not be told yet is told as a value, which has to be fetched. */
function toldOf(deps: AnswerDeps, key: Key): Summary | null {
  const summary = summaryOf(deps.replica, key);
  return summary === null || mayTell(deps, key) ? summary : { ...summary, kind: "put", since: null };
}

function pageOf(deps: AnswerDeps, keys: readonly Key[], after: Key | null): SummaryPage {
  const summaries: Summary[] = [];
  let bytes = 0;
  // A key that has gone since the page before: from its beginning, since repeats are harmless and gaps are not.
  const from = after === null ? 0 : keys.indexOf(after) + 1;
  for (let at = from; at < keys.length; at++) {
    const key = keys[at];
    const summary = key === undefined ? null : toldOf(deps, key);
    if (summary === null) continue;
    bytes += summary.key.length;
    if (summaries.length === QUESTION_KEYS_MAX || bytes > QUESTION_KEY_BYTES_MAX) return { summaries, more: true };
    summaries.push(summary);
  }
  return { summaries, more: false };
}

/** Null while bucket and replica disagree: the tail is about to bring what the bucket has. */
async function operationOf({ replica, store }: AnswerDeps, key: Key): Promise<Operation | null> {
  const before = replica.get(key);
  if (before === undefined) return null;
  if (before.kind !== "put") return tombstoneOf(key, before, before.base);
  const entry = await store.read(key);
  const known = replica.get(key);
  if (entry === null || known === undefined || entry.revision !== known.revision || entry.kind !== "put") return null;
  return { kind: "put", key, value: entry.value, version: known.version, base: known.base, expiresUs: entry.expiresUs };
}

