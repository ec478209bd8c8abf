/**
 * A site whose NATS is a cluster of three servers, and one that is a single server: the leader of a replicated stream is
 * killed under load, and the rest of the cluster goes on without it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { DeliverPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kvgw } from "../cli/kvgw.js";
import { eachUntilLast } from "../support/clients.js";
import { eventually } from "../support/eventually.js";
import { type NatsCluster, startNatsCluster } from "../support/nats-cluster.js";
import { startNatsServer } from "../support/nats-server.js";
import { type Site, type Sites, startSites } from "../support/sites.js";

const BUCKET_STREAM = "KV_data";
const LOG_STREAM = "KVGW_site-a_data";
const STATE_STREAM = "KV_KVGW_site-a";
/** Few enough writes for each key to be among the revisions that the bucket keeps. */
const KEYS = 100;
const PAUSE_MS = 15;
/** An election takes up to 8 s on an idle machine, and a reader may be put on the dead server several times. */
const BACK_WITHIN_MS = 90_000;

/** What a client knows of the keys that it alone writes: the last value that was acknowledged, and all that came after. */
interface Written {
  readonly acknowledged: Map<string, number>;
  readonly attempted: Map<string, number>;
  count(): number;
}

describe("a site on a cluster beside one on a single server", () => {
  let cluster: NatsCluster;
  let sites: Sites;
  const stop = new AbortController();

  beforeAll(async () => {
    cluster = await startNatsCluster({ name: "site-a" });
    const single = await startNatsServer({ name: "site-b" });
    const [first] = cluster.servers;
    if (first === undefined) throw new Error("three servers");
    sites = await startSites({
      servers: [first, single],
      buckets: "  data: { create: { replicas: 3, history: 64 } }",
      describe: (server) => `{ servers: ${JSON.stringify(server === single ? [single.url] : cluster.urls)} }`,
    });
  });
  afterAll(async () => {
    stop.abort();
    await sites?.dispose();
    await cluster?.dispose();
  });

  it("goes on when the leader of a stream is killed, loses nothing, and ends equal", { timeout: 300_000 }, async () => {
    const [a, b] = [sites.site("site-a"), sites.site("site-b")];
    expect(await replicas(a.client)).toEqual({ [BUCKET_STREAM]: 3, [LOG_STREAM]: 3, [STATE_STREAM]: 3 });
    const begun = await Promise.all(sites.all.map(identity));
    const writers = sites.all.map((site) => beginWriting(site, stop.signal));
    await untilWritesArrive(a, b, "before");

    for (const stream of [BUCKET_STREAM, LOG_STREAM]) {
      const leader = await cluster.leaderOf(a.client, stream);
      await leader.kill();
      // While it is dead: two of three are enough.
      await untilWritesArrive(a, b, `without the leader of ${stream}`);
      await untilLive(sites);
      expect(leader.pid).toBeUndefined();
      await leader.restart();
      for (const each of [BUCKET_STREAM, LOG_STREAM, STATE_STREAM]) await cluster.untilWhole(a.client, each);
    }

    stop.abort();
    const written = await Promise.all(writers.map(({ done }) => done));
    await untilLive(sites);
    const values = await sites.untilEqual("data", BACK_WITHIN_MS);
    for (const { acknowledged, attempted, count } of written) {
      expect(count()).toBeGreaterThan(KEYS);
      for (const [key, least] of acknowledged) {
        const found = Number(Buffer.from(values.get(key) ?? "", "base64").toString());
        expect(found, `${key} was acknowledged at ${least}`).toBeGreaterThanOrEqual(least);
        expect(found, `${key} was never written above`).toBeLessThanOrEqual(attempted.get(key) ?? 0);
      }
    }
    for (const { client } of sites.all) expect(await loggedTwice(client)).toEqual([]);
    expect(await Promise.all(sites.all.map(identity))).toEqual(begun);
    const verified = await kvgw(["verify", "-c", sites.configFile, "--site", "site-a"], { KVGW_HTTP: "127.0.0.1:0" });
    expect(verified).toMatchObject({ code: 0, stdout: expect.stringContaining("all sites are equal") });
  });
});

