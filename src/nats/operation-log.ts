/**
 * This site's own operation log of one bucket: a stream that keeps the last operation per key, at the own NATS or at a
 * hub. One writer: every append names the log's sequence that it must follow, so another gateway of this site, a rewind
 * or a recreated stream shows as a mismatch on the very next append; and its key's own, so that one which comes late never
 * replaces a newer operation of its key.
 */
import {
  DiscardPolicy,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from "@nats-io/jetstream";
import { GatewayError } from "../core/errors.js";
import type { BucketName, SiteId } from "../core/ids.js";
import { READ_WINDOW_MESSAGES } from "../core/limits.js";
import type { AppendOutcome, Clock, LogInfo, OperationLog } from "../core/ports.js";
import type { Lease } from "./connections.js";
import { API_ERROR, apiFailure, isApiError, notStored, toFailure } from "./failure.js";
import { type LogContext, type LogFormat, logHeaders, logPayload, readLogMessage } from "./log-codec.js";
import { storedHeaderBlock } from "./message.js";
import type { Answer } from "./publisher.js";
import { raiseReplicas } from "./replicas.js";
import { scanStream } from "./scan.js";
import { findStream, lastExisting, lastMessage, markOf, removeUpTo, streamManager } from "./streams.js";
import { ANY_SUBJECT, everythingBelow, keyOfLogSubject, logPrefix, logStream, scanConsumers, subjectOf } from "./subjects.js";

export interface LogPlace {
  /** The connection to where the log lives, and the JetStream domain there. */
  readonly lease: Lease;
  readonly domain: string | null;
  readonly clock: Clock;
  readonly epoch: number;
}

export interface LogNames {
  readonly site: SiteId;
  readonly bucket: BucketName;
  readonly subject: string;
  readonly format: LogFormat;
}

export function createOperationLog(place: LogPlace, names: LogNames): OperationLog {
  const { lease, domain } = place;
  const stream = logStream(names.site, names.bucket);
  const prefix = logPrefix(names.subject, names.site);
  const where = `operation log ${stream}`;

  return {
    async open(replicas) {
      try {
        return await lease.whileUp(async () => {
          const api = await streamManager(lease, domain);
          const found = await findStream(api, stream);
          if (found === null) return logInfo(await make(api, logConfig(stream, prefix, replicas)));
          return logInfo(await raiseReplicas(place.clock, api, await fit(api, found, prefix), replicas));
        });
      } catch (thrown) {
        throw toFailure(thrown, where);
      }
    },

    async scan(from, onOperation) {
      try {
        const api = await streamManager(lease, domain);
        const info = await lease.whileUp(() => findStream(api, stream));
        if (info === null) throw new GatewayError("KVGW_STREAM_CHANGED", `${where}: it was deleted; made again at once`);
        const mark = markOf(info);
        const context: LogContext = { origin: names.site, bucket: names.bucket, format: names.format, headersOnly: true };
        const consumerPrefix = scanConsumers(names.site);
        const source = { ...place, stream, consumerPrefix, windowMessages: () => READ_WINDOW_MESSAGES, headersOnly: true };
        const findLast = () => lease.whileUp(() => lastExisting(place, stream, ANY_SUBJECT));
        await scanStream({ ...source, from: { sequence: from } }, findLast, (message, block, { streamSequence }) => {
          const key = keyOfLogSubject(message.subject, prefix, names.site);
          const read = readLogMessage({ key, block, payload: message.data, sequence: streamSequence }, context);
          // What cannot be read in the own log was not written by us; a later write of its key replaces it.
          if (read.ok) onOperation(read.value, message.subject.startsWith(prefix));
        });
        return mark;
      } catch (thrown) {
        throw toFailure(thrown, where);
      }
    },

    async read(key) {
      try {
        const subject = subjectOf(prefix, key);
        const stored = await lease.whileUp(() => lastMessage(place, stream, subject));
        if (stored === null) return null;
        const context: LogContext = { origin: names.site, bucket: names.bucket, format: names.format, headersOnly: false };
        const message = { key, block: storedHeaderBlock(stored), payload: stored.data, sequence: stored.seq };
        const read = readLogMessage(message, context);
        return read.ok ? read.value : null;
      } catch (thrown) {
        throw toFailure(thrown, where);
      }
    },

    async forget(key, upTo) {
      try {
        await lease.whileUp(() => removeUpTo(place, stream, subjectOf(prefix, key), upTo));
      } catch (thrown) {
        throw toFailure(thrown, where);
      }
    },

    async sequenceOf(key) {
      try {
        const subject = subjectOf(prefix, key);
        return await lease.whileUp(() => lastExisting(place, stream, subject));
      } catch (thrown) {
        throw toFailure(thrown, where);
      }
    },

    append(operation, identity, expected, done) {
      const payload = logPayload(operation, names.format, names.bucket);
      const headers = logHeaders(operation, identity, expected);
      try {
        const subject = subjectOf(prefix, operation.key);
        lease.link().publisher.publish(subject, payload, headers, (answer) => done(toOutcome(answer, where)));
      } catch (thrown) {
        done({ kind: "failed", error: toFailure(thrown, where) });
      }
    },
  };
}

const logInfo = (info: StreamInfo): LogInfo => ({ ...markOf(info), replicas: info.config.num_replicas });

/** A hub may be a single server, where the bucket is on several. */
async function make(api: JetStreamManager, config: LogConfig): Promise<StreamInfo> {
  try {
    return await api.streams.add(config);
  } catch (thrown) {
    if (!isApiError(thrown, API_ERROR.replicasNotSupported)) throw thrown;
    return api.streams.add({ ...config, num_replicas: 1 });
  }
}

type LogConfig = Partial<StreamConfig> & { name: string };

function logConfig(name: string, prefix: string, replicas: number): LogConfig {
  return {
    name,
    description: "nats-kv-gateway: the last operation of every key written at this site",
    subjects: [everythingBelow(prefix)],
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    storage: StorageType.File,
    max_msgs_per_subject: 1,
    num_replicas: replicas,
    allow_direct: true,
  };
}

/** An existing log under another subject is a bucket whose subject was changed: new operations go to the new one, the
 *  old ones stay readable where they are. */
async function fit(api: JetStreamManager, info: StreamInfo, prefix: string): Promise<StreamInfo> {
  const { config } = info;
  if (config.mirror !== undefined || config.max_msgs_per_subject !== 1) {
    throw new GatewayError(
      "KVGW_LOG_UNSUITABLE",
      `stream ${config.name} exists but is no operation log (one message per subject, no mirror); rename or delete it`,
    );
  }
  const subject = everythingBelow(prefix);
  if (config.subjects.length === 1 && config.subjects[0] === subject) return info;
  return api.streams.update(config.name, { subjects: [subject] });
}

const MISMATCH: AppendOutcome = Object.freeze({ kind: "mismatch" });
const UNKNOWN: AppendOutcome = Object.freeze({ kind: "unknown" });
const TOO_LARGE: AppendOutcome = Object.freeze({ kind: "too-large" });

function toOutcome(answer: Answer, where: string): AppendOutcome {
  switch (answer.kind) {
    case "stored":
      return { kind: "appended", sequence: answer.sequence };
    case "unknown":
      return UNKNOWN;
    case "no-stream":
      return { kind: "failed", error: notStored(answer.kind, where) };
    case "refused":
      return answer.why === "too-large" ? TOO_LARGE : { kind: "failed", error: notStored(answer.why, where) };
    case "error":
      return toRefusal(answer.code, answer.description, where);
  }
}

function toRefusal(code: number, description: string, where: string): AppendOutcome {
  switch (code) {
    case API_ERROR.wrongLastSequence:
    case API_ERROR.wrongLastSequenceInFlight:
    case API_ERROR.wrongLastSequenceTransient:
      return MISMATCH;
    case API_ERROR.messageTooLarge:
    case API_ERROR.headersTooLarge:
      return TOO_LARGE;
    default:
      return { kind: "failed", error: apiFailure(code, description, where, "KVGW_LOG_FULL") };
  }
}
