/**
 * One anti-entropy round after the other with one peer: finds what the peer has and this site lacks, and gives it to the
 * same `apply` as everything else. It never deletes by absence (I8) and never pushes: each side repairs itself.
 *
 *     hello ─ equal? done ─▶ narrow the prefixes that differ ─▶ list ─▶ wait for what is under way ─▶ fetch, apply ─▶ look again
 *
 * What differs is mostly under way in the logs. So differing keys are looked at a second time, and a round has proved the
 * two sides equal (I12) when each side has come to hold what the other had, or something newer.
 */
import type { Digest, Prefix } from "../core/digest.js";
import { GatewayError } from "../core/errors.js";
import type { Key, SiteId } from "../core/ids.js";
import {
  DIGEST_LEAF_KEYS_MAX,
  DIGEST_PREFIX_LENGTH_MAX,
  QUESTION_KEYS_MAX,
  QUESTION_PREFIXES_MAX,
  RECONCILE_FETCHES_MAX,
  RECONCILE_KEYS_MAX,
  RECONCILE_LOOKS_MAX,
  RECONCILE_LOOK_AGAIN_MS,
} from "../core/limits.js";
import { type Operation, isTombstone, tombstoneOf } from "../core/operation.js";
import type { Clock, Questions } from "../core/ports.js";
import { isPast } from "../core/moment.js";
import { type Hello, PROTOCOL, type Summary } from "../core/question.js";
import type { Replica } from "../core/replica.js";
import { type Version, compareVersions } from "../core/version.js";
import type { Marks } from "./marks.js";
import { wait } from "./retry.js";
import type { ClockGuard } from "./clock-guard.js";
import { type Answers, summaryOf, summedUp } from "./serve.js";
import type { Rejoin } from "./rejoin.js";
import type { Witness } from "./witness.js";

export interface Round {
  /** `equal`: each side holds what the other had. `different`: not yet, or never where a value is set aside. */
  readonly result: "equal" | "different";
  /** Keys that this site took from the peer. */
  readonly repaired: number;
}

