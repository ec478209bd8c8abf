/**
 * A JetStream stream as the gateway meets it: sequences over the whole stream, so many messages kept per subject,
 * conditions and orders in headers, expiry with or without markers. What disappears leaves a hole and no event, as it
 * does there. The object stands for the name: the stream under it may be missing, deleted, made anew, or put back to an
 * older copy.
 */
import type { Sequence } from "../../src/core/ids.js";
import type { Clock, StreamMark } from "../../src/core/ports.js";
import { TTL_NEVER, parseTtl } from "../../src/nats/entry.js";
import { headerLine, headerValue } from "../../src/nats/message.js";
import { HEADER } from "../../src/nats/subjects.js";

export interface StreamMessage {
  readonly sequence: Sequence;
  readonly subject: string;
  readonly payload: Uint8Array;
  /** Header block as text, empty without headers. */
  readonly block: string;
  readonly timestampNs: string;
  readonly deadlineMs: number | null;
}

export interface StreamOptions {
  /** Messages kept per subject. */
  readonly history: number;
  readonly messageBytesMax: number;
  /** 0 for ever. */
  readonly maxAgeMs: number;
  /** Whether one message may carry its own time to live, and whether an expiry leaves a marker. */
  readonly messageTtl: boolean;
  readonly markers: boolean;
}

export type PublishAnswer =
  | { readonly kind: "stored"; readonly sequence: Sequence }
  | { readonly kind: "wrong last sequence"; readonly actual: Sequence }
  | { readonly kind: "too large" }
  | { readonly kind: "full" }
  | { readonly kind: "no stream" };

/** At its deadline; by somebody; by a gateway that has no use for it any more. */
export type Removal = "expired" | "purged" | "forgotten";

/** Sees what is stored, and what disappears other than by making room for its successor. */
export interface StreamObserver {
  onStored(message: StreamMessage, created: string): void;
  onRemoved(message: StreamMessage, why: Removal): void;
}

export interface StreamWatcher {
  /** Something was stored or has gone. */
  onChange(): void;
  /** The stream or its consumers are gone. */
  onGone(): void;
}

export interface MemoryStream {
  readonly options: StreamOptions;
  exists(): boolean;
  mark(): StreamMark;
  publish(subject: string, payload: Uint8Array, block: string): PublishAnswer;
  /** The first message at or after `from`. */
  next(from: Sequence): StreamMessage | undefined;
  /** Every message that is kept, in order. */
  messages(): Iterable<StreamMessage>;
  last(subject: string): StreamMessage | undefined;
  lastOfEach(): Sequence[];
  /** Removes a subject's messages, up to and with `upTo`, without a trace. */
  purge(subject: string, upTo?: Sequence, why?: Removal): void;
  remove(sequence: Sequence): void;
  watch(watcher: StreamWatcher): () => void;
  /** A stream that exists is left as it is. */
  create(): void;
  destroy(): void;
  /** Takes a copy of the store; the returned function puts it back, as an operator does with a backup. */
  copy(): () => void;
  /** While it is full a stream takes no new subjects; what makes room, or takes none, it takes. */
  full: boolean;
  /** The server forgets its consumers, as after a restart. */
  dropConsumers(): void;
}

export const STREAM_DEFAULTS: StreamOptions = {
  history: 1,
  messageBytesMax: 1_048_576,
  maxAgeMs: 0,
  messageTtl: false,
  markers: false,
};

interface Store {
  readonly created: string;
  lastSequence: Sequence;
  readonly bySequence: Map<Sequence, StreamMessage>;
  readonly bySubject: Map<string, readonly Sequence[]>;
}

