/**
 * Many events in a short time as one: called when it has been quiet, or, where it never is, after some rounds.
 */
import type { Clock } from "../core/ports.js";

export interface Settle {
  nudge(): void;
  cancel(): void;
}

/** Events that come without pause are settled after so many quiet times. */
const ROUNDS_MAX = 5;

export function createSettle(clock: Pick<Clock, "schedule">, quietMs: number, settled: () => void): Settle {
  let cancelQuiet: (() => void) | null = null;
  let cancelLatest: (() => void) | null = null;

  function cancel(): void {
    cancelQuiet?.();
    cancelLatest?.();
    cancelQuiet = cancelLatest = null;
  }

  function fire(): void {
    cancel();
    settled();
  }

  return {
    nudge() {
      cancelQuiet?.();
      cancelQuiet = clock.schedule(quietMs, fire);
      cancelLatest ??= clock.schedule(quietMs * ROUNDS_MAX, fire);
    },
    cancel,
  };
}
