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
  readonly run: () => void;
}

/** A day in 2023: times of virtual runs look like times. Milliseconds since the epoch. */
export const START_MS = 1_700_000_000_000;

const isLater = (a: Event, b: Event) => (a.dueMs === b.dueMs ? a.order > b.order : a.dueMs > b.dueMs);

export function createVirtualClock(startMs = START_MS): VirtualClock {
  // Latest first, so that the next one is taken from the end.
  const events: Event[] = [];
  let nowMs = startMs;
  let scheduledEver = 0;

  /** Where `event` stands, or belongs. */
  function place(event: Event): number {
    let low = 0;
    for (let high = events.length; low < high;) {
      const middle = (low + high) >> 1;
      if (isLater(events[middle] as Event, event)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Runs the next event if it falls due in time. */
  function step(untilMs: number): boolean {
    const event = events.at(-1);
    if (event === undefined || event.dueMs > untilMs) return false;
    events.pop();
    nowMs = event.dueMs;
    event.run();
    return true;
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
      events.splice(place(event), 0, event);
      return () => {
        const at = place(event);
        if (events[at] === event) events.splice(at, 1);
      };
    },
    async advance(ms) {
      await runUntil(() => false, ms);
    },
    runUntil,
    async runUntilIdle(limitMs) {
      const idle = await runUntil(() => events.length === 0, limitMs);
      if (!idle) throw new Error(`${events.length} events are still to come after ${limitMs} ms of virtual time`);
    },
    scheduled: () => events.length,
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
