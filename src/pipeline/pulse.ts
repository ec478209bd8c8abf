/**
 * What a run says of its bucket when a peer feels its pulse: where the own log ends, and up to when everything written here
 * is in it. A bucket that is never at rest says so too: what was captured before a moment is waited for, but not for long.
 */
import type { Checkpoint } from "../core/checkpoint.js";
import { PULSE_PROBE_MS } from "../core/limits.js";
import type { Clock, Reader } from "../core/ports.js";
import type { Logged } from "../core/pulse.js";
import type { Appender } from "./append.js";
import { atMost } from "./retry.js";

export interface RunPulse {
  /** Null while nothing can be said yet. Soon, and never rejects. */
  logged(): Promise<Logged | null>;
}

export interface PulseDeps {
  readonly tail: Pick<Reader, "pending">;
  readonly appender: Pick<Appender, "logged">;
  readonly clock: Clock;
  /** Of the run: once it is over, nothing is logged. */
  readonly signal: AbortSignal;
}

export function createPulse({ tail, appender, clock, signal }: PulseDeps): RunPulse {
  let known: { readonly head: Checkpoint; readonly sinceMs: number } | null = null;
  // One look at a time: while the log takes nothing the looks would pile up.
  let looking: Promise<void> | null = null;

  function look(): Promise<void> {
    // What the server still holds has not been captured.
    if (tail.pending() > 0) return Promise.resolve();
    const sinceMs = clock.elapsedMs();
    return appender.logged().then((head) => void (known = { head, sinceMs }));
  }

  return {
    async logged() {
      if (signal.aborted) return null;
      looking ??= look().finally(() => (looking = null));
      await atMost(clock, PULSE_PROBE_MS, looking);
      return known === null || signal.aborted ? null : { head: known.head, ageMs: clock.elapsedMs() - known.sinceMs };
    },
  };
}
