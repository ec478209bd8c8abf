/** The local bucket over memory: the messages are those of the wire, and what they mean is read by the product's code. */
import { GatewayError } from "../../src/core/errors.js";
import type { Key } from "../../src/core/ids.js";
import { READ_WINDOW_MESSAGES } from "../../src/core/limits.js";
import type { Operation } from "../../src/core/operation.js";
import type { BucketInfo, BucketStore, WriteOutcome } from "../../src/core/ports.js";
import { formatVersion } from "../../src/core/version.js";
import { TTL_NEVER, toEntry } from "../../src/nats/entry.js";
import { headerLine } from "../../src/nats/message.js";
import { HEADER } from "../../src/nats/subjects.js";
import type { MemoryConnection } from "./connection.js";
import { openMemoryReader } from "./reader.js";
import type { MemoryStream, PublishAnswer, StreamMessage, StreamOptions } from "./stream.js";

export interface MemoryBucket {
  readonly connection: MemoryConnection;
  readonly stream: MemoryStream;
  /** Whether a missing bucket is made. */
  readonly create: boolean;
  /** The clock of the process: what is left of a deadline is reckoned with it. */
  readonly nowMs: () => number;
}

export function createMemoryBucketStore({ connection, stream, create, nowMs }: MemoryBucket): BucketStore {
  const { history, messageBytesMax, messageTtl, maxAgeMs } = stream.options;

  let created = "";

  function open(): BucketInfo {
    if (!stream.exists() && !create) throw new GatewayError("KVGW_BUCKET_MISSING", "the bucket does not exist; create it");
    stream.create();
    created = stream.mark().created;
    return { ...stream.mark(), history, replicas: 1, messageBytesMax, messageTtl, maxAgeUs: maxAgeMs * 1_000 };
  }

  const asEntry = ({ subject, payload, sequence, timestampNs, block }: StreamMessage) =>
    toEntry(
      { key: subject, value: payload, revision: sequence, timestampNs, block },
      { maxAgeUs: maxAgeMs * 1_000, messageTtl, clockOffsetUs: 0 },
    );

  function publish(key: Key, value: Uint8Array, block: string, done: (outcome: WriteOutcome) => void): void {
    const write = () => stream.publish(key, value, block);
    connection.publish({ to: "bucket", key }, write, (answer) => done(toOutcome(answer)));
  }

  return {
    open: () => connection.request(open),
    async tail(handlers) {
      const source = { stream, connection, windowMessages: () => READ_WINDOW_MESSAGES, from: "last per subject" as const };
      const reader = await connection.request(() => {
        if (created !== "" && stream.mark().created !== created) {
          throw new GatewayError("KVGW_STREAM_CHANGED", "the bucket was deleted or made anew; starting afresh");
        }
        return openMemoryReader(mustExist(source, stream), {
          onMessage: (message, bytes) => handlers.onEntry(asEntry(message), bytes),
          onCaughtUp: () => handlers.onCaughtUp(),
          onLost: (error) => handlers.onLost(error),
        });
      });
      reader.start();
      return reader;
    },
    read: (key) =>
      connection.request(() => {
        const last = mustExist(stream, stream).last(key);
        return last === undefined ? null : asEntry(last);
      }),
    count: () =>
      connection.request(() => {
        const { created, lastSequence } = mustExist(stream, stream).mark();
        return { created, keys: stream.lastOfEach().length, lastSequence };
      }),
    scan: async (onKey) => {
      const lasts = await connection.request(() => mustExist(stream, stream).lastOfEach().flatMap((each) => stream.next(each) ?? []));
      for (const { subject, sequence } of lasts) onKey(subject, sequence);
    },
    forget: (key, upTo) => connection.request(() => mustExist(stream, stream).purge(key, upTo, "forgotten")),
    apply(operation, expected, done) {
      const { key, value } = operation;
      const block = applyBlock(operation, expected, stream.options, nowMs());
      publish(key, value, block, done);
    },
    write: (key, value, expected) =>
      new Promise((resolve) => publish(key, value, blockOf(headerLine(HEADER.expectedSubjectSequence, expected)), resolve)),
  };
}

function mustExist<T>(source: T, stream: MemoryStream): T {
  if (stream.exists()) return source;
  throw new GatewayError("KVGW_UNREACHABLE", "there is no such stream; retried");
}

function applyBlock(operation: Operation, expected: number, options: StreamOptions, nowMs: number): string {
  const { kind, version, expiresUs } = operation;
  const { messageTtl, maxAgeMs, history } = options;
  let lines = headerLine(HEADER.version, formatVersion(version)) + headerLine(HEADER.expectedSubjectSequence, expected);
  if (kind === "delete") lines += headerLine(HEADER.kvOperation, "DEL");
  if (kind === "purge") lines += headerLine(HEADER.kvOperation, "PURGE") + headerLine(HEADER.rollup, "sub");
  if (kind === "put" && expiresUs === null && messageTtl && maxAgeMs > 0) lines += headerLine(HEADER.ttl, TTL_NEVER);
  if (kind === "put" && expiresUs !== null) {
    lines += headerLine(HEADER.expires, expiresUs);
    if (messageTtl) lines += headerLine(HEADER.ttl, `${Math.max(1, Math.ceil(expiresUs / 1e6 - nowMs / 1e3))}s`);
    if (messageTtl && history > 1) lines += headerLine(HEADER.rollup, "sub");
  }
  return blockOf(lines);
}

const blockOf = (lines: string): string => `NATS/1.0\r\n${lines}\r\n`;

function toOutcome(answer: PublishAnswer | GatewayError | "unknown"): WriteOutcome {
  if (answer === "unknown") return { kind: "unknown" };
  if (answer instanceof GatewayError) return { kind: "failed", error: answer };
  switch (answer.kind) {
    case "stored":
      return { kind: "written", revision: answer.sequence };
    case "wrong last sequence":
      return { kind: "refused", actual: answer.actual };
    case "too large":
      return { kind: "too-large" };
    case "full":
      return { kind: "failed", error: new GatewayError("KVGW_BUCKET_FULL", "the stream is full; make room: retried") };
    case "no stream":
      return { kind: "failed", error: new GatewayError("KVGW_UNREACHABLE", "no stream answers; retried") };
  }
}