/** @param clock of the server: it stamps what is stored */
export function createMemoryStream(
  clock: Clock,
  changes: Partial<StreamOptions> = {},
  observer: StreamObserver | null = null,
): MemoryStream {
  const options = { ...STREAM_DEFAULTS, ...changes };
  const watchers = new Set<StreamWatcher>();
  let store: Store | null = null;
  let lives = 0;
  let [lastMs, storedInMs] = [-1, 0];

  const changed = () => {
    for (const watcher of [...watchers]) watcher.onChange();
  };
  const gone = () => {
    for (const watcher of [...watchers]) watcher.onGone();
  };

  /** Servers count nanoseconds: no two messages of one stream are of the same microsecond. */
  function stamp(nowMs: number): string {
    storedInMs = nowMs === lastMs ? storedInMs + 1 : 0;
    lastMs = nowMs;
    return nanoseconds(nowMs, Math.min(storedInMs, 999) * 1_000);
  }

  function put(own: Store, subject: string, payload: Uint8Array, block: string): Sequence {
    const sequence = ++own.lastSequence;
    if (headerValue(block, HEADER.rollup) === "sub") drop(own, own.bySubject.get(subject) ?? []);
    const timestampNs = stamp(clock.nowMs());
    const message = { sequence, subject, payload, block, timestampNs, deadlineMs: deadline(options, block, clock.nowMs()) };
    own.bySequence.set(sequence, message);
    const kept = [...(own.bySubject.get(subject) ?? []), sequence];
    own.bySubject.set(subject, kept);
    drop(own, kept.slice(0, -options.history));
    arm(message);
    observer?.onStored(message, own.created);
    return sequence;
  }

  function drop(own: Store, sequences: readonly Sequence[]): void {
    for (const sequence of sequences) {
      const message = own.bySequence.get(sequence);
      if (message === undefined) continue;
      own.bySequence.delete(sequence);
      const left = (own.bySubject.get(message.subject) ?? []).filter((other) => other !== sequence);
      if (left.length > 0) own.bySubject.set(message.subject, left);
      else own.bySubject.delete(message.subject);
    }
  }

  function arm(message: StreamMessage): void {
    if (message.deadlineMs === null) return;
    clock.schedule(message.deadlineMs - clock.nowMs(), () => {
      if (store?.bySequence.get(message.sequence) === message) expire(store, message);
    });
  }

  function expire(own: Store, message: StreamMessage): void {
    const { sequence, subject } = message;
    drop(own, [sequence]);
    observer?.onRemoved(message, "expired");
    // With history, an older message comes back to light instead.
    if (options.markers && !own.bySubject.has(subject)) put(own, subject, new Uint8Array(0), EXPIRED_BLOCK);
    changed();
  }

  function refusal(own: Store, subject: string, payload: Uint8Array, block: string): PublishAnswer | null {
    if (payload.length + block.length > options.messageBytesMax) return { kind: "too large" };
    if (stream.full && !own.bySubject.has(subject)) return { kind: "full" };
    const lastOfSubject = own.bySubject.get(subject)?.at(-1) ?? 0;
    const checks: readonly (readonly [string, Sequence])[] = [
      [HEADER.expectedSequence, own.lastSequence],
      [HEADER.expectedSubjectSequence, lastOfSubject],
    ];
    for (const [name, actual] of checks) {
      const expected = headerValue(block, name);
      if (expected !== null && Number(expected) !== actual) return { kind: "wrong last sequence", actual };
    }
    return null;
  }

  /** An operator's or a client's doing: no event tells of it. */
  function take(own: Store, sequences: readonly Sequence[], why: Removal): void {
    const messages = sequences.flatMap((sequence) => own.bySequence.get(sequence) ?? []);
    drop(own, sequences);
    for (const message of messages) observer?.onRemoved(message, why);
  }

  const stream: MemoryStream = {
    options,
    full: false,
    exists: () => store !== null,
    mark: () => ({ created: store?.created ?? "", lastSequence: store?.lastSequence ?? 0 }),
    publish(subject, payload, block) {
      if (store === null) return { kind: "no stream" };
      const refused = refusal(store, subject, payload, block);
      if (refused !== null) return refused;
      const sequence = put(store, subject, payload.slice(), block);
      changed();
      return { kind: "stored", sequence };
    },
    next(from) {
      if (store === null) return undefined;
      let sequence = from;
      while (sequence <= store.lastSequence && !store.bySequence.has(sequence)) sequence++;
      return store.bySequence.get(sequence);
    },
    messages: () => [...(store?.bySequence.values() ?? [])],
    last: (subject) => store?.bySequence.get(store.bySubject.get(subject)?.at(-1) ?? 0),
    lastOfEach: () => [...(store?.bySubject.values() ?? [])].map((sequences) => sequences.at(-1) ?? 0),
    purge(subject, upTo = Infinity, why = "purged") {
      if (store !== null)
        take(
          store,
          (store.bySubject.get(subject) ?? []).filter((sequence) => sequence <= upTo),
          why,
        );
      changed();
    },
    remove(sequence) {
      if (store !== null) take(store, [sequence], "purged");
      changed();
    },
    watch(watcher) {
      watchers.add(watcher);
      return () => void watchers.delete(watcher);
    },
    create() {
      // No two lives of a stream begin in one nanosecond.
      store ??= {
        created: nanoseconds(clock.nowMs(), ++lives),
        lastSequence: 0,
        bySequence: new Map(),
        bySubject: new Map(),
      };
    },
    destroy() {
      store = null;
      gone();
    },
    copy() {
      const kept = store === null ? null : copyOf(store);
      return () => {
        store = kept === null ? null : copyOf(kept);
        store?.bySequence.forEach(arm);
        gone();
      };
    },
    dropConsumers: gone,
  };
  return stream;
}

const copyOf = ({ created, lastSequence, bySequence, bySubject }: Store): Store => ({
  created,
  lastSequence,
  bySequence: new Map(bySequence),
  bySubject: new Map(bySubject),
});

const nanoseconds = (ms: number, part = 0): string => `${ms}${String(part).padStart(6, "0")}`;

const EXPIRED_BLOCK = `NATS/1.0\r\n${headerLine(HEADER.markerReason, "MaxAge")}\r\n`;

function deadline({ messageTtl, maxAgeMs }: StreamOptions, block: string, nowMs: number): number | null {
  const ttl = messageTtl ? headerValue(block, HEADER.ttl) : null;
  if (ttl === TTL_NEVER) return null;
  const ageMs = Math.min((parseTtl(ttl ?? "") ?? Infinity) / 1_000, maxAgeMs > 0 ? maxAgeMs : Infinity);
  return ageMs === Infinity ? null : nowMs + ageMs;
}