/** Which process it is, and since when: a gateway that has ended and was started anew would differ. */
async function identity({ gateway }: Site) {
  return { pid: gateway.pid, startedAt: (await gateway.status()).startedAt };
}

async function replicas(client: NatsConnection): Promise<Record<string, number>> {
  const { streams } = await jetstreamManager(client);
  const counts: Record<string, number> = {};
  for (const stream of [BUCKET_STREAM, LOG_STREAM, STATE_STREAM]) counts[stream] = (await streams.info(stream)).config.num_replicas;
  return counts;
}

/** On keys of its own, one after the other, and now and then on one that the other site writes as well. What fails is not
 *  tried again, since it may have arrived. */
function beginWriting({ name, client }: Site, signal: AbortSignal): { readonly done: Promise<Written> } {
  const [acknowledged, attempted] = [new Map<string, number>(), new Map<string, number>()];
  let count = 0;
  const write = async (): Promise<Written> => {
    const bucket = await new Kvm(client).open("data");
    for (let n = 1; !signal.aborted; n++) {
      const key = `${name}.${n % KEYS}`;
      attempted.set(key, n);
      const isStored = await bucket.put(key, String(n)).then(() => true, () => false);
      if (isStored) {
        acknowledged.set(key, n);
        count++;
      }
      if (n % 3 === 0) await bucket.put(`shared.${n % 20}`, `${name} ${n}`).catch(() => undefined);
      await sleep(PAUSE_MS);
    }
    return { acknowledged, attempted, count: () => count };
  };
  return { done: write() };
}

/** A write at each of the two sites, made now or as soon as the site takes it, is at the other. */
async function untilWritesArrive(a: Site, b: Site, when: string): Promise<void> {
  for (const [from, to] of [[a, b], [b, a]] as const) {
    const [at, there] = await Promise.all([from, to].map(({ client }) => new Kvm(client).open("data")));
    const key = `${from.name}.probe`;
    const what = `a write at ${from.name} is at ${to.name} ${when}`;
    await eventually(() => at?.put(key, when), { what, withinMs: BACK_WITHIN_MS, everyMs: 250 });
    const arrived = async () => expect((await there?.get(key))?.string()).toBe(when);
    await eventually(arrived, { what, withinMs: BACK_WITHIN_MS, everyMs: 250 });
  }
}

function untilLive(sites: Sites): Promise<unknown> {
  const check = async () => {
    for (const { gateway } of sites.all) {
      const { data } = (await gateway.status()).buckets as Record<string, { state: string; peers: Record<string, { state: string }> }>;
      expect([data?.state, ...Object.values(data?.peers ?? {}).map(({ state }) => state)]).toEqual(["live", "live"]);
    }
  };
  return eventually(check, { what: "both gateways are live by themselves", withinMs: BACK_WITHIN_MS, everyMs: 250 });
}

/** Values that stand here under two versions: every write has a value of its own, and the bucket keeps all of them. */
async function loggedTwice(client: NatsConnection): Promise<readonly string[]> {
  const versionByWrite = new Map<string, string>();
  const twice: string[] = [];
  const consumer = await jetstream(client).consumers.get(BUCKET_STREAM, { deliver_policy: DeliverPolicy.All });
  await eachUntilLast(consumer, "data", (message) => {
    const version = message.headers?.get("Kvgw-Version") ?? "";
    // A probe that was tried again is the same value twice.
    if (version === "" || message.subject.endsWith(".probe")) return;
    const write = `${message.subject} ${message.string()}`;
    const known = versionByWrite.get(write);
    if (known !== undefined && known !== version) twice.push(`${write}: ${known}, ${version}`);
    versionByWrite.set(write, version);
  });
  expect(versionByWrite.size).toBeGreaterThan(KEYS);
  return twice;
}
