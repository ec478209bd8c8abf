/**
 * The local bucket on NATS. Reading is one pull consumer over the whole stream, because a KV `watch` has died silently
 * after server restarts in several clients and its buffer has no bound. Writing is a compare-and-set with our version
 * beside the value, in a header that KV clients ignore.
 */
import { type JetStreamManager, StorageType, type StreamInfo } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import type { BucketConfig } from "../config/config.js";
import { GatewayError } from "../core/errors.js";
import type { BucketName, Key, SiteId } from "../core/ids.js";
import { READ_WINDOW_MESSAGES } from "../core/limits.js";
import type { BucketInfo, BucketStore, Clock, Reader, TailHandlers, WriteOutcome } from "../core/ports.js";
import { applyHeaders, plainHeaders, toOutcome } from "./bucket-write.js";
import type { Lease } from "./connections.js";
import { type EntryContext, toEntry } from "./entry.js";
import { API_ERROR, isApiError, toFailure } from "./failure.js";
import { type ReadyHeaders, isoToNanos, storedHeaderBlock } from "./message.js";
import { type PullSource, openPullReader } from "./pull-reader.js";
import { scanStream } from "./scan.js";
import type { StreamLooks } from "./stream-looks.js";
import { findStream, lastExisting, lastMessage, markOf, passesOver, removeUpTo, streamManager } from "./streams.js";
import { watchTail } from "./tail-watch.js";
import { bucketPrefix, bucketScanConsumers, bucketStream, everythingBelow, subjectOf, tailConsumers } from "./subjects.js";

export interface BucketStoreDeps {
  readonly lease: Lease;
  readonly clock: Clock;
  readonly site: SiteId;
  readonly epoch: number;
  /** Zero in production; see `EntryContext`. */
  readonly clockOffsetUs: number;
  /** Without it a tail is trusted as long as the server gives signs of life for it. */
  readonly looks?: StreamLooks;
}

/** What of the bucket's settings changes how it is read and written. */
interface Settings extends EntryContext {
  /** Of the stream that was opened. */
  readonly created: string;
  readonly history: number;
}

export function createBucketStore(deps: BucketStoreDeps, bucket: BucketName, create: BucketConfig["create"]): BucketStore {
  const { lease, clock } = deps;
  const here = { lease, clock, domain: null };
  const stream = bucketStream(bucket);
  const prefix = bucketPrefix(bucket);
  const where = `bucket ${bucket}`;
  let settings: Settings = {
    ...{ created: "", maxAgeUs: 0, clockOffsetUs: deps.clockOffsetUs, messageTtl: false, history: 1 },
  };

  function publish(key: Key, value: Uint8Array, headers: ReadyHeaders, done: (outcome: WriteOutcome) => void): void {
    try {
      lease.link().publisher.publish(subjectOf(prefix, key), value, headers, (answer) => done(toOutcome(answer, where)));
    } catch (thrown) {
      done({ kind: "failed", error: toFailure(thrown, where) });
    }
  }

  return {
    async open() {
      try {
        const info = await lease.whileUp(async () => {
          const api = await streamManager(lease, null);
          return (await findStream(api, stream)) ?? (await makeBucket(lease, api, bucket, create));
        });
        refuseUnsuitable(info, bucket);
        settings = readSettings(info, deps.clockOffsetUs);
        return toBucketInfo(info, lease.link().nats.info?.max_payload ?? Infinity);
      } catch (thrown) {
        throw toFailure(thrown, where);
      }
    },

    tail(handlers) {
      const open = (inner: TailHandlers) => openTail(deps, stream, prefix, inner, () => settings);
      return deps.looks === undefined ? open(handlers) : watchTail(deps.looks, { lease, stream }, handlers, open);
    },

    async read(key) {
      try {
        const subject = subjectOf(prefix, key);
        const stored = await lease.whileUp(() => lastMessage(here, stream, subject));
        if (stored === null) return null;
        const { seq: revision, data: value, timestamp } = stored;
        const message = { key, value, revision, timestampNs: isoToNanos(timestamp), block: storedHeaderBlock(stored) };
        return toEntry(message, settings);
      } catch (thrown) {
        throw toFailure(thrown, where);
      }
    },

    async count() {
      try {
        const info = await lease.whileUp(async () => (await streamManager(lease, null)).streams.info(stream));
        const { num_subjects: keys = 0, last_seq: lastSequence } = info.state;
        return { created: markOf(info).created, keys, lastSequence };
      } catch (thrown) {
        throw toFailure(thrown, where);
      }
    },

    async scan(onKey) {
      try {
        const from = { lastPerSubject: everythingBelow(prefix) };
        const place = { ...here, stream, consumerPrefix: bucketScanConsumers(deps.site), epoch: deps.epoch };
        const source = { ...place, windowMessages: () => READ_WINDOW_MESSAGES, from, headersOnly: true };
        const findLast = () => lease.whileUp(() => lastExisting(here, stream, from.lastPerSubject));
        await scanStream(source, findLast, ({ subject }, _block, { streamSequence }) =>
          onKey(subject.slice(prefix.length), streamSequence),
        );
      } catch (thrown) {
        throw toFailure(thrown, where);
      }
    },

    apply(operation, expected, done) {
      publish(operation.key, operation.value, applyHeaders(operation, expected, settings, clock.nowMs() * 1_000), done);
    },

    write: (key, value, expected) => new Promise((resolve) => publish(key, value, plainHeaders(expected), resolve)),

    async forget(key, upTo) {
      try {
        await lease.whileUp(() => removeUpTo(here, stream, subjectOf(prefix, key), upTo));
      } catch (thrown) {
        throw toFailure(thrown, where);
      }
    },
  };
}

