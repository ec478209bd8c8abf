/**
 * A site's operation log, read by somebody who only looks: `verify`, to learn the versions of what was written at that
 * site. Like the reading of a bucket it writes nothing but a consumer of its own, which is removed at the end.
 */
import type { JetStreamManager } from "@nats-io/jetstream";
import { isKey } from "../core/ids.js";
import { READ_WINDOW_MESSAGES, VERIFY_READ_ATTEMPTS } from "../core/limits.js";
import type { LoggedOperation } from "../core/operation.js";
import { type BucketPlace, attemptReading, nullIfNoStream } from "./bucket-reader.js";
import { type LogContext, type LogMessage, readLogMessage } from "./log-codec.js";
import { storedHeaderBlock } from "./message.js";
import type { LogNames } from "./operation-log.js";
import { scanStream } from "./scan.js";
import { findStream, lastExisting, lastMessage } from "./streams.js";
import { ANY_SUBJECT, keyOfLogSubject, logPrefix, logStream, subjectOf, verifyConsumers } from "./subjects.js";

/** A log that does not exist has no operations. Failures: KVGW_UNREACHABLE, KVGW_TIMEOUT, KVGW_DENIED. */
export interface LogReader {
  /** The last operation of every key, without its value. */
  scan(onOperation: (logged: LoggedOperation) => void): Promise<void>;
  /** The last operation of the key, null if the log has none. */
  read(key: string): Promise<LoggedOperation | null>;
}

/** @param where names log and site in failures */
export function createLogReader(place: BucketPlace, names: LogNames, where: string): LogReader {
  const stream = logStream(names.site, names.bucket);
  const prefix = logPrefix(names.subject, names.site);
  const attempt = <T>(work: (api: JetStreamManager) => Promise<T>, attempts?: number) => attemptReading(place, where, work, attempts);

  function decode(message: LogMessage, headersOnly: boolean): LoggedOperation | null {
    const context: LogContext = { origin: names.site, bucket: names.bucket, format: names.format, headersOnly };
    const read = readLogMessage(message, context);
    return read.ok ? read.value : null;
  }

  return {
    scan: (onOperation) =>
      attempt(async (api) => {
        if ((await findStream(api, stream)) === null) return;
        const consumer = { consumerPrefix: verifyConsumers(place.newToken()), epoch: 1, headersOnly: true };
        const source = { ...place, ...consumer, stream, windowMessages: () => READ_WINDOW_MESSAGES, from: { sequence: 1 } };
        const findLast = () => lastExisting(place, stream, ANY_SUBJECT);
        await scanStream(source, findLast, (message, block, { streamSequence: sequence }) => {
          const key = keyOfLogSubject(message.subject, prefix, names.site);
          const logged = decode({ key, block, payload: message.data, sequence }, true);
          if (logged !== null) onOperation(logged);
        });
      }),

    read: (key) =>
      attempt(async () => {
        if (!isKey(key)) return null;
        const subject = subjectOf(prefix, key);
        const stored = await lastMessage(place, stream, subject).catch(nullIfNoStream);
        if (stored === null) return null;
        return decode({ key, block: storedHeaderBlock(stored), payload: stored.data, sequence: stored.seq }, false);
      }, VERIFY_READ_ATTEMPTS),
  };
}
