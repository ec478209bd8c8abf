/**
 * One peer: reads its operation log from our checkpoint and hands every operation to apply. The checkpoint advances only
 * when everything below it has settled (I6); what was on its way when a reader broke is read again and decided again,
 * which changes nothing (I2).
 *
 * A peer that cannot be reached never disturbs the bucket or another peer: this loop alone waits and tries again.
 */
import type { BucketCounters } from "../core/counters.js";
import { peerCounters } from "../core/counters.js";
import { type Checkpoint, type Progress, createProgress, isCheckpoint } from "../core/checkpoint.js";
import { toGatewayError } from "../core/errors.js";
import type { Observe, PeerState, Reason } from "../core/events.js";
import type { BucketName, Sequence, SiteId } from "../core/ids.js";
import type { KeyFilter } from "../core/key-filter.js";
import type { LoggedOperation } from "../core/operation.js";
import type { Clock, PeerLink, Reader, SetAside, SetAsideReason, SiteState, StreamMark, Unreadable } from "../core/ports.js";
import type { Applier } from "./apply.js";
import { createEnd } from "./end.js";
import type { Pace } from "./pace.js";
import { type Backoff, wait } from "./retry.js";

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
  /** Durable, then `then`; a failure ends the run. */
  readonly setAside: (setAside: SetAside, then: () => void) => void;
  /** Ends a wait early when the peer can be reached again. */
  readonly wake: (callback: () => void) => () => void;
}

/** An operation that has been handed on and has not come to its end. */
interface Hand {
  done: () => void;
}

/** All of them, of one life of the peer's log. Bounded by the window, since a new reader begins at the checkpoint. */
interface InHand {
  readonly created: string;
  readonly bySequence: Map<Sequence, Hand>;
}

/** One reader's life. */
interface Session {
  readonly mark: StreamMark;
  readonly progress: Progress;
  /** Null until it has been opened; no operation comes before that. */
  reader: Reader | null;
}

