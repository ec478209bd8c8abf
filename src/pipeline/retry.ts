/** Waiting between attempts: a visible list of delays with jitter, and waits that end early when they should. */
import { BACKOFF_JITTER, BACKOFF_MS } from "../core/limits.js";
import type { Clock, Random } from "../core/ports.js";

export interface Backoff {
  /** The delay before the next attempt, longer each time up to the end of the list. */
  nextMs(): number;
  /** The last attempt went well. */
  reset(): void;
  failures(): number;
}

export function createBackoff(random: Random): Backoff {
  let failures = 0;
  return {
    nextMs() {
      const base = BACKOFF_MS[Math.min(failures, BACKOFF_MS.length - 1)] ?? 1_000;
      failures++;
      return base * (1 - BACKOFF_JITTER / 2 + BACKOFF_JITTER * random.next());
    },
    reset() {
      failures = 0;
    },
    failures: () => failures,
  };
}

/** Ends after `delayMs`, at once when aborted, or when `wake` calls back. Never rejects. */
export function wait(
  clock: Clock,
  delayMs: number,
  signal: AbortSignal,
  wake?: (callback: () => void) => () => void,
): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = () => {
      cancel();
      unsubscribe?.();
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const cancel = clock.schedule(delayMs, finish);
    const unsubscribe = wake?.(finish);
    signal.addEventListener("abort", finish);
  });
}

/** Resolves when `work` is over, well or not, but after `limitMs` at the latest. Never rejects. */
export function atMost(clock: Clock, limitMs: number, work: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.schedule(limitMs, resolve);
    const finish = () => {
      cancel();
      resolve();
    };
    work.then(finish, finish);
  });
}

/** Resolves when `check` holds, looked at every `everyMs`, or after `limitMs`; says whether it holds. */
export async function until(clock: Clock, check: () => boolean, everyMs: number, limitMs: number): Promise<boolean> {
  const never = new AbortController().signal;
  for (let waitedMs = 0; waitedMs < limitMs && !check(); waitedMs += everyMs) await wait(clock, everyMs, never);
  return check();
}
