/**
 * What the pipelines need from the world, in the domain's words. Each port has a NATS adapter in `nats/`, and a
 * memory form in `test/memory/` that passes the same contract suite.
 *
 * Hot paths are synchronous callbacks: nothing is awaited per message. A callback is never called after `stop()`.
 * Failures are `GatewayError`s with the codes named at each method.
 */
import type { Digest, Prefix } from "./digest.js";
import type { GatewayError } from "./errors.js";
import type { BucketName, Key, Revision, Sequence, SiteId } from "./ids.js";
import type { Entry, EntryIdentity, LoggedOperation, Operation, OperationKind } from "./operation.js";
import type { BucketPulse } from "./pulse.js";
import type { Hello, Summary, SummaryPage } from "./question.js";
import type { Version } from "./version.js";

export interface Clock {
  /** Milliseconds since the epoch, as the site's clock has it: it may be wrong, and step either way. */
  nowMs(): number;
  /** Milliseconds since some moment: never steps, so waits and rates are measured with it. */
  elapsedMs(): number;
  /** Calls back once after `delayMs`; the returned function cancels. */
  schedule(delayMs: number, callback: () => void): () => void;
}

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}

/** One life of a stream: another `created` means another stream under the same name. */
export interface StreamMark {
  /** Nanoseconds since the epoch as text. */
  readonly created: string;
  readonly lastSequence: Sequence;
}

/** The own log, as it was found or made. */
export interface LogInfo extends StreamMark {
  readonly replicas: number;
}

export interface BucketInfo extends StreamMark {
  /** Revisions kept per key, 1 … 64. */
  readonly history: number;
  readonly replicas: number;
  /** Largest message (value and headers) that the bucket takes. */
  readonly messageBytesMax: number;
  /** Whether a single message may carry its own time to live. */
  readonly messageTtl: boolean;
  /** The bucket's own maximum age in microseconds, 0 without one. */
  readonly maxAgeUs: number;
}

/** A reader hands out messages only against credit, which the receiver gives back as it settles them. The first message
 *  comes after the promise that brings the reader has resolved. */
export interface Reader {
  /** `count` messages with `bytes` in all are settled: as many more may come. */
  release(count: number, bytes: number): void;
  /** Messages that the server still holds for this reader, as of the last message or status. */
  pending(): number;
  /** Up to where the server has looked for messages for this reader, as far as it has told: what it passed is delivered, or
   *  exists no more. */
  position(): Sequence;
  /** Everything delivered is settled, so it is the server's turn. */
  isWaiting(): boolean;
  /** Everything delivered is settled, and no more is asked for yet: others go first on a link that is to be spared. */
  isHeldBack(): boolean;
  stop(): Promise<void>;
}

export interface TailHandlers {
  /** @param bytes to be released when the entry is settled */
  onEntry(entry: Entry, bytes: number): void;
  /** Every message that existed when the tail began has been delivered. Called once. */
  onCaughtUp(): void;
  /** The tail is over: KVGW_READER_LOST, KVGW_STREAM_CHANGED. Called at most once, last. */
  onLost(error: GatewayError): void;
}

export type WriteOutcome =
  | { readonly kind: "written"; readonly revision: Revision }
  /** The key stands elsewhere; `actual` is its last revision where the server says it. */
  | { readonly kind: "refused"; readonly actual: Revision | null }
  /** No answer: it may have been written. */
  | { readonly kind: "unknown" }
  /** The bucket can never take this value, whatever is retried. */
  | { readonly kind: "too-large" }
  /** Certainly not written. */
  | { readonly kind: "failed"; readonly error: GatewayError };

export interface BucketCount {
  /** Which of its lives the bucket is in. */
  readonly created: string;
  readonly keys: number;
  readonly lastSequence: Revision;
}

/** The local bucket: the only thing that a gateway ever writes values to (I3). */
export interface BucketStore {
  /** Finds the bucket, or makes it where the config allows. KVGW_BUCKET_MISSING, KVGW_BUCKET_UNSUITABLE,
   *  KVGW_UNREACHABLE, KVGW_DENIED. */
  open(): Promise<BucketInfo>;
  /** The last entry of every key, then every entry as it comes, in revision order. KVGW_STREAM_CHANGED if it is not the bucket
   *  any more that `open` has found. */
  tail(handlers: TailHandlers): Promise<Reader>;
  /** The last entry of the key, null if the bucket has no message of it. KVGW_UNREACHABLE, KVGW_TIMEOUT. */
  read(key: Key): Promise<Entry | null>;
  /** How many keys the bucket has a message of, whatever it is, and where it ended then. KVGW_UNREACHABLE, KVGW_TIMEOUT. */
  count(): Promise<BucketCount>;
  /** Every key that the bucket has a message of; may miss one that is written meanwhile. KVGW_UNREACHABLE, KVGW_READER_LOST. */
  scan(onKey: (key: string, revision: Revision) => void): Promise<void>;
  /** Compare-and-set: writes only if the key's last revision is `expected`. The outcome may come synchronously. */
  apply(operation: Operation, expected: Revision, done: (outcome: WriteOutcome) => void): void;
  /** The same with a value as an application writes it, without a version: it will be captured as a local write. */
  write(key: Key, value: Uint8Array, expected: Revision): Promise<WriteOutcome>;
  /** Removes every message of the key up to the revision, without a trace. KVGW_UNREACHABLE, KVGW_TIMEOUT, KVGW_DENIED. */
  forget(key: Key, upTo: Revision): Promise<void>;
}

