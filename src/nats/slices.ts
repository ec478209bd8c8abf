/**
 * Work that comes in bursts, in slices: one read of a socket brings thousands of messages at once, and while they are all
 * worked on, nothing else of the process gets on. What is left over after a slice waits for the next turn of the event loop,
 * in its order; what comes for others in the same burst does not wait for it. Where nothing is left over, nothing is kept.
 *
 * What waits here is bounded by whoever asked for it.
 */
import { SLICE_MS } from "../core/limits.js";
import type { Clock } from "../core/ports.js";

export interface Slices<T> {
  /** Works on it now, or later if this turn's slice is used up. */
  take(item: T): void;
  /** What waits is dropped. */
  stop(): void;
}

export function createSlices<T>(clock: Clock, work: (item: T) => void): Slices<T> {
  let waiting: T[] = [];
  // When this turn's slice began, null while none has.
  let beganMs: number | null = null;
  let cancel: () => void = () => undefined;

  /** Whether there is still time in this turn. */
  function hasTime(): boolean {
    if (beganMs !== null) return clock.elapsedMs() - beganMs < SLICE_MS;
    beganMs = clock.elapsedMs();
    cancel = clock.schedule(0, nextTurn);
    return true;
  }

  function nextTurn(): void {
    beganMs = null;
    let done = 0;
    while (done < waiting.length && hasTime()) work(waiting[done++] as T);
    waiting.splice(0, done);
  }

  return {
    take(item) {
      if (waiting.length === 0 && hasTime()) work(item);
      else waiting.push(item);
    },
    stop() {
      waiting = [];
      cancel();
    },
  };
}