export function createReplication(deps: ReplicationDeps): Replication {
  const { peer, clock, signal, applier } = deps;
  const stateKey = `checkpoint.${deps.bucket}.${peer}`;
  const counters = peerCounters(deps.counters, peer);
  let session: Session | null = null;
  let inHand: InHand = { created: "", bySequence: new Map() };
  let saved: Checkpoint | null = null;
  let state: PeerState = "starting";
  let reason: Reason | null = null;
  let newestMs = 0;
  let lastContactMs = clock.nowMs();

  function enter(next: PeerState, because: Reason | null): void {
    const same = next === state && because?.code === reason?.code;
    state = next;
    reason = because;
    if (!same) deps.observe({ type: "peer-state", bucket: deps.bucket, peer, state, reason });
  }

  /** Of the reader before this one if there was one, else of the process before this one. */
  async function lastCheckpoint(): Promise<Checkpoint | null> {
    if (session !== null) return { created: session.mark.created, sequence: session.progress.checkpoint() };
    const stored = await deps.state.load(stateKey);
    saved = isCheckpoint(stored) ? stored : null;
    return saved;
  }

  async function startingPoint(mark: StreamMark): Promise<Sequence> {
    const checkpoint = await lastCheckpoint();
    if (checkpoint === null) return 0;
    const why =
      checkpoint.created !== mark.created
        ? "the log was recreated"
        : checkpoint.sequence > mark.lastSequence
          ? "the log ends before our checkpoint"
          : null;
    if (why === null) return checkpoint.sequence;
    // Everything is read again; what is known already is a duplicate, but the same sequence may be another operation.
    inHand = { created: mark.created, bySequence: new Map() };
    deps.observe({ type: "checkpoint-reset", bucket: deps.bucket, peer, why });
    return 0;
  }

  function settleIn(own: Session, sequence: Sequence, bytes: number): () => void {
    const slot = own.progress.begin(sequence);
    return () => {
      own.progress.settle(slot);
      own.reader?.release(1, bytes);
    };
  }

  /** Whether an operation that comes again is still in hand from a reader before: then only who hears of its end changes.
   *  Else a link that comes and goes would queue it once more each time. */
  function takeInHand(own: Session, sequence: Sequence, bytes: number): Hand | null {
    const done = settleIn(own, sequence, bytes);
    const before = inHand.bySequence.get(sequence);
    if (before !== undefined) {
      before.done = done;
      return null;
    }
    const hand: Hand = { done };
    inHand.bySequence.set(sequence, hand);
    return hand;
  }

  const finish = (life: InHand, sequence: Sequence, hand: Hand) => {
    life.bySequence.delete(sequence);
    hand.done();
  };

  function onOperation(own: Session, logged: LoggedOperation, bytes: number): void {
    const { operation, sequence } = logged;
    const hand = takeInHand(own, sequence, bytes);
    if (hand === null) return;
    const life = inHand;
    const done = () => finish(life, sequence, hand);
    newestMs = operation.version.ts / 1_000;
    lastContactMs = clock.nowMs();
    if (!deps.includes(operation.key)) {
      counters.ignored.filtered++;
      return done();
    }
    const { key, kind, version } = operation;
    const refuse = (refusal: SetAsideReason, detail: string) => {
      counters.setAside[refusal]++;
      const at = { created: own.mark.created, position: sequence };
      deps.setAside({ key, origin: peer, reason: refusal, detail, kind, version, at }, done);
    };
    deps.pace.next(() => applier.submit(operation, peer, { done, refuse }));
  }

  function onUnreadable(own: Session, unreadable: Unreadable, bytes: number): void {
    const hand = takeInHand(own, unreadable.sequence, bytes);
    if (hand === null) return;
    const life = inHand;
    const done = () => finish(life, unreadable.sequence, hand);
    const { key, reason: refusal, detail, sequence } = unreadable;
    counters.setAside[refusal]++;
    const at = { created: own.mark.created, position: sequence };
    deps.setAside({ key, origin: peer, reason: refusal, detail, kind: null, version: null, at }, done);
  }

  /** Reads until the reader is lost or the run ends; rejects with why it was lost. */
  async function read(): Promise<void> {
    const mark = await deps.link.open();
    const from = await startingPoint(mark);
    if (inHand.created !== mark.created) inHand = { created: mark.created, bySequence: new Map() };
    const own: Session = { mark, progress: createProgress(from), reader: null };
    session = own;
    const end = createEnd(signal);
    own.reader = await deps.link.read(from + 1, deps.windowOperations, {
      onOperation: (logged, bytes) => onOperation(own, logged, bytes),
      onUnreadable: (unreadable, bytes) => onUnreadable(own, unreadable, bytes),
      onLost: end.fail,
    });
    deps.backoff.reset();
    lastContactMs = clock.nowMs();
    enter("live", null);
    await end.reached.finally(() => {
      lastContactMs = clock.nowMs();
      return own.reader?.stop();
    });
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
    async save() {
      if (session === null) return;
      const next: Checkpoint = { created: session.mark.created, sequence: session.progress.checkpoint() };
      if (saved?.created === next.created && saved.sequence === next.sequence) return;
      if (saved === null && next.sequence === 0) return;
      await deps.state.save(stateKey, next);
      saved = next;
    },
    snapshot() {
      const checkpoint = session?.progress.checkpoint() ?? saved?.sequence ?? 0;
      const lagOperations = (session?.reader?.pending() ?? 0) + (session?.progress.outstanding() ?? 0);
      const nowMs = clock.nowMs();
      // Where nobody reads, nothing is known to be up to date: silence is never shown as zero lag.
      const current = state === "live" && !signal.aborted;
      const behindSinceMs = current ? (lagOperations === 0 ? nowMs : newestMs) : lastContactMs;
      const lagSeconds = Math.max(0, (nowMs - behindSinceMs) / 1_000);
      return { state: signal.aborted ? "starting" : state, reason, lagOperations, lagSeconds, checkpoint };
    },
  };
}
