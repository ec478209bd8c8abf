/**
 * Gateways of one site that share its buckets, as real processes under load: they come, stop, are killed and stand still, and
 * each time every bucket is soon worked by exactly one of them. In the end the sites are equal, and no write stands in a log
 * under two versions.
 */
import { readFile, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { jetstream } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { afterEach, describe, expect, it } from "vitest";
import { kvgw } from "../cli/kvgw.js";
import { eventually } from "../support/eventually.js";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.js";
import { freePorts } from "../support/nats-process.js";
import { type Site, type Sites, startSites } from "../support/sites.js";

/** So many that none of two gateways is left without one: once in 32,000 runs. */
const BUCKETS = Array.from({ length: 16 }, (_, n) => `bucket-${n}`);
const TEXT = BUCKETS.map((bucket) => `  ${bucket}: {}`).join("\n");
/** The promise is 15 s; the rest is for a busy machine. */
const REBALANCED_MS = 30_000;

let sites: Sites | undefined;
const beside: GatewayProcess[] = [];
afterEach(async () => {
  await Promise.all(beside.splice(0).map((gateway) => gateway.dispose()));
  await sites?.dispose();
  sites = undefined;
});

/** site-a is shared by its gateways; site-b has one, which knows nothing of that. */
const startShared = (buckets = TEXT) =>
  startSites({
    buckets,
    describe: ({ name, url }) => `{ servers: ["${url}"], gateways: ${name === "site-a" ? "all" : "one"} }`,
  });

async function startBeside({ configFile }: Sites): Promise<GatewayProcess> {
  const [httpPort = 0] = await freePorts(1);
  const gateway = startGatewayProcess({ configFile, site: "site-a", httpPort });
  beside.push(gateway);
  await eventually(() => gateway.status(), { what: "another gateway of site-a answers" });
  return gateway;
}

/** What each of them works and is live. */
async function worked(gateways: readonly GatewayProcess[]): Promise<readonly (readonly string[])[]> {
  const all = await Promise.all(gateways.map((gateway) => gateway.status()));
  return all.map(({ buckets }) => Object.entries(buckets).flatMap(([name, { lease, state }]) => (lease?.held && state === "live" ? [name] : [])));
}

/** All of them share, and every bucket falls to exactly one of them, which works it. */
async function untilShared(gateways: readonly GatewayProcess[], what: string): Promise<void> {
  await eventually(
    async () => {
      const all = await Promise.all(gateways.map((gateway) => gateway.status()));
      expect(all.map(({ members }) => members?.length)).toEqual(gateways.map(() => gateways.length));
      const due = all.flatMap(({ buckets }) => Object.entries(buckets).filter(([, { lease }]) => lease?.due !== false));
      const working = due.map(([name, { state, lease }]) => [name, state, lease?.held]);
      expect(working.sort()).toEqual(BUCKETS.map((bucket) => [bucket, "live", true]).sort());
    },
    { what, withinMs: REBALANCED_MS },
  );
}

/** Applications at every site that write and delete in every bucket, keys of their own and keys that all write. */
function startWriters(all: readonly Site[]) {
  const ending = new AbortController();
  const last = new Map<string, string>();
  const write = async ({ client, name }: Site): Promise<void> => {
    const buckets = await Promise.all(BUCKETS.map((bucket) => new Kvm(client).open(bucket)));
    for (let n = 0; !ending.signal.aborted; n++) {
      const at = n % BUCKETS.length;
      const own = `${name}.${n % 50}`;
      await buckets[at]?.put(own, `${name} ${n}`);
      last.set(`${BUCKETS[at]} ${own}`, `${name} ${n}`);
      if (n % 3 === 0) await buckets[at]?.put(`both.${n % 7}`, `${name} ${n}`);
      if (n % 11 === 0) await buckets[at]?.delete(`both.${n % 5}`);
      await sleep(2);
    }
  };
  const writing = all.map(write);
  return {
    async stop(): Promise<ReadonlyMap<string, string>> {
      ending.abort();
      await Promise.all(writing);
      return last;
    },
  };
}

/** The versions under which each entry of the site's buckets has been logged, as they are logged. */
async function followLogs({ client, name }: Site) {
  const versions = new Map<string, Set<string>>();
  const following = BUCKETS.map(async (bucket) => {
    const consumer = await jetstream(client).consumers.get(`KVGW_${name}_${bucket}`);
    const messages = await consumer.consume();
    const done = (async () => {
      for await (const { headers } of messages) {
        const entry = `${bucket} ${headers?.get("Kvgw-Revision")}`;
        versions.set(entry, (versions.get(entry) ?? new Set()).add(headers?.get("Kvgw-Version") ?? ""));
      }
    })();
    return { messages, done };
  });
  const all = await Promise.all(following);
  return {
    async stop(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
      for (const { messages } of all) messages.stop();
      await Promise.all(all.map(({ done }) => done));
      return versions;
    },
  };
}

async function expectAllKept(running: Sites, last: ReadonlyMap<string, string>): Promise<void> {
  for (const bucket of BUCKETS) {
    const values = await running.untilEqual(bucket, 60_000);
    for (const [where, value] of last) {
      const [of, key = ""] = where.split(" ");
      if (of === bucket) expect(Buffer.from(values.get(key) ?? "", "base64").toString(), `last value of ${where}`).toBe(value);
    }
  }
  const verified = await kvgw(["verify", "-c", running.configFile, "--site", "site-a"], { KVGW_HTTP: "127.0.0.1:0" });
  expect(verified).toMatchObject({ code: 0, stdout: expect.stringContaining("all sites are equal") });
}

const heldIn = (metrics: string) => [...metrics.matchAll(/^kvgw_bucket_lease_held\{bucket="([^"]+)"\} 1$/gm)].map(([, bucket]) => bucket);
const liveIn = (metrics: string) => [...metrics.matchAll(/^kvgw_pipeline_state\{bucket="([^"]+)",state="live"\} 1$/gm)].map(([, bucket]) => bucket);

describe("gateways that share the buckets of their site", () => {
  it("work each bucket once, whoever comes, stops or is killed; nothing is lost or logged as two writes", { timeout: 300_000 }, async () => {
    const running = (sites = await startShared());
    const first = running.site("site-a").gateway;
    const peer = running.site("site-b").gateway;
    const logs = await followLogs(running.site("site-a"));
    const writers = startWriters(running.all);
    const second = await startBeside(running);
    await untilShared([first, second], "two gateways share");
    const before = await worked([first, second]);
    const third = await startBeside(running);
    await untilShared([first, second, third], "three gateways share");
    // What moved went to the one that came.
    const after = await worked([first, second]);
    after.forEach((one, at) => expect(before[at]).toEqual(expect.arrayContaining([...one])));

    // The peer asks one gateway, whichever it is, and hears of all buckets.
    const askedMs = Date.now();
    await eventually(
      async () => {
        const { buckets } = await peer.status();
        for (const { peers } of Object.values(buckets)) {
          for (const { state, lastHeardAt } of Object.values(peers)) {
            expect(state).toBe("live");
            expect(Date.parse(lastHeardAt ?? "")).toBeGreaterThan(askedMs);
          }
        }
      },
      { what: "the peer hears of every bucket", withinMs: REBALANCED_MS },
    );

    expect(await second.stop()).toBe(0);
    await untilShared([first, third], "two are left after one has stopped");
    await third.kill();
    await untilShared([first], "one is left after another was killed");
    third.start();
    second.start();
    for (const again of [second, third]) await eventually(() => again.status(), { what: "it is back" });
    await untilShared([first, second, third], "three gateways share again");

    await sleep(1_000);
    await expectAllKept(running, await writers.stop());
    const versions = await logs.stop();
    expect(versions.size).toBeGreaterThan(100);
    expect([...versions].filter(([, of]) => of.size > 1)).toEqual([]);
  });

  it("say of each bucket who works it, refuse what another one must be asked, and count nothing twice", { timeout: 120_000 }, async () => {
    const running = (sites = await startShared());
    const first = running.site("site-a").gateway;
    const second = await startBeside(running);
    await untilShared([first, second], "two gateways share");
    const all = [first, second];
    const [own = [], others = []] = await worked(all);
    const [bucket = "", elsewhere = ""] = [own[0], others[0]];
    const status = await first.status();
    expect(status).toMatchObject({ role: "active", ready: true, lease: { held: true } });
    expect(status.members).toHaveLength(2);
    const reason = { code: "KVGW_WORKED_ELSEWHERE", message: expect.stringContaining(`process ${second.pid} `) };
    expect(Object.entries(status.buckets).find(([name]) => name === elsewhere)?.[1]).toMatchObject({
      ...{ state: "starting", reason, lease: { held: false, due: false, holder: expect.stringContaining(`process ${second.pid} `) } },
    });
    for (const gateway of all) expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200);
    const metrics = await Promise.all(all.map((gateway) => gateway.metrics()));
    for (const text of metrics) expect(text).toMatch(/^kvgw_lease_held 1$/m);
    expect(metrics.flatMap(heldIn).sort()).toEqual([...BUCKETS].sort());
    expect(metrics.flatMap(liveIn).sort()).toEqual([...BUCKETS].sort());

    for (const action of ["reconcile", "pause", "resume"]) {
      expect(await first.post(`/api/v1/buckets/${elsewhere}/${action}`)).toMatchObject({ code: 409, body: reason });
    }
    expect(await first.post("/api/v1/buckets/nowhere/pause")).toMatchObject({ code: 404, body: { code: "KVGW_USAGE" } });
    // A pause goes with the bucket.
    expect(await first.post(`/api/v1/buckets/${bucket}/pause`)).toMatchObject({ code: 200, body: { state: "paused" } });
    await first.kill();
    const moved = async () => expect((await second.status()).buckets).toMatchObject({ [bucket]: { state: "paused", lease: { held: true } } });
    await eventually(moved, { what: "the other one has taken over the pause", withinMs: REBALANCED_MS });
    expect(await second.post(`/api/v1/buckets/${bucket}/resume`)).toMatchObject({ code: 200 });
    await untilShared([second], "one works all");
  });

  it("notice who stands still, and share with it again once it goes on; nothing is lost", { timeout: 180_000 }, async () => {
    const running = (sites = await startShared());
    const first = running.site("site-a").gateway;
    const second = await startBeside(running);
    await untilShared([first, second], "two gateways share");
    const writers = startWriters(running.all);
    await sleep(500);
    second.signal("SIGSTOP");
    await untilShared([first], "the one that goes on works all");
    second.signal("SIGCONT");
    await untilShared([first, second], "both share again");
    await sleep(500);
    await expectAllKept(running, await writers.stop());
  });
});

describe("a site whose setting is changed while its gateways run", () => {
  it("goes from one that works to all that share, and back", { timeout: 180_000 }, async () => {
    const running = (sites = await startSites({ buckets: TEXT, describe: ({ url }) => `{ servers: ["${url}"], gateways: one }` }));
    const first = running.site("site-a").gateway;
    const second = await startBeside(running);
    await eventually(async () => expect((await second.status()).role).toBe("standby"), { what: "the second one waits" });
    const text = await readFile(running.configFile, "utf8");
    await writeFile(running.configFile, text.replaceAll("gateways: one", "gateways: all"));
    await untilShared([first, second], "both work");
    await writeFile(running.configFile, text);
    const roles = async () => (await Promise.all([first, second].map(async (gateway) => (await gateway.status()).role))).sort();
    await eventually(async () => expect(await roles()).toEqual(["active", "standby"]), { what: "one works", withinMs: REBALANCED_MS });
    await eventually(
      async () => {
        const all = await Promise.all([first, second].map((gateway) => gateway.status()));
        const states = all.find(({ role }) => role === "active")?.buckets ?? {};
        expect(Object.values(states).map(({ state, lease }) => [state, lease])).toEqual(BUCKETS.map(() => ["live", null]));
      },
      { what: "it works all", withinMs: REBALANCED_MS },
    );
  });
});
