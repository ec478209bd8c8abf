/**
 * Brings a peer's operations into the local bucket: decide against the replica, compare-and-set at the replica's
 * revision, one round trip and no read first. Many keys are in flight at once, one key only once; further operations on
 * it wait their turn.
 *
 * A refused write means that the key stands elsewhere. Above our revision: a local write that the tail has not shown
 * yet; wait for it, bounded, and decide again. Below: the message vanished without an event; stand where the server
 * says and try again, unless the bucket itself has gone back, where that may be a write that nobody has seen. No answer: it
 * may have landed, and counts so for every later stamp of the key.
 *
 * A local write decides only when it is in the log. Else a gateway that dies here leaves an apply on its way that was
 * decided against a version which nobody knows: its successor may give the write a higher one, and log it. And another
 * gateway of this site may have logged it under a lower one, for which an operation that was ignored is newer.
 */
import type { BucketConfig } from "../config/config.js";
import { formatSeconds } from "../core/age.js";
import type { BucketCounters } from "../core/counters.js";
import { observeLatency, peerCounters } from "../core/counters.js";
import { APPLY, type Decision, STALE } from "../core/decision.js";
import { GatewayError } from "../core/errors.js";
import type { Key, Revision, SiteId } from "../core/ids.js";
import { APPLY_ATTEMPTS_MAX, BACKOFF_MS, UNANSWERED_IS_TROUBLE } from "../core/limits.js";
import { type Operation, asOfNow } from "../core/operation.js";
import type { ConflictPolicy } from "../core/policy/policy.js";
import type { BucketStore, Clock, SetAsideReason, WriteOutcome } from "../core/ports.js";
import type { Known, Replica } from "../core/replica.js";
import { type Version, compareVersions } from "../core/version.js";
import type { Appender } from "./append.js";
import type { CausalityGuard } from "./causality.js";
import type { ClockGuard } from "./clock-guard.js";
import { createFailures } from "./failures.js";
import type { KeyGate } from "./key-gate.js";
import type { TailPosition } from "./tail-position.js";

export interface Applier {
  /** Called back once, when the operation is applied, ignored, or noted as set aside. */
  submit(operation: Operation, peer: SiteId, settled: Settled): void;
  /** Writes an own operation from the own log, where it is above what the bucket has, or where that is still `over`.
   *  Resolves when it is settled. */
  restore(operation: Operation, over?: Version | null): Promise<void>;
  /** Writes a tombstone that is known already, for a bucket that still has a value of the key: at the revision that is
   *  known now or below, and not where there is no message at all. Resolves when it is settled. */
  bury(tombstone: Operation): Promise<void>;
  /** Whether an operation on the key is on its way. */
  isBusy(key: Key): boolean;
  outstanding(): number;
}

export interface Settled {
  /** Applied, or ignored with a reason. */
  done(): void;
  /** Cannot be applied here: the caller notes it, durably, before it counts as settled. */
  refuse(reason: SetAsideReason, detail: string): void;
}

export interface ApplierDeps {
  readonly bucket: Pick<BucketConfig, "name">;
  readonly bucketCreated: string;
  readonly store: Pick<BucketStore, "apply" | "count">;
  /** For the message to whoever reads that an operation was too large; the server decides. */
  readonly messageBytesMax: number;
  readonly policy: ConflictPolicy;
  readonly replica: Replica;
  readonly causality: CausalityGuard;
  readonly isLogged: Appender["isLogged"];
  readonly guard: Pick<ClockGuard, "standing" | "holdsBack">;
  readonly gate: KeyGate;
  readonly position: TailPosition;
  readonly counters: BucketCounters;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onTrouble: (error: GatewayError | null) => void;
  readonly onFatal: (error: GatewayError) => void;
}

interface Flight {
  readonly operation: Operation;
  /** Null for an operation of this site. */
  readonly peer: SiteId | null;
  readonly settled: Settled;
  /** Whatever the versions say, it replaces this one. */
  readonly over: Version | null;
  attempts: number;
  /** Attempts lost in a row to another write of the key. */
  races: number;
  /** Why the last attempt was refused, if it has nothing to do with the key. */
  failing: GatewayError | null;
  /** Attempts without an answer, each of which may have landed. */
  unanswered: number;
  /** Where the value stands that a known tombstone is to be written over; null for any other operation. */
  readonly buried: Revision | null;
  /** The next operation on the same key. */
  next: Flight | null;
}

