/**
 * A bucket of any site, read by somebody who only looks: `verify`. It writes nothing but the consumer that reading
 * needs, whose name no other reading shares and which is removed at the end.
 */
import type { JetStreamManager, StoredMsg } from "@nats-io/jetstream";
import type { Msg } from "@nats-io/transport-node";
import { GatewayError } from "../core/errors.js";
import type { BucketName } from "../core/ids.js";
import { READ_WINDOW_MESSAGES } from "../core/limits.js";
import type { Entry } from "../core/operation.js";
import type { Clock } from "../core/ports.js";
import type { Lease } from "./connections.js";
import { type EntryContext, toEntry } from "./entry.js";
import { toFailure } from "./failure.js";
import { type Delivery, headerLine, isoToNanos } from "./message.js";
import { openPullReader } from "./pull-reader.js";
import { findStream, lastExisting, streamManager } from "./streams.js";
import { bucketPrefix, bucketStream, everythingBelow, verifyConsumers } from "./subjects.js";

export interface BucketPlace {
  readonly lease: Lease;
  /** The JetStream domain behind the lease, null for the server's own. */
  readonly domain: string | null;
  readonly clock: Clock;
  /** Letters and digits that nobody else uses in a consumer's name. */
  readonly newToken: () => string;
}

/** Failures: KVGW_UNREACHABLE, KVGW_TIMEOUT, KVGW_DENIED. */
export interface BucketReader {
  /** Looked up anew with every call. */
  exists(): Promise<boolean>;
  /** The last entry of every key, once; a key that is written meanwhile may come again. */
  scan(onEntry: (entry: Entry) => void): Promise<void>;
  /** What the key holds now, null if its stream has no message of it. */
  read(key: string): Promise<Entry | null>;
}

/** @param where names bucket and site in failures */
export function createBucketReader(place: BucketPlace, bucket: BucketName, where: string): BucketReader {
  const stream = bucketStream(bucket);
  const prefix = bucketPrefix(bucket);
  let context: EntryContext = { maxAgeUs: 0, clockOffsetUs: 0 };

  async function attempt<T>(work: (api: JetStreamManager) => Promise<T>): Promise<T> {
    try {
      return await work(await streamManager(place.lease, place.domain));
    } catch (thrown) {
      const error = toFailure(thrown, where);
      if (error.code !== "KVGW_READER_LOST") throw error;
      throw new GatewayError("KVGW_UNREACHABLE", `${where}: reading broke off (${error.message})`, error);
    }
  }

  return {
    exists: () =>
      attempt(async (api) => {
        const info = await findStream(api, stream);
        context = { maxAgeUs: (info?.config.max_age ?? 0) / 1_000, clockOffsetUs: 0 };
        return info !== null;
      }),

    scan: (onEntry) =>
      attempt((api) =>
        scanLast(place, api, stream, everythingBelow(prefix), (message, block, { streamSequence, timestampNs }) => {
          const key = message.subject.slice(prefix.length);
          onEntry(toEntry({ key, value: message.data, revision: streamSequence, timestampNs, block }, context));
        }),
      ),

    read: (key) =>
      attempt(async (api) => {
        // The keeper of the stream answers, not a replica that may lag behind.
        const stored = await api.streams.getMessage(stream, { last_by_subj: prefix + key });
        if (stored === null) return null;
        const { data: value, seq: revision, timestamp } = stored;
        return toEntry({ key, value, revision, timestampNs: isoToNanos(timestamp), block: blockOf(stored) }, context);
      }),
  };
}

type OnMessage = (message: Msg, block: string, delivery: Delivery) => void;

/** Over when the last message that existed at the beginning has passed. It may be removed before it comes: so when the
 *  server has nothing to send, what the last one is is asked again. */
async function scanLast(place: BucketPlace, api: JetStreamManager, stream: string, subject: string, onMessage: OnMessage): Promise<void> {
  let target = await lastExisting(api, stream, subject);
  if (target === 0) return;
  let settle: { resolve: () => void; reject: (reason: unknown) => void } | null = null;
  let position = 0;
  const check = () => void (position >= target && settle?.resolve());
  const findTarget = async () => {
    target = await lastExisting(api, stream, subject);
    check();
  };
  const reader = await openPullReader(
    {
      ...place,
      stream,
      consumerPrefix: verifyConsumers(place.newToken()),
      epoch: 1,
      windowMessages: () => READ_WINDOW_MESSAGES,
      from: { lastPerSubject: subject },
    },
    {
      onMessage(message, block, delivery) {
        onMessage(message, block, delivery);
        reader.release(1, message.data.length);
        position = delivery.streamSequence;
        check();
      },
      onIdle: () => void findTarget().catch((thrown: unknown) => settle?.reject(thrown)),
      onLost: (error) => settle?.reject(error),
    },
  );
  const over = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  reader.start();
  await over.finally(() => reader.stop());
}

/** The headers of a message that came as an answer, in the form in which a delivered one has them. */
function blockOf({ header }: StoredMsg): string {
  const lines = [...header].map(([name, [value = ""]]) => headerLine(name, value));
  return lines.length === 0 ? "" : `NATS/1.0\r\n${lines.join("")}\r\n`;
}
