/**
 * A bucket of any site, read by somebody who only looks: `verify`. It writes nothing but the consumer that reading
 * needs, whose name no other reading shares and which is removed at the end.
 */
import type { JetStreamManager, StoredMsg } from "@nats-io/jetstream";
import { GatewayError } from "../core/errors.js";
import type { BucketName } from "../core/ids.js";
import { READ_WINDOW_MESSAGES, VERIFY_READ_ATTEMPTS } from "../core/limits.js";
import type { Entry } from "../core/operation.js";
import type { Clock } from "../core/ports.js";
import type { Lease } from "./connections.js";
import { type EntryContext, toEntry } from "./entry.js";
import { API_ERROR, isApiError, toFailure } from "./failure.js";
import { headerLine, isoToNanos } from "./message.js";
import { scanStream } from "./scan.js";
import { findStream, lastExisting, lastMessage, streamManager } from "./streams.js";
import { bucketPrefix, bucketStream, everythingBelow, verifyConsumers } from "./subjects.js";

export interface BucketPlace {
  readonly lease: Lease;
  /** The JetStream domain behind the lease, null for the server's own. */
  readonly domain: string | null;
  readonly clock: Clock;
  /** Letters and digits that nobody else uses in a consumer's name. */
  readonly newToken: () => string;
}

/** One life of a bucket: another `created` means another bucket under the same name. */
export interface BucketLife {
  /** Nanoseconds since the epoch as text. */
  readonly created: string;
  /** Keys with a message, deleted ones among them. */
  readonly keys: number;
}

/** Failures: KVGW_UNREACHABLE, KVGW_TIMEOUT, KVGW_DENIED. */
export interface BucketReader {
  /** Looked up anew with every call; null if there is no such bucket. */
  life(): Promise<BucketLife | null>;
  /** The last entry of every key, once; a key that is written meanwhile may come again. */
  scan(onEntry: (entry: Entry) => void): Promise<void>;
  /** What the key holds now, null if there is no message of it, or no bucket. */
  read(key: string): Promise<Entry | null>;
}

/** @param where names bucket and site in failures */
export function createBucketReader(place: BucketPlace, bucket: BucketName, where: string): BucketReader {
  const stream = bucketStream(bucket);
  const prefix = bucketPrefix(bucket);
  let context: EntryContext = { maxAgeUs: 0, messageTtl: false, clockOffsetUs: 0 };

  const attempt = <T>(work: (api: JetStreamManager) => Promise<T>, attempts?: number) => attemptReading(place, where, work, attempts);

  return {
    life: () =>
      attempt(async (api) => {
        const info = await findStream(api, stream);
        if (info === null) return null;
        const { max_age: maxAgeNs, allow_msg_ttl: messageTtl = false } = info.config;
        context = { maxAgeUs: maxAgeNs / 1_000, messageTtl, clockOffsetUs: 0 };
        return { created: isoToNanos(info.created), keys: info.state.num_subjects ?? info.state.messages };
      }),

    scan: (onEntry) =>
      attempt(() => {
        const subject = everythingBelow(prefix);
        const consumer = { consumerPrefix: verifyConsumers(place.newToken()), epoch: 1 };
        const source = { ...place, ...consumer, stream, windowMessages: () => READ_WINDOW_MESSAGES, from: { lastPerSubject: subject } };
        const findLast = () => lastExisting(place, stream, subject);
        return scanStream(source, findLast, (message, block, { streamSequence, timestampNs }) => {
          const key = message.subject.slice(prefix.length);
          onEntry(toEntry({ key, value: message.data, revision: streamSequence, timestampNs, block }, context));
        });
      }),

    read: (key) =>
      attempt(async () => {
        const stored = await lastMessage(place, stream, prefix + key).catch(nullIfNoStream);
        if (stored === null) return null;
        const { data: value, seq: revision, timestamp } = stored;
        return toEntry({ key, value, revision, timestampNs: isoToNanos(timestamp), block: blockOf(stored) }, context);
      }, VERIFY_READ_ATTEMPTS),
  };
}

/** Any failure becomes one that says where.
 *  @param attempts how often to ask while no answer comes; only for work that may be done twice */
export async function attemptReading<T>(
  place: BucketPlace,
  where: string,
  work: (api: JetStreamManager) => Promise<T>,
  attempts = 1,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(await streamManager(place.lease, place.domain));
    } catch (thrown) {
      const error = toFailure(thrown, where);
      if (error.code === "KVGW_TIMEOUT" && attempt < attempts) continue;
      if (error.code !== "KVGW_READER_LOST") throw error;
      throw new GatewayError("KVGW_UNREACHABLE", `${where}: reading broke off (${error.message})`, error);
    }
  }
}

export function nullIfNoStream(thrown: unknown): null {
  if (isApiError(thrown, API_ERROR.streamNotFound)) return null;
  throw thrown;
}

/** The headers of a message that came as an answer, in the form in which a delivered one has them. */
function blockOf({ header }: StoredMsg): string {
  const lines = [...header].map(([name, [value = ""]]) => headerLine(name, value));
  return lines.length === 0 ? "" : `NATS/1.0\r\n${lines.join("")}\r\n`;
}
