/**
 * Whether a peer's silence means that nobody writes there. Its gateway says at every beat how far it has logged what was
 * written; while it does not say so, nothing is known, and the lag grows with the time since it last did. And what it has
 * logged must come: a reader to which nothing comes is ended, to be made anew.
 */
import type { Checkpoint } from "../core/checkpoint.js";
import { GatewayError } from "../core/errors.js";
import type { Sequence, SiteId } from "../core/ids.js";
import { PULSES_MISSED_MAX, PULSE_FRESH_MS } from "../core/limits.js";
import type { Beat, Clock, Reader, StreamMark } from "../core/ports.js";
import type { BucketPulse } from "../core/pulse.js";

/** What is read of the peer's log now. */
export interface Reading {
  readonly mark: StreamMark;
  readonly reader: Reader | null;
  readonly lose: (error: GatewayError) => void;
}

export interface Vital {
  hear(beat: Beat): void;
  /** The log is read again: that no answer came over a link that was down says nothing of the peer's gateway. */
  forgive(): void;
  /** How long it has not been known what was written at the peer, 0 while its gateway tells that all of it is logged and
   *  nothing of that is missing. */
  unknownMs(): number;
  /** How many operations the peer has logged, at most, of which the server that we read from does not know. */
  missing(): number;
  /** When the peer's gateway last answered, by the wall clock; 0 for never. */
  heardMs(): number;
}

export interface VitalDeps {
  readonly peer: SiteId;
  readonly clock: Clock;
  readonly reading: () => Reading | null;
  /** Called when the peer has been silent, or its bucket not live, for too long; with null when that is over. */
  readonly onTrouble: (error: GatewayError | null) => void;
}

export function createVital({ peer, clock, reading, onTrouble }: VitalDeps): Vital {
  // Everything that was written at the peer before this is known to be in its log.
  let loggedUntilMs = clock.elapsedMs();
  let head: Checkpoint | null = null;
  let heardMs = 0;
  let missed = 0;
  let trouble: GatewayError | null = null;
  let stuck: { readonly on: Reader; readonly at: Sequence; readonly sinceMs: number } | null = null;

  function tell(error: GatewayError | null): void {
    if (error?.code === trouble?.code) return;
    trouble = error;
    onTrouble(error);
  }

  function miss(error: GatewayError): void {
    stuck = null;
    if (++missed >= PULSES_MISSED_MAX) tell(error);
  }

  function missing(): number {
    const now = reading();
    const reader = now?.reader ?? null;
    if (reader === null || head === null || head.created !== now?.mark.created || !canTell(reader)) return 0;
    return Math.max(0, head.sequence - reader.position());
  }

  function look(): void {
    const now = reading();
    const reader = now?.reader ?? null;
    if (reader === null || missing() === 0) return void (stuck = null);
    const at = reader.position();
    if (stuck?.on !== reader || stuck.at !== at) return void (stuck = { on: reader, at, sinceMs: clock.elapsedMs() });
    if (reader.isHeldBack()) return;
    // A whole beat later, so nothing is on its way.
    const message = `nothing comes from the log of ${peer} behind ${at}, though its gateway has logged more; reading starts again`;
    now?.lose(new GatewayError("KVGW_READER_LOST", message));
  }

  return {
    hear(beat) {
      if (beat.kind === "missed") return miss(silent(peer, heardMs, beat.error));
      heardMs = clock.nowMs();
      const logged = beat.pulse?.logged ?? null;
      if (logged === null) return miss(notLive(peer, beat.pulse));
      missed = 0;
      head = logged.head;
      loggedUntilMs = Math.max(loggedUntilMs, beat.askedMs - logged.ageMs);
      look();
      tell(null);
    },
    forgive() {
      missed = 0;
      tell(null);
    },
    unknownMs() {
      const nowMs = clock.elapsedMs();
      const unknownMs = nowMs - loggedUntilMs;
      const isFresh = head !== null && unknownMs <= PULSE_FRESH_MS;
      return Math.max(isFresh ? 0 : unknownMs, stuck === null ? 0 : nowMs - stuck.sinceMs);
    },
    missing,
    heardMs: () => heardMs,
  };
}

/** What is not settled here yet is no less known of. */
const canTell = (reader: Reader) => reader.isWaiting() || reader.isHeldBack();

function silent(peer: SiteId, heardMs: number, { message }: GatewayError): GatewayError {
  const since = heardMs === 0 ? "has not answered yet" : `does not answer since ${new Date(heardMs).toISOString()}`;
  const text = `the gateway of ${peer} ${since} (${message}); what is written there is not known here until it does`;
  return new GatewayError("KVGW_PEER_SILENT", text);
}

function notLive(peer: SiteId, pulse: BucketPulse | null): GatewayError {
  const because = pulse === null ? "does not run this bucket" : `does not log this bucket's writes: it is ${pulse.state} there`;
  return new GatewayError("KVGW_PEER_NOT_LIVE", `the gateway of ${peer} ${because}; look there`);
}
