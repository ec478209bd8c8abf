/** What is asked of one bucket, from the command to real gateways over real servers and back. */
import { jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { afterEach, describe, expect, it } from "vitest";
import type { BucketName, SiteId } from "../../src/core/ids.js";
import { kvgw } from "../cli/kvgw.js";
import { eventually } from "../support/eventually.js";
import { type Site, type Sites, startSites } from "../support/sites.js";

const CONFIG = "config" as BucketName;
const SITE_A = "site-a" as SiteId;

let sites: Sites | undefined;
afterEach(() => sites?.dispose());

const stateOf = async ({ gateway }: Site) => (await gateway.status()).buckets[CONFIG]?.state;

describe("what is asked of a bucket", () => {
  it("reconcile: brings what a log has lost now, and proves it", async () => {
    sites = await startSites({ buckets: "  config: { reconcileInterval: 12h }" });
    const [a, b] = [sites.site("site-a"), sites.site("site-b")];
    const here = await new Kvm(a.client).open("config");
    await sites.untilEqual("config");
    await eventually(async () => typeof (await b.gateway.status()).buckets[CONFIG]?.peers[SITE_A]?.lastEqualAt === "string", {
      what: "the first round is over",
    });
    expect((await kvgw(["pause", "config", "--gateway", b.gateway.url])).code).toBe(0);
    for (let n = 0; n < 50; n++) await here.put(`key.${n}`, "v");
    const manager = await jetstreamManager(a.client);
    await eventually(async () => (await manager.streams.info("KVGW_site-a_config")).state.messages === 50, { what: "all is logged" });
    await manager.streams.purge("KVGW_site-a_config");
    expect((await kvgw(["resume", "config", "--gateway", b.gateway.url])).code).toBe(0);
    await b.gateway.untilReady();
    const { code, stdout } = await kvgw(["reconcile", "config", "--gateway", b.gateway.url]);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^config +site-a +equal +\d/m)]);
    expect((await sites.untilEqual("config")).size).toBe(50);
    const metrics = await b.gateway.metrics();
    expect(metrics).toMatch(/^kvgw_reconcile_rounds_total\{bucket="config",peer="site-a",result="equal"\} [1-9]/m);
    expect(metrics).toMatch(/^kvgw_reconcile_repairs_total\{bucket="config",peer="site-a"\} 50$/m);
  });

  it("pause: outlives a killed gateway; the config's own pause is above a resume", async () => {
    sites = await startSites({ buckets: "  config: {}" });
    const a = sites.site("site-a");
    expect(await a.gateway.post("/api/v1/buckets/config/pause")).toMatchObject({ code: 200, body: { state: "paused" } });
    await a.gateway.kill();
    a.gateway.start();
    await a.gateway.untilReady();
    await eventually(async () => (await stateOf(a)) === "paused", { what: "paused after the restart" });
    expect(await a.gateway.post("/api/v1/buckets/config/reconcile")).toMatchObject({
      code: 409,
      body: { code: "KVGW_BUCKET_NOT_RUNNING", message: "bucket config is paused: until kvgw resume config, also after a restart" },
    });
    await sites.save("  config: { paused: true }");
    await a.gateway.post("/api/v1/reload");
    const held = await a.gateway.post("/api/v1/buckets/config/resume");
    expect(held).toMatchObject({ code: 200, body: { state: "paused", pausedBy: ["config"], message: expect.stringContaining("wins") } });
    await sites.save("  config: {}");
    await a.gateway.post("/api/v1/reload");
    await eventually(async () => (await stateOf(a)) === "live", { what: "live again" });
  });

  it("of a bucket that is not there: 404, with those that are", async () => {
    sites = await startSites({ buckets: "  config: {}" });
    for (const action of ["reconcile", "pause", "resume"]) {
      expect(await sites.site("site-a").gateway.post(`/api/v1/buckets/nope/${action}`)).toEqual({
        code: 404,
        body: { code: "KVGW_USAGE", message: "this gateway runs no bucket nope; its buckets: config" },
      });
    }
  });
});
