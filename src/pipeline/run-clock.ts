/**
 * The clock of one run: what it has scheduled ends with the run, so that nothing of a run that is over keeps the process
 * alive or holds on to operations. For the rest it is the clock that it was made from.
 */
import type { Clock } from "../core/ports.js";

export function createRunClock(clock: Clock, signal: AbortSignal): Clock {
  const cancels = new Set<() => void>();
  const cancelAll = () => {
    for (const cancel of cancels) cancel();
    cancels.clear();
  };
  signal.addEventListener("abort", cancelAll, { once: true });
  return {
    nowMs: () => clock.nowMs(),
    elapsedMs: () => clock.elapsedMs(),
    schedule(delayMs, callback) {
      if (signal.aborted) return () => undefined;
      const cancelTimer = clock.schedule(delayMs, () => {
        cancels.delete(cancel);
        callback();
      });
      const cancel = () => {
        cancels.delete(cancel);
        cancelTimer();
      };
      cancels.add(cancel);
      return cancel;
    },
  };
}
