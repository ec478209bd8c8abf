/**
 * The site's small durable facts in a KV bucket of its own at the local NATS: checkpoints, causality floors, what was
 * set aside. Never on a hot path, so it makes and writes them with the library's KV client as it is. It does not read with it:
 * that asks any replica, and one that lags behind would tell of a lower floor.
 */
import type { StoredMsg } from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import { errors } from "@nats-io/transport-node";
import { GatewayError } from "../core/errors.js";
import { hash128 } from "../core/hash.js";
import type { BucketName, Revision, SiteId } from "../core/ids.js";
import { READ_WINDOW_MESSAGES, STATE_AGAIN_MS, STATE_PATIENCE_MS, STATE_READS_MAX } from "../core/limits.js";
import type { Clock, SiteState } from "../core/ports.js";
import type { Lease } from "./connections.js";
import { API_ERROR, isApiError, isUnheard } from "./failure.js";
import { headerValue } from "./message.js";
import { raiseReplicas } from "./replicas.js";
import { scanStream } from "./scan.js";
import { type StreamPlace, lastExisting, lastMessage, streamManager, untilMade } from "./streams.js";
import { HEADER, bucketPrefix, bucketStream, everythingBelow, stateBucket, stateConsumers } from "./subjects.js";

export interface NatsSiteState extends SiteState {
  /** A number that is higher than any that this site was given before: names the consumers of one life. */
  nextEpoch(): Promise<number>;
}

export function createSiteState(lease: Lease, site: SiteId, clock: Clock): NatsSiteState {
  const bucket = stateBucket(site);
  const stream = bucketStream(bucket);
  const here: StreamPlace = { lease, clock, domain: null };
  let open: { readonly nats: unknown; readonly kv: KV } | null = null;

  /** The bucket is opened once per connection; a reconnect keeps it. */
  async function store(): Promise<KV> {
    const { nats } = lease.link();
    if (open?.nats === nats) return open.kv;
    const kv = await new Kvm(nats).create(bucket, { history: 1 });
    // Another gateway of this site may be making it.
    await untilMade(here, await streamManager(lease, null), stream);
    open = { nats, kv };
    return kv;
  }

  async function attempt<T>(work: (kv: KV, signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await lease.whileUp(async (_link, signal) => work(await store(), signal));
    } catch (thrown) {
      if (isApiError(thrown, API_ERROR.wrongLastSequence)) {
        throw new GatewayError("KVGW_STATE_CHANGED", `state bucket ${bucket}: somebody else wrote the record`, thrown);
      }
      open = null;
      const because = thrown instanceof Error ? thrown.message : String(thrown);
      throw new GatewayError("KVGW_STATE_UNAVAILABLE", `state bucket ${bucket}: ${because}; retried`, thrown);
    }
  }

  /** Waits for a leader where there is none. What had no answer is sent again as well: where it had arrived, a save that must
   *  follow a record is refused, and whoever is refused looks what is there. */
  async function put(kv: KV, signal: AbortSignal, key: string, text: string, expected?: Revision): Promise<Revision> {
    const beganMs = clock.elapsedMs();
    for (;;) {
      signal.throwIfAborted();
      try {
        return await kv.put(key, text, expected === undefined ? {} : { previousSeq: expected });
      } catch (thrown) {
        const mayCome = isUnheard(thrown) || thrown instanceof errors.TimeoutError;
        if (!mayCome || clock.elapsedMs() - beganMs >= STATE_PATIENCE_MS) throw thrown;
        await new Promise<void>((resolve) => clock.schedule(STATE_AGAIN_MS, resolve));
      }
    }
  }

  const nextEpoch = (kv: KV, signal: AbortSignal) => put(kv, signal, "epoch", "");
  const read = (key: string) => lastMessage(here, stream, bucketPrefix(bucket) + key);

  return {
    raise: (replicas) =>
      attempt(async () => {
        const api = await streamManager(lease, null);
        return (await raiseReplicas(clock, api, await api.streams.info(stream), replicas)).config.num_replicas;
      }),
    load: (key) =>
      attempt(async () => {
        const stored = await read(key);
        return { value: isRecord(stored) ? stored.json<unknown>() : null, revision: stored?.seq ?? 0 };
      }),
    save: (key, value, expected) => attempt((kv, signal) => put(kv, signal, key, JSON.stringify(value), expected)),
    // As a stream's purge and not as the client's, which leaves a mark for every key that there ever was.
    remove: (key) =>
      attempt(async () => {
        const api = await streamManager(lease, null);
        await api.streams.purge(stream, { filter: bucketPrefix(bucket) + key });
      }),
    keys: (prefix) => attempt(async () => withRecord(read, await keysBelow(lease, bucket, prefix))),
    scan: (prefix, onRecord) =>
      attempt(async (kv, signal) => {
        const below = everythingBelow(`${bucketPrefix(bucket)}${prefix}.`);
        const place = { ...here, stream, consumerPrefix: stateConsumers(site, hash128(prefix)), epoch: await nextEpoch(kv, signal) };
        const source = { ...place, windowMessages: () => READ_WINDOW_MESSAGES, from: { lastPerSubject: below } };
        await scanStream(source, () => lastExisting(place, stream, below), (message, block) => {
          if (headerValue(block, HEADER.kvOperation) !== null) return;
          onRecord(message.subject.slice(bucketPrefix(bucket).length), message.json<unknown>());
        });
      }),
    nextEpoch: () => attempt(nextEpoch),
  };
}

/** Asked of the stream: the client's own listing leaves a consumer behind for minutes every time. */
async function keysBelow(lease: Lease, bucket: BucketName, prefix: string): Promise<readonly string[]> {
  const api = await streamManager(lease, null);
  const subjectPrefix = bucketPrefix(bucket);
  const filter = everythingBelow(`${subjectPrefix}${prefix}.`);
  const { state } = await api.streams.info(bucketStream(bucket), { subjects_filter: filter });
  return Object.keys(state.subjects ?? {}).map((subject) => subject.slice(subjectPrefix.length));
}

/** The stream also names keys of which it has nothing but the mark that an operator removed them. */
async function withRecord(read: (key: string) => Promise<StoredMsg | null>, keys: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (let at = 0; at < keys.length; at += STATE_READS_MAX) {
    const some = keys.slice(at, at + STATE_READS_MAX);
    const stored = await Promise.all(some.map(read));
    found.push(...some.filter((_key, n) => isRecord(stored[n] ?? null)));
  }
  return found;
}

/** Neither nothing nor the mark of a removal. */
const isRecord = (stored: StoredMsg | null): stored is StoredMsg => stored !== null && stored.header.get(HEADER.kvOperation) === "";
