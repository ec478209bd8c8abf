/**
 * The clock of one gateway's process. A process may be stopped for a while: what falls due meanwhile happens afterwards,
 * at once and in order. And it may be killed: then nothing that it has scheduled happens any more.
 */
import type { Clock } from "../../../src/core/ports.js";

export interface ProcessClock extends Clock {
  pause(): void;
  resume(): void;
  kill(): void;
}

/** @param clock true time; @param wrongByMs by how much the process's host is wrong now */
export function createProcessClock(clock: Clock, wrongByMs: () => number): ProcessClock {
  let alive = true;
  let paused = false;
  let draining = false;
  const backlog: { run: (() => void) | null }[] = [];

  function drain(): void {
    draining = !paused && backlog.length > 0;
    if (!draining) return;
    backlog.shift()?.run?.();
    clock.schedule(0, drain);
  }

  return {
    nowMs: () => clock.nowMs() + wrongByMs(),
    elapsedMs: () => clock.elapsedMs(),
    schedule(delayMs, callback) {
      const due: { run: (() => void) | null } = { run: null };
      const cancel = clock.schedule(delayMs, () => {
        if (!alive) return;
        if (!paused && !draining) return callback();
        due.run = callback;
        backlog.push(due);
      });
      return () => {
        due.run = null;
        cancel();
      };
    },
    pause: () => void (paused = true),
    resume() {
      paused = false;
      if (!draining) drain();
    },
    kill() {
      alive = false;
      backlog.length = 0;
    },
  };
}
