/**
 * Keeps a bucket's applies below `limits.opsPerSecond`, for a site whose link or disk must be spared. What waits here is
 * bounded by the readers' windows: the rest stays at the peers.
 */
import type { Clock } from "../core/ports.js";

export interface Pace {
  /** Does `work` when its turn has come; at once without a limit. */
  next(work: () => void): void;
}

/** @param opsPerSecond 0 is no limit; may change while it runs */
export function createPace(clock: Clock, opsPerSecond: () => number): Pace {
  let turnMs = 0;
  return {
    next(work) {
      const limit = opsPerSecond();
      if (limit <= 0) return work();
      const nowMs = clock.nowMs();
      const waitMs = Math.max(0, turnMs - nowMs);
      turnMs = nowMs + waitMs + 1_000 / limit;
      if (waitMs < 1) work();
      else clock.schedule(waitMs, work);
    },
  };
}
