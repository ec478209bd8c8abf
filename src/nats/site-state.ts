/**
 * The site's small durable facts in a KV bucket of its own at the local NATS: checkpoints, causality floors, what was
 * set aside. Never on a hot path, so it uses the library's KV client as it is.
 */
import { type KV, type KvEntry, Kvm } from "@nats-io/kv";
import { GatewayError } from "../core/errors.js";
import { hash128 } from "../core/hash.js";
import type { BucketName, SiteId } from "../core/ids.js";
import { READ_WINDOW_MESSAGES, STATE_READS_MAX } from "../core/limits.js";
import type { Clock, SiteState } from "../core/ports.js";
import type { Lease } from "./connections.js";
import { API_ERROR, isApiError } from "./failure.js";
import { headerValue } from "./message.js";
import { scanStream } from "./scan.js";
import { lastExisting, streamManager, untilMade } from "./streams.js";
import { HEADER, bucketPrefix, bucketStream, everythingBelow, stateBucket, stateConsumers } from "./subjects.js";

export interface NatsSiteState extends SiteState {
  /** A number that is higher than any that this site was given before: names the consumers of one life. */
  nextEpoch(): Promise<number>;
}

export function createSiteState(lease: Lease, site: SiteId, clock: Clock): NatsSiteState {
  const bucket = stateBucket(site);
  const stream = bucketStream(bucket);
  let open: { readonly nats: unknown; readonly kv: KV } | null = null;

  /** The bucket is opened once per connection; a reconnect keeps it. */
  async function store(): Promise<KV> {
    const { nats } = lease.link();
    if (open?.nats === nats) return open.kv;
    const kv = await new Kvm(nats).create(bucket, { history: 1 });
    // Another gateway of this site may be making it.
    await untilMade({ lease, clock, domain: null }, await streamManager(lease, null), stream);
    open = { nats, kv };
    return kv;
  }

  async function attempt<T>(work: (kv: KV) => Promise<T>): Promise<T> {
    try {
      return await lease.whileUp(async () => work(await store()));
    } catch (thrown) {
      if (isApiError(thrown, API_ERROR.wrongLastSequence)) {
        throw new GatewayError("KVGW_STATE_CHANGED", `state bucket ${bucket}: somebody else wrote the record`, thrown);
      }
      open = null;
      const because = thrown instanceof Error ? thrown.message : String(thrown);
      throw new GatewayError("KVGW_STATE_UNAVAILABLE", `state bucket ${bucket}: ${because}; retried`, thrown);
    }
  }

  return {
    load: (key) =>
      attempt(async (kv) => {
        const entry = await kv.get(key);
        return { value: isRecord(entry) ? entry.json<unknown>() : null, revision: entry?.revision ?? 0 };
      }),
    save: (key, value, expected) =>
      attempt((kv) => kv.put(key, JSON.stringify(value), expected === undefined ? {} : { previousSeq: expected })),
    // As a stream's purge and not as the client's, which leaves a mark for every key that there ever was.
    remove: (key) =>
      attempt(async () => {
        const api = await streamManager(lease, null);
        await api.streams.purge(stream, { filter: bucketPrefix(bucket) + key });
      }),
    keys: (prefix) => attempt(async (kv) => withRecord(kv, await keysBelow(lease, bucket, prefix))),
    scan: (prefix, onRecord) =>
      attempt(async (kv) => {
        const below = everythingBelow(`${bucketPrefix(bucket)}${prefix}.`);
        const consumerPrefix = stateConsumers(site, hash128(prefix));
        const place = { lease, clock, domain: null, stream, consumerPrefix, epoch: await kv.put("epoch", "") };
        const source = { ...place, windowMessages: () => READ_WINDOW_MESSAGES, from: { lastPerSubject: below } };
        await scanStream(source, () => lastExisting(place, stream, below), (message, block) => {
          if (headerValue(block, HEADER.kvOperation) !== null) return;
          onRecord(message.subject.slice(bucketPrefix(bucket).length), message.json<unknown>());
        });
      }),
    nextEpoch: () => attempt((kv) => kv.put("epoch", "")),
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
async function withRecord(kv: KV, keys: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (let at = 0; at < keys.length; at += STATE_READS_MAX) {
    const some = keys.slice(at, at + STATE_READS_MAX);
    const entries = await Promise.all(some.map((key) => kv.get(key)));
    found.push(...some.filter((_key, n) => isRecord(entries[n] ?? null)));
  }
  return found;
}

const isRecord = (entry: KvEntry | null): entry is KvEntry => entry?.operation === "PUT";
