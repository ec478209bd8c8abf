/**
 * The site's small durable facts in a KV bucket of its own at the local NATS: checkpoints, causality floors, what was
 * set aside. Never on a hot path, so it uses the library's KV client as it is.
 */
import { type KV, Kvm } from "@nats-io/kv";
import { GatewayError } from "../core/errors.js";
import type { SiteId } from "../core/ids.js";
import type { SiteState } from "../core/ports.js";
import type { Lease } from "./connections.js";
import { stateBucket } from "./subjects.js";

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
    list: (prefix) =>
      attempt(async (kv) => {
        const valueByKey = new Map<string, unknown>();
        for await (const key of await kv.keys(`${prefix}.>`)) {
          const entry = await kv.get(key);
          if (entry?.operation === "PUT") valueByKey.set(key, entry.json());
        }
        return valueByKey;
      }),
    nextEpoch: () => attempt((kv) => kv.put("epoch", "")),
  };
}