export type AppendOutcome =
  | { readonly kind: "appended"; readonly sequence: Sequence }
  /** The log, or its key, does not end where we believe: another writer, a rewind, a purge, or a lost operation before this
   *  one. */
  | { readonly kind: "mismatch" }
  | { readonly kind: "unknown" }
  /** This operation can never be stored here, whatever is retried. */
  | { readonly kind: "too-large" }
  | { readonly kind: "failed"; readonly error: GatewayError };

/** Where the log must stand for an append to be taken: both are compared by the server, at once. */
export interface ExpectedSequences {
  /** The log's last one. */
  readonly last: Sequence;
  /** The last one of the operation's key, 0 where the log has nothing of it. */
  readonly key: Sequence;
}

/** This site's own log of one bucket. One writer: every append names the sequences it must follow. */
export interface OperationLog {
  /** Finds the log, or makes it, with as many replicas as the bucket has; with fewer where the servers refuse them.
   *  KVGW_LOG_UNSUITABLE, KVGW_UNREACHABLE, KVGW_DENIED. */
  open(replicas: number): Promise<LogInfo>;
  /** Every operation kept from `from` on, without values, in order; returns where the log ended before. `inPlace` is false
   *  of one that stands where the bucket's subject was before: then its sequence says nothing to an append of its key.
   *  KVGW_STREAM_CHANGED if it is gone, KVGW_READER_LOST, KVGW_UNREACHABLE. */
  scan(from: Sequence, onOperation: (logged: LoggedOperation, inPlace: boolean) => void): Promise<StreamMark>;
  /** The operation of the key with its value, null if the log has none. KVGW_UNREACHABLE, KVGW_TIMEOUT. */
  read(key: Key): Promise<LoggedOperation | null>;
  /** Removes the operation of the key if it stands at or below the sequence. KVGW_UNREACHABLE, KVGW_TIMEOUT, KVGW_DENIED. */
  forget(key: Key, upTo: Sequence): Promise<void>;
  /** The last sequence of the key, readable or not, 0 where the log has nothing of it. KVGW_UNREACHABLE, KVGW_TIMEOUT. */
  sequenceOf(key: Key): Promise<Sequence>;
  append(
    operation: Operation,
    identity: EntryIdentity,
    expected: ExpectedSequences,
    done: (outcome: AppendOutcome) => void,
  ): void;
}

/** Something on a peer's log that cannot be read as an operation. */
export interface Unreadable {
  readonly sequence: Sequence;
  readonly key: string;
  readonly reason: SetAsideReason;
  readonly detail: string;
}

/** `bytes` is to be released when the message is settled: it counts the headers, too. */
export interface PeerHandlers {
  onOperation(logged: LoggedOperation, bytes: number): void;
  onUnreadable(unreadable: Unreadable, bytes: number): void;
  onLost(error: GatewayError): void;
}

/** A peer's log, read only: no write method exists, so the compiler keeps I3. */
export interface PeerLink {
  /** KVGW_LOG_MISSING while the peer has none yet, KVGW_UNREACHABLE, KVGW_DENIED. */
  open(): Promise<StreamMark>;
  /** Operations from `from` on, in sequence order, then as they come. */
  read(from: Sequence, windowOperations: () => number, handlers: PeerHandlers): Promise<Reader>;
  /** Which log it is, and the sequence of the last operation that it still has. KVGW_LOG_MISSING, KVGW_UNREACHABLE. */
  lastExisting(): Promise<StreamMark>;
}

/** What a site may be asked about its bucket. Who asks and who answers have the same methods; between them all fail with
 *  KVGW_UNREACHABLE, KVGW_TIMEOUT, KVGW_ANSWER_UNREADABLE. */