function readSettings(info: StreamInfo, clockOffsetUs: number): Settings {
  const { config } = info;
  return {
    created: markOf(info).created,
    clockOffsetUs,
    maxAgeUs: config.max_age / 1_000,
    messageTtl: config.allow_msg_ttl === true,
    history: config.max_msgs_per_subject,
  };
}

function toBucketInfo(info: StreamInfo, payloadMax: number): BucketInfo {
  const { config } = info;
  return {
    ...markOf(info),
    history: config.max_msgs_per_subject,
    replicas: config.num_replicas,
    messageBytesMax: config.max_msg_size > 0 ? Math.min(config.max_msg_size, payloadMax) : payloadMax,
    messageTtl: config.allow_msg_ttl === true,
    maxAgeUs: config.max_age / 1_000,
  };
}

async function makeBucket(
  lease: Lease,
  api: JetStreamManager,
  bucket: BucketName,
  create: BucketConfig["create"],
): Promise<StreamInfo> {
  if (create === false) {
    throw new GatewayError("KVGW_BUCKET_MISSING", `bucket ${bucket} does not exist; create it, or remove "create: false"`);
  }
  const { history, replicas } = create;
  const storage = create.storage === "file" ? StorageType.File : StorageType.Memory;
  // The library makes it, so that it is the bucket every KV client would have made.
  const make = (replicas: number) => new Kvm(lease.link().nats).create(bucket, { history, storage, replicas });
  await make(replicas).catch((thrown: unknown) => {
    // One YAML serves all sites, and not all of them need be clusters.
    if (!isApiError(thrown, API_ERROR.replicasNotSupported)) throw thrown;
    return make(1);
  });
  return api.streams.info(bucketStream(bucket));
}

function refuseUnsuitable(info: StreamInfo, bucket: BucketName): void {
  const { config } = info;
  const unsuitable: Readonly<Record<string, boolean>> = {
    "it is a mirror, which takes no writes": config.mirror !== undefined,
    "its stream is sealed": config.sealed === true,
    "its stream holds counters": (config as { allow_msg_counter?: boolean }).allow_msg_counter === true,
  };
  const because = Object.keys(unsuitable).find((reason) => unsuitable[reason] === true);
  if (because === undefined) return;
  throw new GatewayError("KVGW_BUCKET_UNSUITABLE", `bucket ${bucket} cannot be replicated: ${because}; use a plain KV bucket`);
}

/** Caught up is when the last message that existed after the consumer was made has passed, not when "pending" says 0:
 *  that count has been seen wrong. */
async function openTail(
  deps: BucketStoreDeps,
  stream: string,
  prefix: string,
  handlers: TailHandlers,
  context: () => Settings,
): Promise<Reader> {
  const { lease, clock } = deps;
  let target = Number.POSITIVE_INFINITY;
  let position = 0;
  let caughtUp = false;

  function check(): void {
    if (caughtUp || position < target) return;
    caughtUp = true;
    handlers.onCaughtUp();
  }

  const findTarget = async () => {
    target = await lease.whileUp(() => lastExisting({ lease, clock, domain: null }, stream, everythingBelow(prefix)));
    check();
  };
  const source = await tailSource(deps, stream, prefix);
  const lose = (thrown: unknown) => handlers.onLost(toFailure(thrown, `tail of ${stream}`));

  const reader = await openPullReader(source, {
    onMessage(message, block, { streamSequence, timestampNs }, bytes) {
      const key = message.subject.slice(prefix.length);
      const entry = toEntry({ key, value: message.data, revision: streamSequence, timestampNs, block }, context());
      handlers.onEntry(entry, bytes);
      position = streamSequence;
      check();
    },
    // The awaited message may have been purged meanwhile: ask again what the last one is. It may also be one that another has
    // hidden, which has ended since: the server has passed it, and does not bring it (`pipeline/vanished.ts`).
    onIdle() {
      if (caughtUp) return;
      position = Math.max(position, reader.position());
      findTarget().catch(lose);
    },
    onLost: handlers.onLost,
  });
  const begun = refuseAnother(lease, stream, context().created).then(findTarget);
  await begun.catch(async (thrown: unknown) => {
    await reader.stop();
    throw toFailure(thrown, `tail of ${stream}`);
  });
  reader.start();
  return reader;
}

async function tailSource(deps: BucketStoreDeps, stream: string, prefix: string): Promise<PullSource> {
  const { lease, clock, site, epoch } = deps;
  const completeFrom = await placeBefore(deps, stream);
  return {
    ...{ lease, clock, domain: null, stream, consumerPrefix: tailConsumers(site), epoch },
    windowMessages: () => READ_WINDOW_MESSAGES,
    from: { lastPerSubject: everythingBelow(prefix) },
    ...(completeFrom === null ? {} : { completeFrom }),
  };
}

/** Where the stream ends before its tail begins, null where the tail brings all that comes then. */
async function placeBefore({ lease, clock }: BucketStoreDeps, stream: string): Promise<number | null> {
  if (!passesOver({ lease, clock, domain: null })) return null;
  try {
    const info = await lease.whileUp(async () => findStream(await streamManager(lease, null), stream));
    return info?.state.last_seq ?? 0;
  } catch (thrown) {
    throw toFailure(thrown, `tail of ${stream}`);
  }
}

/** The bucket may have been made anew since it was opened: its revisions would be taken for those of the one before. */
async function refuseAnother(lease: Lease, stream: string, created: string): Promise<void> {
  const info = await lease.whileUp(async () => findStream(await streamManager(lease, null), stream));
  if (info !== null && (created === "" || markOf(info).created === created)) return;
  throw new GatewayError("KVGW_STREAM_CHANGED", `${stream} was deleted or made anew; starting afresh`);
}