export function createApplier(deps: ApplierDeps): Applier {
  const { replica, store, policy, clock, signal, causality, guard, gate } = deps;
  // One flight per key with a chain behind it, and the end of each chain: a hot key stays in order.
  const flightByKey = new Map<Key, { first: Flight; last: Flight }>();
  const ready: Flight[] = [];
  const failures = createFailures(deps.onTrouble);
  let beginning = false;
  let outstanding = 0;

  /** One after the other and not one inside the other: a key's chain may be longer than the stack is deep. */
  function begin(flight: Flight): void {
    ready.push(flight);
    if (beginning) return;
    beginning = true;
    try {
      for (let next = ready.pop(); next !== undefined; next = ready.pop()) attempt(next);
    } finally {
      beginning = false;
    }
  }

  function attempt(flight: Flight): void {
    if (signal.aborted) return;
    const operation = asOfNow(flight.operation, clock.nowMs() * 1_000);
    const { key, version } = operation;
    // First: another gateway of this site may be about to give the local write another version.
    if (!deps.isLogged(key, () => begin(flight))) return;
    const decision = decide(flight, operation);
    if (decision.outcome !== "apply") return finish(flight, decision);
    if (flight.peer !== null && guard.holdsBack(key, version)) return tooEarly(flight);
    if (!causality.cover(operation, () => begin(flight))) return;
    const expected = replica.revision(key);
    gate.close(key);
    store.apply(operation, expected, (outcome) => land(flight, operation, expected, decision, outcome));
  }

  function decide({ over, buried }: Flight, operation: Operation): Decision {
    const { key, version } = operation;
    const known = replica.get(key);
    if (buried !== null) return decideBurial(known, operation, buried);
    const isReplaced = over !== null && known !== undefined && compareVersions(known.version, over) === 0;
    return policy.decide(isReplaced ? undefined : guard.standing(key, known, version), operation);
  }

  function land(flight: Flight, operation: Operation, expected: number, decision: Decision, outcome: WriteOutcome): void {
    if (outcome.kind === "written") replica.recordApplied(operation, outcome.revision);
    if (outcome.kind === "unknown") replica.recordUncertain(operation.key, operation.version);
    gate.open(operation.key);
    if (signal.aborted) return;
    setFailing(flight, troubleOf(outcome, flight));
    if (outcome.kind !== "refused") flight.races = 0;
    switch (outcome.kind) {
      case "written":
        return finish(flight, decision);
      case "refused":
        return again(flight, operation.key, expected, outcome.actual);
      case "too-large":
        return tooLarge(flight);
      case "unknown":
        return later(flight);
      case "failed":
        return later(flight);
    }
  }

  function troubleOf(outcome: WriteOutcome, flight: Flight): GatewayError | null {
    if (outcome.kind === "failed") return outcome.error;
    if (outcome.kind !== "unknown") return null;
    // A single answer that is missed tells nothing.
    if (++flight.unanswered < UNANSWERED_IS_TROUBLE) return flight.failing;
    return new GatewayError("KVGW_TIMEOUT", `bucket ${deps.bucket.name}: the server does not answer writes; retried`);
  }

  function again(flight: Flight, key: Key, expected: number, actual: number | null): void {
    deps.counters.races++;
    if (++flight.races >= APPLY_ATTEMPTS_MAX) {
      const message = `bucket ${deps.bucket.name}: an operation lost ${flight.races} races in a row; starting afresh`;
      return deps.onFatal(new GatewayError("KVGW_APPLY_STUCK", message));
    }
    if (actual === null) return later(flight);
    if (actual >= expected) return deps.position.whenPassed(actual, () => begin(flight));
    const standBelow = () => {
      replica.recordVanished(key, expected, actual);
      begin(flight);
    };
    if (actual === 0) return standBelow();
    hasGoneBack().then((isAnother) => (isAnother ? deps.onFatal(goneBack()) : standBelow()), () => later(flight));
  }

  /** Put back, or made anew, which the tail has not shown yet: a bucket's last revision never falls by itself. */
  async function hasGoneBack(): Promise<boolean> {
    const passed = deps.position.passed();
    const { created, lastSequence } = await store.count();
    return created !== deps.bucketCreated || lastSequence < passed;
  }

  const goneBack = () =>
    new GatewayError("KVGW_STREAM_CHANGED", `bucket ${deps.bucket.name} was put back or made anew; starting afresh`);

  function later(flight: Flight): void {
    const delayMs = BACKOFF_MS[Math.min(flight.attempts, BACKOFF_MS.length - 1)] ?? 1_000;
    flight.attempts++;
    clock.schedule(delayMs, () => begin(flight));
  }

  function setFailing(flight: Flight, error: GatewayError | null): void {
    failures.change(flight.failing, error);
    flight.failing = error;
  }

  function tooLarge(flight: Flight): void {
    const detail = `${flight.operation.value.length} bytes; this bucket takes ${deps.messageBytesMax} with headers`;
    flight.settled.refuse("too_large", detail);
    leave(flight);
  }

  function tooEarly(flight: Flight): void {
    const aheadMs = flight.operation.version.ts / 1_000 - clock.nowMs();
    flight.settled.refuse("far_future", `its version is ${formatSeconds(aheadMs / 1_000)} ahead of the clock here`);
    leave(flight);
  }

  function finish(flight: Flight, decision: Decision): void {
    count(deps.counters, flight, decision, clock.nowMs());
    flight.settled.done();
    leave(flight);
  }

  function leave(flight: Flight): void {
    setFailing(flight, null);
    outstanding--;
    const { key } = flight.operation;
    const chain = flightByKey.get(key);
    if (chain === undefined) return;
    if (flight.next === null) return void flightByKey.delete(key);
    chain.first = flight.next;
    begin(chain.first);
  }

  function submit(operation: Operation, peer: SiteId | null, settled: Settled, way: Partial<Pick<Flight, "over" | "buried">> = {}): void {
    const counts = { attempts: 0, races: 0, failing: null, unanswered: 0 };
    const flight: Flight = { operation, peer, settled, ...counts, over: null, buried: null, ...way, next: null };
    outstanding++;
    const chain = flightByKey.get(operation.key);
    if (chain !== undefined) {
      chain.last.next = flight;
      chain.last = flight;
      return;
    }
    flightByKey.set(operation.key, { first: flight, last: flight });
    begin(flight);
  }

  return {
    submit: (operation, peer, settled) => submit(operation, peer, settled),
    restore: (operation, over = null) =>
      new Promise((done) => submit(operation, null, { done, refuse: () => done() }, { over })),
    bury: (tombstone) =>
      new Promise((done) => submit(tombstone, null, { done, refuse: () => done() }, { buried: replica.get(tombstone.key)?.revision ?? 0 })),
    isBusy: (key) => flightByKey.has(key),
    outstanding: () => outstanding,
  };
}

/** Not where something newer has come, be it our own attempt without an answer, nor where nothing is left to be covered. */
function decideBurial(known: Known | undefined, { version }: Operation, buried: Revision): Decision {
  if (known === undefined || compareVersions(known.version, version) !== 0) return STALE;
  return known.revision > 0 && known.revision <= buried ? APPLY : STALE;
}

function count(counters: BucketCounters, flight: Flight, decision: Decision, nowMs: number): void {
  if (flight.peer === null) return;
  const peer = peerCounters(counters, flight.peer);
  // A duplicate of an attempt that got no answer is that attempt's echo: it was applied.
  const applied = decision.outcome === "apply" || (decision.outcome === "duplicate" && flight.unanswered > 0);
  if (applied) {
    peer.applied++;
    observeLatency(peer.latency, nowMs / 1_000 - flight.operation.version.ts / 1e6);
  } else {
    peer.ignored[decision.outcome]++;
  }
  if (decision.conflict) peer.conflicts[decision.outcome === "apply" ? "peer_won" : "local_won"]++;
}
