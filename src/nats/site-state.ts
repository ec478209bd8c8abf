/**
 * The site's small durable facts in a KV bucket of its own at the local NATS: checkpoints, causality floors, what was
 * set aside. Never on a hot path, so it uses the library's KV client as it is.
 */
import { type KV, Kvm } from "@nats-io/kv";
import { GatewayError } from "../core/errors.js";
import type { SiteId } from "../core/ids.js";
import type { SiteState } from "../core/ports.js";
import type { Lease } from "./connections.js";
import { streamManager } from "./streams.js";
import { bucketPrefix, bucketStream, everythingBelow, stateBucket } from "./subjects.js";

export interface NatsSiteState extends SiteState {
  /** A number that is higher than any that this site was given before: names the consumers of one life. */
  nextEpoch(): Promise<number>;
}

export function createSiteState(lease: Lease, site: SiteId): NatsSiteState {
  const bucket = stateBucket(site);
  let open: { readonly nats: unknown; readonly kv: KV } | null = null;

  /** The bucket is opened once per connection; a reconnect keeps it. */
  async function store(): Promise<KV> {
    const { nats } = lease.link();
    if (open?.nats !== nats) open = { nats, kv: await new Kvm(nats).create(bucket, { history: 1 }) };
    return open.kv;
  }

  async function attempt<T>(work: (kv: KV) => Promise<T>): Promise<T> {
    try {
      return await lease.whileUp(async () => work(await store()));
    } catch (thrown) {
      open = null;
      const because = thrown instanceof Error ? thrown.message : String(thrown);
      throw new GatewayError("KVGW_STATE_UNAVAILABLE", `state bucket ${bucket}: ${because}; retried`, thrown);
    }
  }

  return {
    load: (key) =>
      attempt(async (kv) => {
        const entry = await kv.get(key);
        return entry === null || entry.operation !== "PUT" ? null : entry.json<unknown>();
      }),
    save: (key, value) => attempt(async (kv) => void (await kv.put(key, JSON.stringify(value)))),
    keys: (prefix) =>
      attempt(async () => {
        // Asked of the stream: the client's own listing leaves a consumer behind for minutes every time.
        const api = await streamManager(lease, null);
        const subjectPrefix = bucketPrefix(bucket);
        const filter = everythingBelow(`${subjectPrefix}${prefix}.`);
        const { state } = await api.streams.info(bucketStream(bucket), { subjects_filter: filter });
        return Object.keys(state.subjects ?? {}).map((subject) => subject.slice(subjectPrefix.length));
      }),
    nextEpoch: () => attempt((kv) => kv.put("epoch", "")),
  };
}
