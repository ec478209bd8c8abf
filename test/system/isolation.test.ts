/** I9 and F11: one bucket's trouble is its own, is told, and ends by itself. */
import { Kvm } from "@nats-io/kv";
import { jetstreamManager } from "@nats-io/jetstream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BucketStatus } from "../../src/gateway/status.js";
import { eventually } from "../support/eventually.js";
import { type Sites, startSites } from "../support/sites.js";

const BUCKETS = `
  healthy: {}
  awaited: { create: false }
  full: {}`;

describe("buckets in trouble beside a healthy one", () => {
  let sites: Sites;

  beforeAll(async () => {
    // The awaited bucket exists later: readiness is asked for without it first.
    sites = await startSites({ buckets: "  healthy: {}\n  full: {}" });
  });
  afterAll(() => sites.dispose());

  const bucket = async (site: string, name: string) =>
    ((await sites.site(site).gateway.status()).buckets as Record<string, BucketStatus>)[name];

  async function expectHealthy(before: BucketStatus | undefined): Promise<void> {
    const here = await new Kvm(sites.site("site-a").client).open("healthy");
    await here.put("alive", String(Math.random()));
    await sites.untilEqual("healthy");
    expect(await bucket("site-b", "healthy")).toMatchObject({ state: "live", startedAt: before?.startedAt });
    expect(await sites.site("site-b").gateway.metrics()).toContain('kvgw_pipeline_restarts_total{bucket="healthy"} 0');
  }

  it("wait for a bucket that they may not make, and take it up when it is there", async () => {
    const before = await bucket("site-b", "healthy");
    await sites.save(BUCKETS);
    await eventually(
      async () =>
        expect(await bucket("site-b", "awaited")).toMatchObject({ state: "degraded", reason: { code: "KVGW_BUCKET_MISSING" } }),
      { what: "the missing bucket is told" },
    );
    await expectHealthy(before);
    for (const { client } of sites.all) await new Kvm(client).create("awaited");
    await eventually(async () => expect(await bucket("site-b", "awaited")).toMatchObject({ state: "live" }), {
      what: "the bucket is taken up",
    });
  });

  it("stay degraded while a bucket is full, and recover when it is not", async () => {
    const before = await bucket("site-b", "healthy");
    const manager = await jetstreamManager(sites.site("site-b").client);
    const { config } = await manager.streams.info("KV_full");
    await manager.streams.update("KV_full", { ...config, max_bytes: 1_024 });
    const here = await new Kvm(sites.site("site-a").client).open("full");
    for (let index = 0; index < 20; index++) await here.put(`key.${index}`, "x".repeat(200));
    await eventually(
      async () =>
        expect(await bucket("site-b", "full")).toMatchObject({ state: "degraded", reason: { code: "KVGW_BUCKET_FULL" } }),
      { what: "the full bucket is told" },
    );
    await expectHealthy(before);
    await manager.streams.update("KV_full", { ...config, max_bytes: -1 });
    expect((await sites.untilEqual("full", 40_000)).size).toBe(20);
    await eventually(async () => expect(await bucket("site-b", "full")).toMatchObject({ state: "live" }), { what: "live again" });
  });

  it("make a deleted operation log again, with everything that was written here", async () => {
    const before = await bucket("site-b", "healthy");
    const manager = await jetstreamManager(sites.site("site-a").client);
    const { state } = await manager.streams.info("KVGW_site-a_awaited");
    expect(state.messages).toBe(0);
    const here = await new Kvm(sites.site("site-a").client).open("awaited");
    await here.put("one", "1");
    await eventually(async () => expect((await sites.untilEqual("awaited")).size).toBe(1), { what: "the first write came over" });
    await manager.streams.delete("KVGW_site-a_awaited");
    await here.put("two", "2");
    await eventually(async () => expect([...(await sites.untilEqual("awaited")).keys()]).toEqual(["one", "two"]), {
      what: "both writes are at both sites",
    });
    expect((await manager.streams.info("KVGW_site-a_awaited")).state.messages).toBe(2);
    await expectHealthy(before);
  });

  it("notice a bucket that is deleted and made again", async () => {
    const before = await bucket("site-b", "healthy");
    const client = sites.site("site-a").client;
    await (await jetstreamManager(client)).streams.delete("KV_full");
    await eventually(async () => expect((await (await jetstreamManager(client)).streams.info("KV_full")).config.name).toBe("KV_full"), {
      what: "the bucket is there again",
    });
    await expectHealthy(before);
    // Absence is not a delete: the other site keeps what it has.
    const there = await new Kvm(sites.site("site-b").client).open("full");
    expect((await there.get("key.1"))?.operation).toBe("PUT");
  });
});

/** Applications may do everything; what the gateway may not publish is the test's to say. */
const usersWhere = (denied: string) => `
authorization { users: [
  { user: application, password: any }
  { user: gateway, password: secret, permissions: { publish: { deny: [${denied}] } } }
] }
no_auth_user: application`;

describe("a gateway that may no longer write a bucket", () => {
  let sites: Sites;

  beforeAll(async () => {
    sites = await startSites({
      buckets: "  healthy: {}\n  closed: {}",
      server: { extraConfig: usersWhere("") },
      describe: ({ url }) => `{ servers: ["${url}"], user: gateway, password: secret }`,
    });
  });
  afterAll(() => sites.dispose());

  it("tells so, serves the other buckets, and goes on when it may again", async () => {
    const { server, gateway } = sites.site("site-b");
    const bucketAtB = async (name: string) => ((await gateway.status()).buckets as Record<string, BucketStatus>)[name];
    const before = await bucketAtB("healthy");
    const kvm = new Kvm(sites.site("site-a").client);
    await server.reload(usersWhere('"$KV.closed.>"'));
    await (await kvm.open("closed")).put("k", "v");
    await eventually(
      async () => expect(await bucketAtB("closed")).toMatchObject({ state: "degraded", reason: { code: "KVGW_DENIED" } }),
      { what: "the denied bucket is told" },
    );
    await (await kvm.open("healthy")).put("k", "v");
    await sites.untilEqual("healthy");
    expect(await bucketAtB("healthy")).toMatchObject({ state: "live", startedAt: before?.startedAt });
    await server.reload(usersWhere(""));
    expect((await sites.untilEqual("closed", 40_000)).size).toBe(1);
    await eventually(async () => expect(await bucketAtB("closed")).toMatchObject({ state: "live" }), { what: "live again" });
  });
});
