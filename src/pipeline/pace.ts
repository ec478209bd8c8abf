/**
 * Keeps a bucket's applies below `limits.opsPerSecond`, for a site whose link or disk must be spared. What waits here is
 * bounded by the readers' windows: the rest stays at the peers.
 *
 * All of it waits in one queue behind one timer, and each turn is reckoned from the limit of that moment, so a changed
 * limit is taken up with the next turn.
 */
import type { Clock } from "../core/ports.js";

export interface Pace {
  /** Does `work` when its turn has come; at once without a limit. */
  next(work: () => void): void;
}

interface Waiting {
  readonly work: () => void;
  readonly askedMs: number;
}

/** @param clock of the run: what waits at its end is never done
 *  @param opsPerSecond 0 is no limit; may change while it runs */
export function createPace(clock: Clock, opsPerSecond: () => number): Pace {
  const queue: Waiting[] = [];
  let timing = false;
  // When the last turn was due, not when it was taken: late timers must not add up to a slower pace.
  let lastTurnMs = -Infinity;

  /** When it may be done: an interval after the turn before, and no idle time is saved up. */
  function turnOf({ askedMs }: Waiting): number {
    const limit = opsPerSecond();
    return limit > 0 ? Math.max(askedMs, lastTurnMs + 1_000 / limit) : askedMs;
  }

  function takeTurns(): void {
    for (let first = queue[0]; first !== undefined && !timing; first = queue[0]) {
      const turnMs = turnOf(first);
      const waitMs = turnMs - clock.elapsedMs();
      if (waitMs >= 1) return wakeIn(waitMs);
      lastTurnMs = turnMs;
      queue.shift();
      first.work();
    }
  }

  function wakeIn(delayMs: number): void {
    timing = true;
    clock.schedule(delayMs, () => {
      timing = false;
      takeTurns();
    });
  }

  return {
    next(work) {
      if (queue.length === 0 && opsPerSecond() <= 0) return work();
      queue.push({ work, askedMs: clock.elapsedMs() });
      takeTurns();
    },
  };
}
