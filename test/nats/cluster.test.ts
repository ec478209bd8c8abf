/**
 * The adapters at a site whose NATS is a cluster of three servers: what a killed server takes with it, and what must go on
 * without it. The product as a whole stands in `test/system/cluster.test.ts`.
 */
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Lease } from "../../src/nats/connections.js";
import { createOperationLog } from "../../src/nats/operation-log.js";
import { type PullReader, openPullReader } from "../../src/nats/pull-reader.js";
import { createSiteState } from "../../src/nats/site-state.js";
import { appended, operationOf } from "../contract/operation-log-contract.js";
import { bucketNamed, siteNamed } from "../core/names.js";
import { connectTo, openBucket } from "../support/clients.js";
import { eventually } from "../support/eventually.js";
import { type NatsCluster, startNatsCluster } from "../support/nats-cluster.js";
import type { NatsServer } from "../support/nats-server.js";
import { type Leasing, createLeasing } from "./leasing.js";

const BUCKET = "KV_data";
const SITE = siteNamed("site-a");
/** An election, and what a new consumer may wait for a dead server. */
const BACK_WITHIN_MS = 60_000;

describe.each(["2.15", "2.10"] as const)("at a cluster of nats-server %s", (version) => {
  let cluster: NatsCluster;
  let app: NatsConnection;
  let manager: JetStreamManager;
  const leasings: Leasing[] = [];
  let made = 0;

  beforeAll(async () => {
    cluster = await startNatsCluster({ name: "site-a", version });
    const [url = ""] = cluster.urls;
    app = await connectTo(url, { servers: [...cluster.urls] });
    manager = await jetstreamManager(app, { checkAPI: false });
    await openBucket(app, "data", { replicas: 3 });
  });
  afterAll(async () => {
    await app?.close();
    await cluster?.dispose();
  });
  beforeEach(() => void made++);
  afterEach(async () => {
    for (const { connections } of leasings.splice(0)) await connections.close();
    for (const server of cluster.servers) if (server.pid === undefined) await server.restart();
    await cluster.untilWhole(app, BUCKET);
  });

  /** Connected to any but those that are named. */
  async function leaseBeside(...others: readonly NatsServer[]): Promise<{ readonly lease: Lease; readonly leasing: Leasing }> {
    const leasing = createLeasing(...cluster.servers.filter((server) => !others.includes(server)));
    leasings.push(leasing);
    const lease = leasing.lease();
    await lease.ready();
    return { lease, leasing };
  }

  const serverCalled = (name: string | undefined): NatsServer => {
    const found = cluster.servers.find((server) => server.name === name);
    if (found === undefined) throw new RangeError(`no server is called ${String(name)}`);
    return found;
  };

  it("a reader is opened again while the server of its consumer is dead", async () => {
    await (await openBucket(app, "data")).put("k", "v");
    const { lease, leasing } = await leaseBeside();
    const source = { lease, clock: leasing.clock, domain: null, stream: BUCKET, consumerPrefix: "kvgw_a_tail_", epoch: made };
    const open = async (): Promise<{ readonly reader: PullReader; readonly keys: string[]; readonly lost: string[] }> => {
      const [keys, lost]: [string[], string[]] = [[], []];
      const handlers = { onMessage: ({ subject }: { subject: string }) => void keys.push(subject), onLost: ({ code }: { code: string }) => void lost.push(code) };
      const reader = await openPullReader({ ...source, windowMessages: () => 10, from: { lastPerSubject: "$KV.data.>" } }, handlers);
      reader.start();
      return { reader, keys, lost };
    };
    const first = await open();
    const { cluster: place } = await manager.consumers.info(BUCKET, `kvgw_a_tail_${made}`);
    const dead = serverCalled(place?.leader);
    await dead.kill();
    await eventually(() => expect(first.lost).toHaveLength(1), { what: "the reader is lost", withinMs: BACK_WITHIN_MS });
    const next = await eventually(open, { what: "another one is opened", withinMs: BACK_WITHIN_MS, everyMs: 250 });
    await eventually(() => expect(next.keys).toEqual(["$KV.data.k"]), { what: "it reads", withinMs: BACK_WITHIN_MS });
    expect(dead.pid).toBeUndefined();
    await next.reader.stop();
  });

  it("the site's state gets the replicas of the bucket, stays what it was, and is read from its leader alone", async () => {
    const { lease, leasing } = await leaseBeside();
    const state = createSiteState(lease, siteNamed(`state-${made}`), leasing.clock);
    const stream = `KV_KVGW_state-${made}`;
    await state.save("causality.data", { floorUs: 1 });
    const before = await manager.streams.info(stream);
    expect(before.config.num_replicas).toBe(1);
    expect(await state.raise(3)).toBe(3);
    expect(await state.raise(1)).toBe(3);
    const asked: string[] = [];
    app.subscribe("$JS.API.>", { callback: (_, { subject }) => void asked.push(subject) });
    await app.flush();
    for (let n = 2; n < 20; n++) {
      await state.save("causality.data", { floorUs: n });
      expect((await state.load("causality.data")).value).toEqual({ floorUs: n });
    }
    expect(await state.keys("causality")).toEqual(["causality.data"]);
    await eventually(() => expect(asked).toContain(`$JS.API.STREAM.MSG.GET.${stream}`), { what: "it was asked for the record" });
    expect(asked.filter((subject) => subject.startsWith(`$JS.API.DIRECT.GET.${stream}`))).toEqual([]);
    const after = await manager.streams.info(stream);
    expect([after.created, after.config.num_replicas]).toEqual([before.created, 3]);
  });

  it("the site's state takes saves again once another server leads", async () => {
    const site = siteNamed(`state-${made}`);
    const making = await leaseBeside();
    const state = createSiteState(making.lease, site, making.leasing.clock);
    const first = await state.save("checkpoint.data.site-b", 1);
    await state.raise(3);
    await cluster.untilWhole(app, `KV_KVGW_${site}`);
    const leader = await cluster.leaderOf(app, `KV_KVGW_${site}`);
    const { lease, leasing } = await leaseBeside(leader);
    const survivor = createSiteState(lease, site, leasing.clock);
    await survivor.load("checkpoint.data.site-b");
    await leader.kill();
    const until = { what: "the save is taken", withinMs: BACK_WITHIN_MS };
    const second = await eventually(() => survivor.save("checkpoint.data.site-b", 2), until);
    expect(second).toBeGreaterThan(first);
    expect(await survivor.load("checkpoint.data.site-b")).toEqual({ value: 2, revision: second });
    await expect(survivor.save("checkpoint.data.site-b", 3, first)).rejects.toMatchObject({ code: "KVGW_STATE_CHANGED" });
    expect(leader.pid).toBeUndefined();
  });

  it("a log gets the replicas of the bucket, and a new leader fences as the old one did", async () => {
    const { lease, leasing } = await leaseBeside();
    const [bucket, site] = [bucketNamed(`log-${made}`), SITE];
    const place = { lease, domain: null, clock: leasing.clock, epoch: 1 };
    const log = createOperationLog(place, { site, bucket, subject: `rep.${bucket}`, format: "raw" });
    expect(await log.open(1)).toMatchObject({ replicas: 1 });
    const opened = await log.open(3);
    expect(opened).toMatchObject({ replicas: 3, lastSequence: 0 });
    const sent = Array.from({ length: 200 }, (_, n) => appended(log, operationOf(`k.${n}`), n));
    expect(await Promise.all(sent)).toEqual(sent.map((_, n) => ({ kind: "appended", sequence: n + 1 })));
    await cluster.untilWhole(app, `KVGW_${site}_${bucket}`);
    const leader = await cluster.leaderOf(app, `KVGW_${site}_${bucket}`);
    await leader.kill();
    const answered = async (last: number, key: number) => {
      const outcome = await appended(log, operationOf("k.0"), last, key);
      return outcome.kind !== "failed" && outcome.kind !== "unknown" ? outcome : false;
    };
    const until = { what: "the log has a leader again", withinMs: BACK_WITHIN_MS, everyMs: 250 };
    expect(await eventually(() => answered(199, 1), until)).toEqual({ kind: "mismatch" });
    expect(await eventually(() => answered(200, 0), until)).toEqual({ kind: "mismatch" });
    expect(await eventually(() => log.scan(1, () => undefined), until)).toEqual({ created: opened.created, lastSequence: 200 });
    expect(await eventually(() => answered(200, 1), until)).toEqual({ kind: "appended", sequence: 201 });
  });
});
