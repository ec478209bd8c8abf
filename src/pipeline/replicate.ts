/**
 * One peer: reads its operation log from our checkpoint and hands every operation to apply. The checkpoint advances only
 * when everything below it has settled (I6); what was on its way when a reader broke is read again and decided again,
 * which changes nothing (I2).
 *
 * A peer that cannot be reached never disturbs the bucket or another peer: this loop alone waits and tries again.
 */
import type { BucketCounters } from "../core/counters.js";
import { peerCounters } from "../core/counters.js";
import { type Checkpoint, createProgress, isCheckpoint } from "../core/checkpoint.js";
import { GatewayError, toGatewayError } from "../core/errors.js";
import type { Observe, PeerState, Reason } from "../core/events.js";
import type { BucketName, Key, Sequence, SiteId } from "../core/ids.js";
import type { KeyFilter } from "../core/key-filter.js";
import { READER_STOP_MS, READ_WINDOW_BYTES } from "../core/limits.js";
import type { LoggedOperation } from "../core/operation.js";
import type { Clock, PeerLink, Reader, SetAside, SetAsideReason, SiteState, StreamMark, Unreadable } from "../core/ports.js";
import type { Applier } from "./apply.js";
import { type End, createEnd } from "./end.js";
import { type Reading, createInHand } from "./in-hand.js";
import type { Pace } from "./pace.js";
import { type Backoff, atMost, wait } from "./retry.js";

export interface PeerSnapshot {
  readonly state: PeerState;
  readonly reason: Reason | null;
  readonly lagOperations: number;
  readonly lagSeconds: number;
  readonly checkpoint: Sequence;
}

export interface Replication {
  /** Runs until aborted; never rejects for what a peer or the network does. */
  run(): Promise<void>;
  /** What keeps operations of this peer alone from being settled, null when that is over. */
  hinder(error: GatewayError | null): void;
  /** How far the peer's log has been applied here, null while that is not known. */
  checkpoint(): Checkpoint | null;
  /** Makes the checkpoint durable if it moved. KVGW_STATE_UNAVAILABLE. */
  save(): Promise<void>;
  snapshot(): PeerSnapshot;
}

export interface ReplicationDeps {
  readonly bucket: BucketName;
  readonly peer: SiteId;
  readonly link: PeerLink;
  readonly state: SiteState;
  readonly applier: Applier;
  readonly includes: KeyFilter;
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
}

/** One reader's life. */
interface Session extends Reading {
  readonly mark: StreamMark;
}

export function createReplication(deps: ReplicationDeps): Replication {
  const { peer, clock, signal, applier } = deps;
  const stateKey = `checkpoint.${deps.bucket}.${peer}`;
  const counters = peerCounters(deps.counters, peer);
  let session: Session | null = null;
  const inHand = createInHand(() => session);
  let saved: Checkpoint | null = null;
  let state: PeerState = "starting";
  let reason: Reason | null = null;
  let hindrance: Reason | null = null;
  let reading = false;
  let lastContactMs = clock.nowMs();
  // The write that came last, or the last contact before this reader while none has come.
  let newestMs = lastContactMs;

  function enter(wanted: PeerState, because: Reason | null): void {
    if (wanted === "live" && hindrance !== null) return show("degraded", hindrance);
    show(wanted, because);
  }

  function show(next: PeerState, because: Reason | null): void {
    const same = next === state && because?.code === reason?.code;
    state = next;
    reason = because;
    if (!same) deps.observe({ type: "peer-state", bucket: deps.bucket, peer, state, reason });
  }

  const checkpoint = (): Checkpoint | null =>
    session === null ? saved : { created: session.mark.created, sequence: session.progress.checkpoint() };

  /** Of the reader before this one if there was one, else of the process before this one. */
  async function lastCheckpoint(): Promise<Checkpoint | null> {
    if (session !== null) return checkpoint();
    const { value: stored } = await deps.state.load(stateKey);
    saved = isCheckpoint(stored) ? stored : null;
    return saved;
  }

  function startingPoint(checkpoint: Checkpoint | null, mark: StreamMark): Sequence {
    if (checkpoint === null) return 0;
    const why =
      checkpoint.created !== mark.created
        ? "the log was recreated"
        : checkpoint.sequence > mark.lastSequence
          ? "the log ends before our checkpoint"
          : null;
    if (why === null) return checkpoint.sequence;
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
    const own: Session = { mark, progress: createProgress(from), reader: null };
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
      while (!signal.aborted) {
        try {
          await read();
        } catch (thrown) {
          const { code, message } = toGatewayError(thrown);
          if (signal.aborted) return;
          enter("degraded", { code, message });
          await wait(clock, deps.backoff.nextMs(), signal, deps.wake);
        }
      }
    },
    hinder(error) {
      hindrance = error === null ? null : { code: error.code, message: error.message };
      if (reading) enter("live", null);
    },
    checkpoint,
    async save() {
      const next = session === null ? null : checkpoint();
      if (next === null) return;
      if (saved?.created === next.created && saved.sequence === next.sequence) return;
      if (saved === null && next.sequence === 0) return;
      await deps.state.save(stateKey, next);
      saved = next;
    },
    snapshot() {
      const lagOperations = (session?.reader?.pending() ?? 0) + inHand.operations();
      const nowMs = clock.nowMs();
      // Where nobody reads, nothing is known to be up to date: silence is never shown as zero lag.
      const behindSinceMs = reading ? (lagOperations === 0 ? nowMs : (inHand.oldestMs() ?? newestMs)) : lastContactMs;
      const lagSeconds = Math.max(0, (nowMs - behindSinceMs) / 1_000);
      return { state: signal.aborted ? "starting" : state, reason, lagOperations, lagSeconds, checkpoint: checkpoint()?.sequence ?? 0 };
    },
  };
}