export interface RoundDeps {
  readonly peer: SiteId;
  readonly peerAsked: Questions;
  readonly own: Answers;
  readonly replica: Replica;
  /** Whether there is no use in asking for it: it comes by the log, or it has been set aside. */
  readonly isTaken: (theirs: Summary) => Promise<boolean>;
  /** Applies, ignores or sets aside; whether it was applied. */
  readonly apply: (operation: Operation) => Promise<boolean>;
  readonly witness: Witness;
  readonly marks: Marks;
  readonly rejoin: Rejoin;
  /** Whether a tombstone of the version is old enough to have been swept somewhere. */
  readonly isOld: (version: Version) => boolean;
  /** By how much the peer's clock is ahead of this site's, give or take half the time of the answer. */
  readonly onSkew: (skewMs: number) => void;
  readonly guard: Pick<ClockGuard, "isAhead" | "isTrusted" | "givesWay">;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** A key on which the two sites did not agree when they were asked. */
interface Difference {
  readonly key: Key;
  readonly own: Summary | null;
  readonly theirs: Summary | null;
}

/** KVGW_UNREACHABLE, KVGW_TIMEOUT, KVGW_ANSWER_UNREADABLE, KVGW_PEER_UNSUITABLE. */
export async function runRound(deps: RoundDeps): Promise<Round> {
  const own = await deps.own.introduce(deps.peer);
  const askedMs = deps.clock.nowMs();
  const peer = await deps.peerAsked.hello(own);
  deps.onSkew(peer.nowUs / 1_000 - (askedMs + deps.clock.nowMs()) / 2);
  refuseUnsuitable(deps.peer, own, peer);
  deps.rejoin.hear(peer);
  const round = await compare({ ...deps, hello: peer }, own);
  if (round.result === "equal") {
    deps.marks.note(deps.peer, peer);
    deps.witness.provedEqual(deps.peer, peer);
  }
  return round;
}

/** A round, once the peer has answered its first question. */
interface Meeting extends RoundDeps {
  readonly hello: Hello;
}

async function compare(deps: Meeting, own: Hello): Promise<Round> {
  if (isSame(own.digest, deps.hello.digest)) {
    await deps.rejoin.compared(deps.peer, deps.hello, []);
    return { result: "equal", repaired: 0 };
  }
  const differences: Difference[] = [];
  const alone: Key[] = [];
  let [repaired, seen] = [0, 0];
  for await (const found of narrow(deps)) {
    differences.push(...found);
    if (deps.rejoin.isRejoining()) alone.push(...found.flatMap(({ key, theirs }) => (theirs === null ? [key] : [])));
    seen += found.length;
    // Many differences are not under way, and their number must not grow in memory.
    if (differences.length >= RECONCILE_KEYS_MAX) repaired += await repair(deps, differences.splice(0));
  }
  if (!deps.signal.aborted) await deps.rejoin.compared(deps.peer, deps.hello, alone);
  if (seen >= RECONCILE_KEYS_MAX) return { result: "different", repaired: repaired + (await repair(deps, differences)) };
  await wait(deps.clock, RECONCILE_LOOK_AGAIN_MS, deps.signal);
  repaired += await repair(deps, differences);
  return { result: (await settled(deps, differences)) ? "equal" : "different", repaired };
}

function refuseUnsuitable(expected: SiteId, own: Hello, peer: Hello): void {
  const because =
    peer.protocol !== PROTOCOL
      ? `it speaks protocol ${peer.protocol}, this gateway ${PROTOCOL}; run the same version at both sites`
      : peer.site !== expected
        ? `it calls itself ${peer.site}; give every gateway the name of its own site`
        : peer.fingerprint !== own.fingerprint
          ? "its settings of the bucket differ; policy, subject, tombstoneTtl, keys, format, log and max_age must be the same"
          : null;
  if (because !== null) throw new GatewayError("KVGW_PEER_UNSUITABLE", `${expected}: ${because}`);
}

const isSame = (a: Digest, b: Digest) => a.count === b.count && a.sum === b.sum;

const DIGITS = [..."0123456789abcdef"];

/** Walks down where digests differ, and lists where few keys are left. Asks for many prefixes at once. */
async function* narrow(deps: Meeting): AsyncGenerator<readonly Difference[]> {
  const { digests } = deps.replica;
  const open: Prefix[] = [""];
  while (open.length > 0 && !deps.signal.aborted) {
    // From the end: down to the leaves first, so that what is open stays short.
    const asked = open.splice(-QUESTION_PREFIXES_MAX);
    const theirs = await deps.peerAsked.digests(asked);
    await summedUp(digests, deps.clock);
    const differing = asked.flatMap((prefix, at) => {
      const ours = digests.children(prefix);
      return DIGITS.flatMap((digit, part) => {
        const [a, b] = [ours[part], theirs[at]?.[part]];
        return a === undefined || b === undefined || isSame(a, b) ? [] : [{ prefix: prefix + digit, a, b }];
      });
    });
    for (const { prefix, a, b } of differing) {
      if (isShort(a, b) || prefix.length === DIGEST_PREFIX_LENGTH_MAX) yield* list(deps, prefix);
      else open.push(prefix);
    }
  }
}

/** Whether listing costs less than narrowing further: little is the same on both sides, and it is one page. */
const isShort = (a: Digest, b: Digest) =>
  Math.min(a.count, b.count) <= DIGEST_LEAF_KEYS_MAX && Math.max(a.count, b.count) <= QUESTION_KEYS_MAX;

/** Every key below the prefix on which the two sites differ, page by page. */
async function* list(deps: Meeting, prefix: Prefix): AsyncGenerator<readonly Difference[]> {
  const unseen = new Set(deps.replica.digests.keys(prefix));
  let after: Key | null = null;
  for (let more = true; more && !deps.signal.aborted; ) {
    const page = await deps.peerAsked.entries(prefix, after);
    for (const { key } of page.summaries) unseen.delete(key);
    yield page.summaries.flatMap((theirs) => differenceOf(deps, summaryOf(deps.replica, theirs.key), theirs));
    after = page.summaries.at(-1)?.key ?? null;
    more = page.more && after !== null;
  }
  yield [...unseen].flatMap((key) => differenceOf(deps, summaryOf(deps.replica, key), null));
}

function differenceOf(meeting: Meeting, own: Summary | null, theirs: Summary | null): Difference[] {
  const key = own?.key ?? theirs?.key;
  if (key === undefined || (holdsHere(meeting, own, theirs) && holdsThere(meeting, theirs, own))) return [];
  return [{ key, own, theirs }];
}

/** A tombstone of which nothing is known where it certainly was has been swept there: it must not be handed back. */
const isSwept = ({ isOld }: Meeting, now: Summary | null, then: Summary | null): boolean =>
  now === null && then !== null && then.since !== null && isTombstone(then) && isOld(then.version);

/** Whether this site has what the peer told, or something newer, or had it until it was swept. */
function holdsHere(meeting: Meeting, own: Summary | null, theirs: Summary | null): boolean {
  const { witness, peer, hello } = meeting;
  if (isGivenUp(meeting, own, theirs)) return false;
  if (covers(own, theirs)) return true;
  return isSwept(meeting, own, theirs) && isPast(witness.equal().get(peer), hello.moment.run, theirs?.since ?? 0);
}

/** The same of the peer and what this site has. What is there and ahead of the clock has to be set aside here first. */
function holdsThere(meeting: Meeting, theirs: Summary | null, own: Summary | null): boolean {
  const { guard, witness, hello } = meeting;
  if (isGivenUp(meeting, own, theirs)) return true;
  const isTooEarly = own !== null && theirs !== null && guard.isAhead(theirs.version) && !guard.isAhead(own.version);
  if (covers(theirs, own)) return !(isTooEarly && guard.isTrusted());
  return isSwept(meeting, theirs, own) && witness.hasTold(hello, own?.since ?? 0);
}

/** Whether what is here and ahead of the clock makes room for what is not. */
const isGivenUp = ({ guard }: Meeting, own: Summary | null, theirs: Summary | null): boolean =>
  own !== null && theirs !== null && !guard.isAhead(theirs.version) && guard.givesWay(own.key, own.version);

/** Whether `now` is what `then` was, or newer. Past its deadline an entry is a tombstone of the same version. */
function covers(now: Summary | null, then: Summary | null): boolean {
  if (then === null) return true;
  if (now === null) return false;
  const order = compareVersions(now.version, then.version);
  return order > 0 || (order === 0 && (isTombstone(now) || !isTombstone(then)));
}

/** A value of which nothing is known here, old enough to have been deleted and swept, from a peer that came back wrong: it is
 *  left to the peer to find out. Where this site came back wrong itself it knows no better. */
const isGhostly = ({ replica, rejoin, hello, isOld }: Meeting, theirs: Summary): boolean =>
  !isTombstone(theirs) &&
  isOld(theirs.version) &&
  replica.get(theirs.key) === undefined &&
  !rejoin.isRejoining() &&
  hello.rejoining;

/** Takes what the peer has that is newer than what is here now; returns how many keys that were. */
async function repair(deps: Meeting, differences: readonly Difference[]): Promise<number> {
  const behind = differences.filter(({ key, theirs }) => !holdsHere(deps, summaryOf(deps.replica, key), theirs));
  let repaired = 0;
  const next = behind.values();
  const work = async () => {
    for (const { key, theirs } of next) {
      if (deps.signal.aborted || theirs === null) return;
      // On a thin link the log has brought it by the time its turn comes.
      if (holdsHere(deps, summaryOf(deps.replica, key), theirs)) continue;
      if (isGhostly(deps, theirs) || (await deps.isTaken(theirs))) continue;
      const tombstone = isTombstone(theirs) ? tombstoneOf(key, theirs, undefined) : null;
      const operation = tombstone ?? (await deps.peerAsked.fetch(key));
      if (operation !== null && (await deps.apply(operation))) repaired++;
    }
  };
  await Promise.all(Array.from({ length: RECONCILE_FETCHES_MAX }, work));
  return repaired;
}

/** Whether each side has come to hold what the other had; looks again for a while, since the logs are at work. */
async function settled(deps: Meeting, differences: readonly Difference[]): Promise<boolean> {
  let open = differences;
  for (let look = 0; look < RECONCILE_LOOKS_MAX && !deps.signal.aborted; look++) {
    if (look > 0) await wait(deps.clock, RECONCILE_LOOK_AGAIN_MS, deps.signal);
    open = await stillOpen(deps, open);
    if (open.length === 0) return true;
  }
  return false;
}

async function stillOpen(deps: Meeting, differences: readonly Difference[]): Promise<readonly Difference[]> {
  const open: Difference[] = [];
  for (let from = 0; from < differences.length; from += ASKED_TOGETHER) {
    const some = differences.slice(from, from + ASKED_TOGETHER);
    const theirs = await deps.peerAsked.versions(some.map(({ key }) => key));
    open.push(
      ...some.filter((difference, at) => {
        const ownNow = summaryOf(deps.replica, difference.key);
        return !holdsHere(deps, ownNow, difference.theirs) || !holdsThere(deps, theirs[at] ?? null, difference.own);
      }),
    );
  }
  return open;
}

/** Keys of the longest form in one question stay below a message's limit. */
const ASKED_TOGETHER = 10;
