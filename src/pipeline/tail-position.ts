/** How far the tail has come, and who waits for it to come further. Every wait is bounded in time. */
import type { Revision } from "../core/ids.js";
import { APPLY_TAIL_WAIT_MS } from "../core/limits.js";
import type { Clock } from "../core/ports.js";

export interface TailPosition {
  advance(revision: Revision): void;
  /** The last revision that came. */
  passed(): Revision;
  /** Calls back once: when the tail has passed `revision`, or after a bounded wait all the same. */
  whenPassed(revision: Revision, then: () => void): void;
}

interface Waiter {
  readonly revision: Revision;
  readonly then: () => void;
  readonly cancel: () => void;
}

export function createTailPosition(clock: Clock): TailPosition {
  const waiters = new Set<Waiter>();
  let position = 0;
  return {
    advance(revision) {
      position = revision;
      for (const waiter of waiters) {
        if (waiter.revision > revision) continue;
        waiters.delete(waiter);
        waiter.cancel();
        waiter.then();
      }
    },
    passed: () => position,
    whenPassed(revision, then) {
      if (revision <= position) return then();
      const giveUp = () => {
        waiters.delete(waiter);
        then();
      };
      const waiter: Waiter = { revision, then, cancel: clock.schedule(APPLY_TAIL_WAIT_MS, giveUp) };
      waiters.add(waiter);
    },
  };
}
