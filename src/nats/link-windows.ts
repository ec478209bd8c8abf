/**
 * Who goes first where several buckets are far behind over one link: all of them fill it, and then this site's own NATS,
 * with as much as their windows hold, so shares follow the windows. While a bucket of a higher priority is behind, each
 * step of priority below it halves the window of the others; it never becomes nothing.
 *
 * Live traffic is not behind and takes no room from anybody, and neither does a bucket that does not get on: it makes no
 * more requests (I9).
 */
import { LINK_FIRST_WINDOW, LINK_RESTS_MS, PRIORITY_MAX } from "../core/limits.js";
import type { Clock } from "../core/ports.js";

export interface LinkWindows {
  /** @param priority of one bucket, 1 … 10; may change */
  join(priority: () => number): WindowShare;
}

export interface WindowShare {
  /** How much of the full window is to be used now. Called for every message: it must cost nothing.
   *  @param pending messages that wait at the peer */
  of(full: number, pending: number): number;
  /** A request was made. */
  asked(full: number, pending: number): void;
  /** Nothing is on its way. */
  rests(): void;
  /** Nobody reads any more. */
  leave(): void;
}

export function createLinkWindows(clock: Clock): LinkWindows {
  const behindByPriority = Array<number>(PRIORITY_MAX + 1).fill(0);
  let highest = 0;

  function change(priority: number, by: number): void {
    behindByPriority[priority] = (behindByPriority[priority] ?? 0) + by;
    highest = Math.max(0, behindByPriority.findLastIndex((count) => count > 0));
  }

  return {
    join(priority) {
      // With which priority it is counted among those behind; 0 while it is not.
      let counted = 0;
      let begins = true;
      let cancel: (() => void) | null = null;

      function count(as: number): void {
        cancel?.();
        cancel = null;
        if (as === counted) return;
        if (counted > 0) change(counted, -1);
        counted = as;
        if (counted > 0) change(counted, 1);
      }

      return {
        of(full, pending) {
          if (begins && pending >= full) return Math.min(full, LINK_FIRST_WINDOW);
          const steps = highest - priority();
          return steps <= 0 ? full : Math.max(1, Math.floor(full / 2 ** steps));
        },
        asked(full, pending) {
          begins = false;
          count(pending >= full ? priority() : 0);
        },
        rests() {
          if (counted > 0) cancel ??= clock.schedule(LINK_RESTS_MS, () => count(0));
        },
        leave() {
          begins = true;
          count(0);
        },
      };
    },
  };
}
