/**
 * One peer: reads its operation log from our checkpoint and hands every operation to apply. The checkpoint advances only
 * when everything below it has settled (I6); what was on its way when a reader broke is read again and decided again,
 * which changes nothing (I2).
 *
 * A peer that cannot be reached never disturbs the bucket or another peer: this loop alone waits and tries again.
 */
import type { BucketCounters } from "../core/counters.js";
import { peerCounters } from "../core/counters.js";
import { type Checkpoint, createProgress } from "../core/checkpoint.js";
import { GatewayError, toGatewayError } from "../core/errors.js";
import type { Observe, PeerState, Reason } from "../core/events.js";
import type { BucketName, Key, Sequence, SiteId } from "../core/ids.js";
import type { KeyFilter } from "../core/key-filter.js";
import { READER_STOP_MS, READ_WINDOW_BYTES } from "../core/limits.js";
import type { LoggedOperation } from "../core/operation.js";
import type { Beat, Clock, PeerLink, Reader, SetAside, SetAsideReason, SiteState, StreamMark, Unreadable } from "../core/ports.js";
import type { Version } from "../core/version.js";
import type { Applier } from "./apply.js";
import { createCheckpointRecord } from "./checkpoint-record.js";
import { type End, createEnd } from "./end.js";
import { type Reading, createInHand } from "./in-hand.js";
import type { Pace } from "./pace.js";
import { type Backoff, atMost, wait } from "./retry.js";
import { createVital } from "./vital.js";

export interface PeerSnapshot {
  readonly state: PeerState;
  readonly reason: Reason | null;
  readonly lagOperations: number;
  readonly lagSeconds: number;
  readonly checkpoint: Sequence;
  /** When the peer's gateway last answered for this bucket, 0 for never. */
  readonly lastHeardMs: number;
}

export interface Replication {
  /** Runs until aborted; never rejects for what a peer or the network does. */
  run(): Promise<void>;
  /** What keeps operations of this peer alone from being settled, null when that is over. */
  hinder(error: GatewayError | null): void;
  /** How far the peer's log has been applied here, null while that is not known. */
  checkpoint(): Checkpoint | null;
  /** Makes the checkpoint durable if it moved, once what it passes is. KVGW_STATE_UNAVAILABLE, KVGW_STATE_CHANGED. */
  save(isDurable: () => Promise<void>): Promise<void>;
  /** Whether everything up to there is applied here, durably, as far as the log still has it. KVGW_UNREACHABLE. */
  hasRead(head: Checkpoint): Promise<boolean>;
  snapshot(): PeerSnapshot;
}

export interface ReplicationDeps {
  readonly bucket: BucketName;
  readonly peer: SiteId;
  readonly link: PeerLink;
  readonly state: SiteState;
  readonly applier: Applier;
  readonly includes: KeyFilter;
  /** Nothing is known of the key, and its tombstone would be old enough to have been swept. */
  readonly isUnknownAndOld: (key: Key, version: Version) => boolean;
  readonly counters: BucketCounters;
  readonly clock: Clock;
  readonly backoff: Backoff;
  /** Shared by all peers of the bucket. */
  readonly pace: Pace;
  /** Operations of this peer in flight at most; may change while it runs. */
  readonly windowOperations: () => number;
  readonly observe: Observe;
  readonly signal: AbortSignal;
  /** Durable, then `then`; a failure ends the run. Without room for it, `hinder` is told and `then` waits. */
  readonly setAside: (setAside: SetAside, then: () => void) => void;
  /** An operation was applied, or ignored because of what stands here; then `then`. */
  readonly settled: (key: Key, at: SetAside["at"], then: () => void) => void;
  /** Ends a wait early when the peer can be reached again. */
  readonly wake: (callback: () => void) => () => void;
  /** Every beat of the peer's gateway; null where there is no heartbeat, and nothing said of the peer but by its log. */
  readonly listen: ((hear: (beat: Beat) => void) => () => void) | null;
}

