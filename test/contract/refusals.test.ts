/** What only a real server can be: of the wrong kind, or closed to us. The codes are those that src/core/ports.ts names. */
import { type StreamConfig, jetstreamManager } from "@nats-io/jetstream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BucketConfig } from "../../src/config/config.js";
import type { GatewayError } from "../../src/core/errors.js";
import { createBucketStore } from "../../src/nats/bucket-store.js";
import { type Connections, type Lease, createConnections } from "../../src/nats/connections.js";
import { createOperationLog } from "../../src/nats/operation-log.js";
import { createPeerLink } from "../../src/nats/peer-link.js";
import { createSiteState } from "../../src/nats/site-state.js";
import { createSystemClock, readSecret } from "../../src/system.js";
import { bucketNamed } from "../core/names.js";
import { connectTo } from "../support/clients.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { PEER, SITE } from "./rigs.js";

const clock = createSystemClock();
/** One user may do everything, the other may not make streams or read what they are. */
const USERS = `authorization { users: [
  { user: all, password: all }
  { user: few, password: few, permissions: { publish: { deny: ["$JS.API.STREAM.INFO.>", "$JS.API.STREAM.CREATE.>"] } } }
] }`;

let server: NatsServer;
let connections: Connections;

beforeAll(async () => {
  server = await startNatsServer({ version: "2.15", extraConfig: USERS });
  const onBug = (error: GatewayError) => {
    throw error;
  };
  connections = createConnections({ clock, readSecret, clientName: "refusals", onStatus: () => undefined, onBug });
});

afterAll(async () => {
  await connections?.close();
  await server?.dispose();
});

async function leaseOf(user: "all" | "few"): Promise<Lease> {
  const credentials = { kind: "password", user, password: { from: "inline", value: user } } as const;
  const lease = connections.lease({ id: SITE, servers: [server.url], credentials, tls: null, via: null, domain: null, bytesPerSecond: 0, gateways: "one" });
  await lease.ready();
  return lease;
}

async function addStream(config: Partial<StreamConfig> & { readonly name: string }): Promise<void> {
  const app = await connectTo(server.url, { user: "all", pass: "all" });
  await (await jetstreamManager(app)).streams.add(config);
  await app.close();
}

const storeOf = (lease: Lease, bucket: string, create: BucketConfig["create"] = false) =>
  createBucketStore({ lease, clock, site: SITE, epoch: 1, clockOffsetUs: 0 }, bucketNamed(bucket), create);

const namesOf = (bucket: string, site = SITE) =>
  ({ site, bucket: bucketNamed(bucket), subject: `rep.kv.ops.${bucket}`, format: "raw" }) as const;

const logOf = (lease: Lease, bucket: string) =>
  createOperationLog({ lease, domain: null, clock, epoch: 1 }, namesOf(bucket));

describe("a bucket that cannot be replicated", () => {
  it("is refused by name and reason: a mirror, which takes no writes", async () => {
    await addStream({ name: "KV_origin", subjects: ["$KV.origin.>"] });
    await addStream({ name: "KV_mirror", mirror: { name: "KV_origin" } });
    const opening = storeOf(await leaseOf("all"), "mirror").open();
    await expect(opening).rejects.toMatchObject({ code: "KVGW_BUCKET_UNSUITABLE" });
    await expect(opening).rejects.toThrow(/bucket mirror .* mirror/);
  });
});

describe("a stream in the operation log's place", () => {
  it("is refused where it would keep more than the last operation of a key", async () => {
    await addStream({ name: "KVGW_site-a_taken", subjects: ["taken.>"], max_msgs_per_subject: 2 });
    await expect(logOf(await leaseOf("all"), "taken").open(1)).rejects.toMatchObject({ code: "KVGW_LOG_UNSUITABLE" });
  });

  it("is taken over, old operations and all, where only its subject was another one", async () => {
    const before = { ...namesOf("moved"), subject: "rep.before" };
    const lease = await leaseOf("all");
    const place = { lease, domain: null, clock, epoch: 1 };
    const { created } = await createOperationLog(place, before).open(1);
    expect(await logOf(lease, "moved").open(1)).toEqual({ created, lastSequence: 0, replicas: 1 });
  });
});

describe("a single server that is asked for replicas", () => {
  it("makes a bucket, a log and a state without them, since one YAML serves clusters and single servers", async () => {
    const lease = await leaseOf("all");
    const created = { history: 5, storage: "file", replicas: 3 } as const;
    expect(await storeOf(lease, "alone", created).open()).toMatchObject({ history: 5, replicas: 1 });
    expect(await logOf(lease, "alone").open(3)).toMatchObject({ replicas: 1 });
    expect(await logOf(lease, "alone").open(3), "found").toMatchObject({ replicas: 1 });
    expect(await createSiteState(lease, SITE, clock).raise(3)).toBe(1);
  });
});

describe("a server that denies what is asked", () => {
  it("is told as a denial, by every port", async () => {
    const lease = await leaseOf("few");
    const peer = createPeerLink({ lease, domain: null, clock, epoch: 1 }, namesOf("config", PEER), SITE);
    const state = createSiteState(lease, SITE, createSystemClock());
    await expect(storeOf(lease, "config").open()).rejects.toMatchObject({ code: "KVGW_DENIED" });
    await expect(logOf(lease, "config").open(1)).rejects.toMatchObject({ code: "KVGW_DENIED" });
    await expect(peer.open()).rejects.toMatchObject({ code: "KVGW_DENIED" });
    await expect(state.load("k")).rejects.toMatchObject({ code: "KVGW_STATE_UNAVAILABLE" });
  });
});

describe("the epochs of a site's lives", () => {
  it("rise from one life to the next", async () => {
    const lease = await leaseOf("all");
    const epochs: number[] = [];
    for (let life = 0; life < 3; life++) epochs.push(await createSiteState(lease, PEER, createSystemClock()).nextEpoch());
    expect(epochs).toEqual([...new Set(epochs)].sort((a, b) => a - b));
  });
});
