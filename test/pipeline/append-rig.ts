/** One appender over a memory log under virtual time, with another gateway of its site beside it. */
import { GatewayError } from "../../src/core/errors.js";
import type { GatewayEvent } from "../../src/core/events.js";
import type { EntryIdentity, Operation } from "../../src/core/operation.js";
import type { OperationLog } from "../../src/core/ports.js";
import { createReplica } from "../../src/core/replica.js";
import { createAppender } from "../../src/pipeline/append.js";
import type { CausalityGuard } from "../../src/pipeline/causality.js";
import { createBackoff } from "../../src/pipeline/retry.js";
import { operationAt } from "../core/arbitraries.js";
import { bucketNamed, keyNamed, siteNamed } from "../core/names.js";
import { type WriteFate, createMemoryConnection } from "../memory/connection.js";
import { createMemoryOperationLog, readStored } from "../memory/operation-log.js";
import { createSeededRandom } from "../memory/seeded-random.js";
import { type StreamMessage, createMemoryStream } from "../memory/stream.js";
import { createVirtualClock } from "../memory/virtual-clock.js";

export const SITE = siteNamed("a");
const BUCKET = bucketNamed("config");
export const FULL = new GatewayError("KVGW_LOG_FULL", "the log is full");
const NOWHERE = { last: 99_999, key: 99_999 };
const CREATED = "1700000000000000000";

export const identityAt = (revision: number): EntryIdentity => ({ bucketCreated: CREATED, revision, timestampNs: `${revision}` });
/** The write of `key` at a revision; its version rises with it. */
export const writeOf = (key: string, revision: number, more: Partial<Operation> = {}): Operation =>
  operationAt(1_000 + revision, SITE, { key: keyNamed(key), ...more });

interface Told {
  readonly events: GatewayEvent[];
  /** Codes, null for an end of trouble. */
  readonly trouble: (string | null)[];
  readonly fatal: string[];
  readonly setAside: string[];
  readonly done: string[];
  /** Every append as it was sent: `key@revision after the log's end, the key's place`. */
  readonly sent: string[];
  /** All that the log ever took, in order. */
  readonly ever: string[];
}

export function createAppendRig() {
  const clock = createVirtualClock();
  const connection = createMemoryConnection(clock);
  const stream = createMemoryStream(clock);
  stream.create();
  const place = { connection, stream, site: SITE, bucket: BUCKET, format: "raw" as const };
  const replica = createReplica(SITE, { bucketCreated: CREATED });
  const ended = new AbortController();
  const told: Told = { events: [], trouble: [], fatal: [], setAside: [], done: [], sent: [], ever: [] };
  const setAside = { fails: false };
  const server = { refusesAll: false };
  /** Remembers at once. */
  const causality: Pick<CausalityGuard, "cover"> = { cover: () => true };
  const memory = createMemoryOperationLog(place);
  const log: OperationLog = {
    ...memory,
    append(operation, identity, expected, done) {
      told.sent.push(`${operation.key}@${identity.revision} after ${expected.last}, ${expected.key}`);
      memory.append(operation, identity, server.refusesAll ? NOWHERE : expected, done);
    },
  };
  const appender = createAppender(
    {
      ...{ bucket: BUCKET, log, replica, clock, backoff: createBackoff(createSeededRandom(1)) },
      counters: { captured: 0 },
      causality: { cover: (operation, then) => causality.cover(operation, then) },
      signal: ended.signal,
      observe: (event) => void told.events.push(event),
      setAside: ({ key }) => {
        if (setAside.fails) return Promise.reject(new GatewayError("KVGW_STATE_UNAVAILABLE", "no"));
        told.setAside.push(key);
        return Promise.resolve();
      },
      onTrouble: (error) => void told.trouble.push(error?.code ?? null),
      onFatal: (error) => void told.fatal.push(error.code),
    },
    { mark: stream.mark(), sequenceByKey: new Map() },
  );
  const append = (key: string, revision: number, more: Partial<Operation> = {}) =>
    appender.append(writeOf(key, revision, more), identityAt(revision), () => void told.done.push(`${key}@${revision}`));
  const nameOf = (message: StreamMessage) => {
    const read = readStored(message, place, false);
    return read.ok ? `${read.value.operation.key}@${read.value.identity?.revision}` : "unreadable";
  };
  const logged = () => [...stream.messages()].map(nameOf);
  let seen = 0;
  const onChange = () => {
    for (const message of stream.messages()) {
      if (message.sequence <= seen) continue;
      seen = message.sequence;
      told.ever.push(nameOf(message));
    }
  };
  stream.watch({ onChange, onGone: () => undefined });
  /** Another gateway of the site, with the log's end before its eyes. */
  const other = createMemoryOperationLog({ ...place, connection: createMemoryConnection(clock) });
  const standing = (key: string) => ({ last: stream.mark().lastSequence, key: stream.last(key)?.sequence ?? 0 });
  const otherAppends = async (key: string, revision: number, more: Partial<Operation> = {}) => {
    other.append(writeOf(key, revision, more), identityAt(revision), standing(key), () => undefined);
    await clock.advance(1);
  };
  return {
    ...{ clock, connection, stream, replica, appender, ended, told, setAside, server, causality, append, logged, otherAppends },
    faults: connection.faults,
  };
}

/** The fates of the appends in the order of sending; then all arrive. */
export const fates = (...list: readonly WriteFate[]) => {
  const left = [...list];
  return () => left.shift() ?? "arrives";
};