/** One reader's life. */
interface Session extends Reading {
  readonly mark: StreamMark;
  /** The log has come back wrong: what it has of old keys, of which nothing is known here, may have been swept. Not so where the
   *  peer was away from the list: what nobody has read, nobody can have meant to delete. */
  readonly doubtful: boolean;
  readonly lose: (error: GatewayError) => void;
}

export function createReplication(deps: ReplicationDeps): Replication {
  const { peer, clock, signal, applier } = deps;
  const record = createCheckpointRecord(deps.state, `checkpoint.${deps.bucket}.${peer}`);
  const counters = peerCounters(deps.counters, peer);
  let session: Session | null = null;
  const inHand = createInHand(() => session);
  let state: PeerState = "starting";
  let reason: Reason | null = null;
  const hindrances = new Map<"set-aside" | "pulse", Reason>();
  let reading = false;
  let lastContactMs = clock.nowMs();
  // The write that came last, or the last contact before this reader while none has come.
  let newestMs = lastContactMs;

  const vital = createVital({ peer, clock, reading: () => session, onTrouble: (error) => hinder("pulse", error) });

  function enter(wanted: PeerState, because: Reason | null): void {
    const [hindrance] = hindrances.values();
    if (wanted === "live" && hindrance !== undefined) return show("degraded", hindrance);
    show(wanted, because);
  }

  function hinder(by: "set-aside" | "pulse", error: GatewayError | null): void {
    if (error === null) hindrances.delete(by);
    else hindrances.set(by, { code: error.code, message: error.message });
    if (reading) enter("live", null);
  }

  function show(next: PeerState, because: Reason | null): void {
    const same = next === state && because?.code === reason?.code;
    state = next;
    reason = because;
    if (!same) deps.observe({ type: "peer-state", bucket: deps.bucket, peer, state, reason });
  }

  const checkpoint = (): Checkpoint | null =>
    session === null ? record.known() : { created: session.mark.created, sequence: session.progress.checkpoint() };

  /** Of the reader before this one if there was one, else of the process before this one. */
  const lastCheckpoint = async (): Promise<Checkpoint | null> => (session === null ? record.load() : checkpoint());

  function startingPoint(checkpoint: Checkpoint | null, mark: StreamMark): Sequence {
    if (checkpoint === null) return 0;
    const why =
      checkpoint.created !== mark.created
        ? "the log was recreated"
        : checkpoint.sequence > mark.lastSequence
          ? "the log ends before our checkpoint"
          : null;
    if (why === null) return checkpoint.sequence;
    if (checkpoint.created === mark.created) record.rewound(mark.lastSequence);
    // Everything is read again; what is known already is a duplicate, but the same sequence may be another operation.
    deps.observe({ type: "checkpoint-reset", bucket: deps.bucket, peer, why });
    return 0;
  }

  function onOperation(own: Session, logged: LoggedOperation, bytes: number): void {
    const { operation, sequence } = logged;
    const { key, kind, version } = operation;
    const writtenMs = version.ts / 1_000;
    newestMs = writtenMs;
    lastContactMs = clock.nowMs();
    const done = inHand.take(own, { sequence, key, version, writtenMs, bytes });
    if (done === null) return;
    // Reconcile brings it, if it is none.
    if (own.doubtful && deps.isUnknownAndOld(key, version)) {
      counters.ignored.stale++;
      return done();
    }
    if (!deps.includes(key)) {
      counters.ignored.filtered++;
      return done();
    }
    const at = { created: own.mark.created, position: sequence };
    const refuse = (refusal: SetAsideReason, detail: string) => {
      deps.setAside({ key, origin: peer, reason: refusal, detail, kind, version, at }, done);
    };
    deps.pace.next(() => applier.submit(operation, peer, { done: () => deps.settled(key, at, done), refuse }));
  }

  function onUnreadable(own: Session, unreadable: Unreadable, bytes: number): void {
    const { key, reason: refusal, detail, sequence } = unreadable;
    const done = inHand.take(own, { sequence, key, version: null, writtenMs: clock.nowMs(), bytes });
    if (done === null) return;
    const at = { created: own.mark.created, position: sequence };
    deps.setAside({ key, origin: peer, reason: refusal, detail, kind: null, version: null, at }, done);
  }

  /** What is in hand from readers before counts against the window: a link that comes and goes must not add to it. */
  function window(own: Session): number {
    const left = inHand.operations() - own.progress.outstanding();
    return Math.max(1, deps.windowOperations() - left);
  }

  function checkForRoom(): void {
    const waiting = inHand.operations();
    if (waiting < deps.windowOperations() && inHand.bytes() < READ_WINDOW_BYTES) return;
    const message = `bucket ${deps.bucket}: ${waiting} operations of ${peer} wait to be settled here; reading goes on when there is room`;
    throw new GatewayError("KVGW_APPLY_STUCK", message);
  }

  /** Null if the end came first; a reader that arrives after the end is given all the same, to be stopped. */
  async function open(end: End): Promise<Reader | null> {
    checkForRoom();
    const mark = await deps.link.open();
    const checkpoint = await lastCheckpoint();
    if (end.isReached()) return null;
    const from = startingPoint(checkpoint, mark);
    const doubtful = session?.doubtful === true || (checkpoint !== null && from < checkpoint.sequence);
    const own: Session = { mark, doubtful, progress: createProgress(from), reader: null, lose: end.fail };
    session = own;
    const reader = await deps.link.read(from + 1, () => window(own), {
      onOperation: (logged, bytes) => onOperation(own, logged, bytes),
      onUnreadable: (unreadable, bytes) => onUnreadable(own, unreadable, bytes),
      onLost: end.fail,
    });
    if (end.isReached()) return reader;
    own.reader = reader;
    reading = true;
    deps.backoff.reset();
    newestMs = lastContactMs;
    lastContactMs = clock.nowMs();
    vital.forgive();
    enter("live", null);
    return reader;
  }

  /** Reads until the reader is lost or the run ends; rejects with why it was lost. Waits for nothing that a peer which does
   *  not answer could hold up. */
  async function read(): Promise<void> {
    const end = createEnd(signal);
    const opening = open(end);
    opening.catch(end.fail);
    try {
      await end.reached;
    } finally {
      if (reading) lastContactMs = clock.nowMs();
      reading = false;
      const stopped = opening.then((reader) => reader?.stop());
      await atMost(clock, READER_STOP_MS, stopped);
    }
  }

  return {
    async run() {
      const forget = deps.listen?.((beat) => vital.hear(beat));
      while (!signal.aborted) {
        try {
          await read();
        } catch (thrown) {
          const { code, message } = toGatewayError(thrown);
          if (signal.aborted) break;
          enter("degraded", { code, message });
          await wait(clock, deps.backoff.nextMs(), signal, deps.wake);
        }
      }
      forget?.();
    },
    hinder: (error) => hinder("set-aside", error),
    checkpoint,
    async save(isDurable) {
      const next = session === null ? null : checkpoint();
      if (next === null || record.covers(next)) return;
      await isDurable();
      await record.save(next);
    },
    async hasRead(head) {
      if (head.sequence === 0) return true;
      const saved = record.known();
      if (saved?.created === head.created && saved.sequence >= head.sequence) return true;
      // What was removed from the end of a log is never read.
      const { created, lastSequence } = await deps.link.lastExisting();
      return created === head.created && (lastSequence === 0 || (saved?.created === created && saved.sequence >= lastSequence));
    },
    snapshot() {
      const waiting = (session?.reader?.pending() ?? 0) + inHand.operations();
      const nowMs = clock.nowMs();
      // Where nobody reads, nothing is known to be up to date: silence is never shown as zero lag.
      const behindSinceMs = reading ? (waiting === 0 ? nowMs : (inHand.oldestMs() ?? newestMs)) : lastContactMs;
      // The same where the peer's gateway does not say that it has logged what was written there.
      const unknownMs = deps.listen === null ? 0 : vital.unknownMs();
      return {
        state: signal.aborted ? "starting" : state,
        reason,
        lagOperations: Math.max(waiting, vital.missing()),
        lagSeconds: Math.max(nowMs - behindSinceMs, unknownMs, 0) / 1_000,
        checkpoint: checkpoint()?.sequence ?? 0,
        lastHeardMs: vital.heardMs(),
      };
    },
  };
}