export interface Questions {
  hello(asker: Hello): Promise<Hello>;
  /** Of each prefix the digests of its sixteen parts. At most QUESTION_PREFIXES_MAX. */
  digests(prefixes: readonly Prefix[]): Promise<readonly (readonly Digest[])[]>;
  /** What is known of the keys below the prefix, in their order, behind `after`. */
  entries(prefix: Prefix, after: Key | null): Promise<SummaryPage>;
  /** One for each key, null where nothing is known. At most QUESTION_KEYS_MAX. */
  versions(keys: readonly Key[]): Promise<readonly (Summary | null)[]>;
  /** The newest operation of the key, null where the site cannot say right now. */
  fetch(key: Key): Promise<Operation | null>;
}

/** Lets peers ask about one bucket of this site. */
export interface PeerService {
  /** Until the returned function is called. */
  serve(answers: Questions): () => void;
}

/** The heartbeat over one connection: to the gateways of the peers that are asked there, and for those that ask. */
export interface PulseLine {
  /** One answer for each bucket, null where it does not run. Of one of the site's gateways, where that is named. At most what
   *  makes one question (see `core/pulse.ts`).
   *  KVGW_UNREACHABLE, KVGW_TIMEOUT, KVGW_ANSWER_UNREADABLE, soon. */
  ask(peer: SiteId, buckets: readonly BucketName[], gateway?: string): Promise<readonly (BucketPulse | null)[]>;
  /** Answers for this site, or as that one gateway of it, until the returned function is called. `answer` never rejects. */
  serve(answer: (buckets: readonly BucketName[]) => Promise<readonly (BucketPulse | null)[]>, gateway?: string): () => void;
  /** Calls back whenever questions can be asked again, until the returned function is called. */
  onUp(callback: () => void): () => void;
  close(): void;
}

/** What became of one question for a bucket's pulse. */
export type Beat =
  | { readonly kind: "told"; readonly askedMs: number; readonly pulse: BucketPulse | null }
  | { readonly kind: "missed"; readonly error: GatewayError };

/** A bucket's part in the heartbeat of its gateway. */
export interface Heartbeat {
  /** Hears every beat of the peer, until the returned function is called; `askedMs` is by `Clock.elapsedMs`. */
  listen(peer: SiteId, hear: (beat: Beat) => void): () => void;
  /** Tells peers that ask, until the returned function is called. */
  tell(say: () => Promise<BucketPulse>): () => void;
}

/** What the site's state has under one key. */
export interface StateRecord {
  /** Null where there is none. */
  readonly value: unknown;
  /** To be named by a save that must follow this very record; 0 where there never was one. */
  readonly revision: Revision;
}

/** Small durable facts of this site, at its own NATS. Keys are tokens joined by dots. All fail with
 *  KVGW_STATE_UNAVAILABLE. */
export interface SiteState {
  /** So many replicas from now on, if it has fewer; gives how many it has, where the servers refuse them. */
  raise(replicas: number): Promise<number>;
  load(key: string): Promise<StateRecord>;
  /** Durable when it resolves, with the revision that it has now. Where `expected` is given and the record stands elsewhere
   *  nothing is written: KVGW_STATE_CHANGED. */
  save(key: string, value: unknown, expected?: Revision): Promise<Revision>;
  /** Leaves nothing behind. */
  remove(key: string): Promise<void>;
  /** All keys below `prefix`, whole tokens only. */
  keys(prefix: string): Promise<readonly string[]>;
  /** Every record below `prefix`, whole tokens only, in one reading. */
  scan(prefix: string, onRecord: (key: string, value: unknown) => void): Promise<void>;
}

/** Lets gateways of one site find out about each other at their own NATS, without writing anything. */
export interface Presence {
  /** Answers for `name` until the returned function is called, which `onAsked` hears of each time. */
  announce(name: string, onAsked: () => void): () => void;
  /** Whether somebody answers for `name`; false where the server knows of nobody who could. KVGW_UNREACHABLE,
   *  KVGW_TIMEOUT, KVGW_DENIED where it cannot be said. */
  isHere(name: string): Promise<boolean>;
}

/** Why an operation could not be applied or logged. Metric label: closed. */
export const SET_ASIDE_REASONS = [
  "malformed",
  "invalid_key",
  "too_large",
  "foreign_origin",
  "foreign_bucket",
  "far_future",
  "ghost",
] as const;
export type SetAsideReason = (typeof SET_ASIDE_REASONS)[number];

/** An operation that stays where it is, noted in the site's state: the newest per origin and key. */
export interface SetAside {
  readonly key: string;
  readonly origin: string;
  readonly reason: SetAsideReason;
  readonly detail: string;
  readonly kind: OperationKind | null;
  readonly version: Version | null;
  /** Where it can be read again: a sequence of the origin's log, or a revision of the own bucket. */
  readonly at: { readonly created: string; readonly position: number };
}

/** What the site's state has of it. */
export interface SetAsideRecord extends SetAside {
  /** When it was noted, by the local clock; 0 where that is not known. */
  readonly sinceMs: number;
}
