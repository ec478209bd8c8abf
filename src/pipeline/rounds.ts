/**
 * When to reconcile with one peer: soon after the start, on an interval with jitter, when the peer can be reached again,
 * and on demand. A round that found differences is followed by another one soon, until one proves both sides equal.
 */
import type { BucketCounters } from "../core/counters.js";
import { peerCounters } from "../core/counters.js";
import { toGatewayError } from "../core/errors.js";
import type { Observe, Reason } from "../core/events.js";
import type { BucketName } from "../core/ids.js";
import { CLOCK_SKEW_WARN_MS, RECONCILE_AGAIN_MS, RECONCILE_FIRST_MS, RECONCILE_JITTER } from "../core/limits.js";
import type { Clock, Random } from "../core/ports.js";
import type { ClockGuard } from "./clock-guard.js";
import { createEnd } from "./end.js";
import { type RoundDeps, runRound } from "./reconcile.js";
import { wait } from "./retry.js";

export interface Rounds {
  /** Until the signal says stop. Never rejects. */
  run(): Promise<void>;
  /** Resolves when the peer has been asked once, with or without an answer. */
  readonly asked: Promise<void>;
  /** A round as soon as the one that runs is over. Resolves at its end, with or without an answer, or with the run's. */
  request(): Promise<void>;
}

export interface RoundsDeps extends Omit<RoundDeps, "onSkew"> {
  readonly bucket: BucketName;
  readonly counters: BucketCounters;
  readonly guard: ClockGuard;
  readonly clock: Clock;
  readonly random: Random;
  readonly observe: Observe;
  /** May change while it runs. */
  readonly intervalMs: () => number;
  /** What has gone from the own bucket without telling is found before anybody is asked. KVGW_UNREACHABLE. */
  readonly look: () => Promise<void>;
  /** A round begins; to be called back where it has proved both sides equal. */
  readonly began: () => () => void;
  /** Ends a wait early when the peer can be reached again. */
  readonly wake: (callback: () => void) => () => void;
}

const tellAll = (requesters: readonly (() => void)[]) => {
  for (const tell of requesters) tell();
};

export function createRounds(deps: RoundsDeps): Rounds {
  const { bucket, peer, clock, signal } = deps;
  const counters = peerCounters(deps.counters, peer).reconcile;
  let requested = false;
  const requesters: (() => void)[] = [];
  // Rounds in a row that have proved nothing.
  let inVain = 0;
  let tellAsked: () => void = () => undefined;
  const asked = new Promise<void>((resolve) => (tellAsked = resolve));
  let onRequest: () => void = () => undefined;
  let toldFailure: Reason | null = null;
  let toldSkew = false;

  function tell(reason: Reason | null, repaired: number): void {
    // Once for a failure that goes on, and once for its end; a round that found nothing to do is only counted.
    const isNews = reason === null ? repaired > 0 || toldFailure !== null : toldFailure?.code !== reason.code;
    toldFailure = reason;
    if (isNews) deps.observe({ type: "reconciled", bucket, peer, reason, repaired });
  }

  /** As soon as it is measured: also a peer that cannot be reconciled with has a clock. */
  function onSkew(skewMs: number): void {
    deps.guard.measured(peer, skewMs);
    counters.clockSkewMs = skewMs;
    const isWrong = Math.abs(skewMs) > CLOCK_SKEW_WARN_MS;
    if (isWrong !== toldSkew) deps.observe({ type: "clock-skew", bucket, peer, skewMs, isWrong });
    toldSkew = isWrong;
  }

  /** Whether both sides are known to be equal now. */
  async function round(): Promise<boolean> {
    const beganMs = clock.elapsedMs();
    const provedEqual = deps.began();
    try {
      await deps.look();
      const { result, repaired } = await runRound({ ...deps, onSkew });
      counters.rounds[result]++;
      counters.repairs += repaired;
      counters.lastDurationS = (clock.elapsedMs() - beganMs) / 1_000;
      counters.lastMs = clock.nowMs();
      if (result === "equal") {
        counters.lastEqualMs = counters.lastMs;
        provedEqual();
      }
      tell(null, repaired);
      return result === "equal";
    } catch (thrown) {
      if (signal.aborted) return false;
      counters.rounds.failed++;
      const { code, message } = toGatewayError(thrown);
      tell({ code, message }, 0);
      return false;
    }
  }

  function delayMs(): number {
    // A difference may be a lasting one, such as a value that is too large here: longer each time.
    const base = inVain === 0 ? deps.intervalMs() : Math.min(deps.intervalMs(), RECONCILE_AGAIN_MS * 2 ** (inVain - 1));
    return base * (1 - RECONCILE_JITTER / 2 + RECONCILE_JITTER * deps.random.next());
  }

  /** What ends a wait early: the peer is back, or somebody asks. */
  const wake = (callback: () => void) => {
    const unsubscribe = deps.wake(callback);
    onRequest = callback;
    return () => {
      unsubscribe();
      onRequest = () => undefined;
    };
  };

  return {
    asked,
    async run() {
      const end = createEnd(signal);
      for (let nextMs = RECONCILE_FIRST_MS * (1 + deps.random.next()); !signal.aborted; ) {
        if (!requested) await wait(clock, nextMs, signal, wake);
        requested = false;
        const served = requesters.splice(0);
        if (signal.aborted) return tellAll([...served, ...requesters]);
        // A peer that does not answer must not hold up a stop.
        const equal = await Promise.race([round(), end.reached]);
        tellAsked();
        tellAll(served);
        inVain = equal === true ? 0 : inVain + 1;
        nextMs = delayMs();
      }
      tellAll(requesters);
    },
    request() {
      if (signal.aborted) return Promise.resolve();
      requested = true;
      onRequest();
      return new Promise((resolve) => requesters.push(resolve));
    },
  };
}
