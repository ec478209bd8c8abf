/**
 * Time that stands still until a test lets it go on. Events run in order of their time and, at one time, in the order in
 * which they were scheduled; between two events all promises settle. So a run depends on nothing but what was scheduled,
 * and hours pass in a moment.
 */
import type { Clock } from "../../src/core/ports.js";

export interface VirtualClock extends Clock {
  /** Runs all that falls due within `ms`. */
  advance(ms: number): Promise<void>;
  /** Runs until nothing is scheduled any more; throws if that is not so within `limitMs`. */
  runUntilIdle(limitMs: number): Promise<void>;
  /** Runs until `holds`, looked at after every event; says whether it came to hold within `limitMs`. */
  runUntil(holds: () => boolean, limitMs: number): Promise<boolean>;
  /** Events that are still to come. */
  scheduled(): number;
}

interface Event {
  readonly dueMs: number;
  readonly order: number;
  /** Null once it has run, or is not to run any more. */
  run: (() => void) | null;
}

/** A day in 2023: times of virtual runs look like times. Milliseconds since the epoch. */
export const START_MS = 1_700_000_000_000;

const isEarlier = (a: Event, b: Event) => (a.dueMs === b.dueMs ? a.order < b.order : a.dueMs < b.dueMs);

export function createVirtualClock(startMs = START_MS): VirtualClock {
  const events = createHeap();
  let nowMs = startMs;
  let scheduledEver = 0;
  let left = 0;

  /** Runs the next event if it falls due in time. */
  function step(untilMs: number): boolean {
    for (let event = events.first(); event !== undefined && event.dueMs <= untilMs; event = events.first()) {
      events.removeFirst();
      const { run } = event;
      if (run === null) continue;
      event.run = null;
      left--;
      nowMs = event.dueMs;
      run();
      return true;
    }
    return false;
  }

  async function runUntil(holds: () => boolean, limitMs: number): Promise<boolean> {
    const untilMs = nowMs + limitMs;
    let held: boolean | null = null;
    /** Whether there is more to do. */
    const turn = (): boolean => {
      if (holds()) held = true;
      else if (step(untilMs)) return true;
      else {
        nowMs = untilMs;
        held = holds();
      }
      return false;
    };
    while (held === null) await turns(turn);
    return held;
  }

  return {
    nowMs: () => nowMs,
    elapsedMs: () => nowMs - startMs,
    schedule(delayMs, callback) {
      // Whole milliseconds, as the timers of the real clock.
      const dueMs = nowMs + Math.max(0, Math.ceil(delayMs));
      const event: Event = { dueMs, order: scheduledEver++, run: callback };
      events.add(event);
      left++;
      return () => {
        if (event.run === null) return;
        event.run = null;
        left--;
        // Time-outs are cancelled more often than not, long before they are due.
        if (events.size() > LEFT_OVER_MAX + 2 * left) events.keep(({ run }) => run !== null);
      };
    },
    async advance(ms) {
      await runUntil(() => false, ms);
    },
    runUntil,
    async runUntilIdle(limitMs) {
      const idle = await runUntil(() => left === 0, limitMs);
      if (!idle) throw new Error(`${left} events are still to come after ${limitMs} ms of virtual time`);
    },
    scheduled: () => left,
  };
}

/** Cancelled events that may stand among the others before it is worth while to look for them. */
const LEFT_OVER_MAX = 1_024;

/** The earliest event first. Two hundred sites have some hundred thousand under way. */
function createHeap() {
  let all: Event[] = [];
  const at = (index: number) => all[index] as Event;

  function swap(a: number, b: number): void {
    [all[a], all[b]] = [at(b), at(a)];
  }

  function sink(index: number): void {
    for (let parent = index; ; ) {
      let least = parent;
      for (const child of [2 * parent + 1, 2 * parent + 2]) if (child < all.length && isEarlier(at(child), at(least))) least = child;
      if (least === parent) return;
      swap(parent, least);
      parent = least;
    }
  }

  return {
    size: () => all.length,
    first: (): Event | undefined => all[0],
    add(event: Event): void {
      let index = all.push(event) - 1;
      for (let parent = (index - 1) >> 1; index > 0 && isEarlier(event, at(parent)); parent = (index - 1) >> 1) {
        swap(index, parent);
        index = parent;
      }
    },
    removeFirst(): void {
      const last = all.pop();
      if (last === undefined || all.length === 0) return;
      all[0] = last;
      sink(0);
    },
    keep(wanted: (event: Event) => boolean): void {
      all = all.filter(wanted);
      for (let index = (all.length >> 1) - 1; index >= 0; index--) sink(index);
    },
  };
}

/** Immediates in one round of the event loop: a round of one event each would cost more than most events do. */
const TURNS_AT_ONCE = 64;

/** Takes turns while there is more to do. Between two immediates all promises settle: the runtime sees to it, also where
 *  both belong to one round. */
const turns = (turn: () => boolean): Promise<void> =>
  new Promise((resolve, reject) => {
    let left = TURNS_AT_ONCE;
    const take = () => {
      if (left <= 0) return;
      try {
        if (!turn()) left = 0;
      } catch (thrown) {
        left = 0;
        return reject(thrown instanceof Error ? thrown : new Error(String(thrown)));
      }
      if (--left <= 0) resolve();
    };
    for (let n = 0; n < TURNS_AT_ONCE; n++) setImmediate(take);
  });

/** The clock of a site whose clock is wrong by `offsetMs`, which may change at any time. */
export function createSkewedClock(clock: Clock, offsetMs: () => number): Clock {
  return { ...clock, nowMs: () => clock.nowMs() + offsetMs() };
}

/** The clock of one process: when it is killed, nothing that it has scheduled happens any more. */
export interface MortalClock extends Clock {
  kill(): void;
}

export function createMortalClock(clock: Clock): MortalClock {
  let alive = true;
  return {
    nowMs: () => clock.nowMs(),
    elapsedMs: () => clock.elapsedMs(),
    schedule: (delayMs, callback) => clock.schedule(delayMs, () => (alive ? callback() : undefined)),
    kill: () => void (alive = false),
  };
}
