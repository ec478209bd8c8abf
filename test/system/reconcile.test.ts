/** What the operation logs lost on the way is found and repaired by asking the other gateway (F5, I12). */
import { Kvm } from "@nats-io/kv";
import { jetstreamManager } from "@nats-io/jetstream";
import { afterEach, describe, expect, it } from "vitest";
import type { BucketStatus } from "../../src/gateway/status.js";
import { eventually } from "../support/eventually.js";
import { type Sites, startSites } from "../support/sites.js";

let sites: Sites | undefined;
afterEach(() => sites?.dispose());

describe("sites of which one has lost its operation log", () => {
  it("end equal all the same: values of every size, deletes, and what comes from both", async () => {
    sites = await startSites({ buckets: "  config: {}" });
    const [a, b] = [sites.site("site-a"), sites.site("site-b")];
    const [here, there] = [await new Kvm(a.client).open("config"), await new Kvm(b.client).open("config")];
    await here.put("deleted", "v");
    await sites.untilEqual("config");
    await b.gateway.stop();
    const large = new Uint8Array(1_000_000).map((_, at) => at % 251);
    for (let n = 0; n < 500; n++) await here.put(`key.${n}`, `value ${n}`);
    await here.put("large", large);
    await here.put("empty", "");
    await here.delete("deleted");
    await there.put("of.b", "written while its gateway was away");
    const manager = await jetstreamManager(a.client);
    await eventually(async () => expect((await manager.streams.info("KVGW_site-a_config")).state.messages).toBe(503), {
      what: "everything is logged",
    });
    await manager.streams.purge("KVGW_site-a_config");
    b.gateway.start();
    await b.gateway.untilReady();
    const content = await sites.untilEqual("config", 40_000);
    expect(content.size).toBe(503);
    expect(Buffer.compare((await there.get("large"))?.value ?? Buffer.from(""), large)).toBe(0);
    expect((await there.get("deleted"))?.operation).toBe("DEL");
    await eventually(
      async () => {
        const { peers } = ((await b.gateway.status()).buckets as Record<string, BucketStatus>)["config"] as BucketStatus;
        expect(Date.parse(Object.values(peers)[0]?.lastEqualAt ?? "")).toBeGreaterThan(0);
        expect(await b.gateway.metrics()).toMatch(/^kvgw_clock_skew_seconds\{peer="site-a"\} -?[0-9.e-]+$/m);
      },
      { what: "both sides are proved equal", withinMs: 40_000 },
    );
  });
});
