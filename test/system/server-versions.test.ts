/** The core story on every server line that is supported, and between sites that run different ones. */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { afterEach, describe, expect, it } from "vitest";
import { kvgw } from "../cli/kvgw.js";
import { eventually } from "../support/eventually.js";
import { startNatsServer } from "../support/nats-server.js";
import { type Site, type Sites, startSites } from "../support/sites.js";

const PAIRS = [
  ["2.15", "2.15"],
  ["2.10", "2.10"],
  ["2.9", "2.9"],
  ["2.15", "2.9"],
] as const;

describe.each(PAIRS)("a site on nats-server %s and one on %s", (versionA, versionB) => {
  let sites: Sites | undefined;
  afterEach(() => sites?.dispose());

  it("replicate puts, deletes and purges, survive a server's death and end equal", async () => {
    const servers = [
      await startNatsServer({ name: "site-a", version: versionA }),
      await startNatsServer({ name: "site-b", version: versionB }),
    ];
    sites = await startSites({ servers, buckets: "  data: {}" });
    const [a, b] = await Promise.all(sites.all.map(({ client }) => new Kvm(client).open("data")));
    if (a === undefined || b === undefined) throw new Error("two buckets");
    for (let index = 0; index < 50; index++) {
      await a.put(`a.${index}`, `value ${index}`);
      await b.put(`b.${index}`, `value ${index}`);
    }
    await a.delete("a.0");
    await b.purge("b.0");
    expect((await sites.untilEqual("data")).size).toBe(98);
    await sites.site("site-b").server.kill();
    await a.put("theme", "dark");
    await sites.site("site-b").server.restart();
    await eventually(
      async () => expect((await sites?.untilEqual("data"))?.has("theme")).toBe(true),
      { what: "the write made meanwhile is at both sites" },
    );
  });

  it("lose nothing that is written while keys are purged, gateways are killed, and a log goes", { timeout: 120_000 }, async () => {
    const servers = [
      await startNatsServer({ name: "site-a", version: versionA }),
      await startNatsServer({ name: "site-b", version: versionB }),
    ];
    sites = await startSites({ servers, buckets: "  data: { reconcileInterval: 2s }" });
    const expected = new Map<string, string>();
    const write = async ({ name, client }: Site, burst: number) => {
      const bucket = await new Kvm(client).open("data");
      const puts = Array.from({ length: 100 }, (_, n) => {
        const [key, value] = [`${name}.${burst}.${n}`, `${burst} ${n}`];
        expected.set(key, Buffer.from(value).toString("base64"));
        return jetstream(client).publish(`$KV.data.${key}`, value);
      });
      await Promise.all([...puts, bucket.purge(`${name}.purged`), bucket.put(`${name}.purged`, "again")]);
      await bucket.purge(`${name}.purged`);
    };
    const bursts = async (from: number) => {
      for (let burst = from; burst < from + 8; burst++) await Promise.all((sites?.all ?? []).map((site) => write(site, burst)));
    };
    await bursts(0);
    const { gateway, client } = sites.site("site-a");
    await gateway.kill();
    await bursts(8);
    await (await jetstreamManager(client)).streams.delete("KVGW_site-a_data");
    gateway.start();
    await bursts(16);
    const values = await sites.untilEqual("data", 60_000);
    expect(values).toEqual(new Map([...expected].sort(([a], [b]) => (a < b ? -1 : 1))));
    const verified = await kvgw(["verify", "-c", sites.configFile, "--site", "site-a"], { KVGW_HTTP: "127.0.0.1:0" });
    expect(verified).toMatchObject({ code: 0, stdout: expect.stringContaining("all sites are equal") });
  });
});
