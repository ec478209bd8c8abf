/** `kill -9` of a gateway again and again under load: nothing is lost, and both sites end equal (F4). */
import { Kvm } from "@nats-io/kv";
import { jetstreamManager } from "@nats-io/jetstream";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kvgw } from "../cli/kvgw.js";
import { type Sites, startSites } from "../support/sites.js";

const KILLS = 10;
const KEYS = 200;

describe("gateways killed under load", () => {
  let sites: Sites;

  beforeAll(async () => {
    sites = await startSites({ buckets: "  data: {}" });
  });
  afterAll(() => sites.dispose());

  it("lose nothing and end equal", async () => {
    const stop = new AbortController();
    const lastByKey = new Map<string, string>();
    const writers = sites.all.map((site) => write(site.name, stop.signal, lastByKey));
    for (let kill = 0; kill < KILLS; kill++) {
      const { gateway } = sites.site(kill % 2 === 0 ? "site-a" : "site-b");
      await sleep(300);
      await gateway.kill();
      await sleep(100);
      gateway.start();
    }
    stop.abort();
    const written = (await Promise.all(writers)).reduce((sum, count) => sum + count, 0);
    const values = await sites.untilEqual("data");
    // Each writer has keys of its own besides the shared ones: on those the last acknowledged value must stand.
    for (const [key, value] of lastByKey) {
      expect(Buffer.from(values.get(key) ?? "", "base64").toString(), `last value of ${key}`).toBe(value);
    }
    expect(written).toBeGreaterThan(KILLS * 10);
    const verified = await kvgw(["verify", "-c", sites.configFile, "--site", "site-a"], { KVGW_HTTP: "127.0.0.1:0" });
    expect(verified).toMatchObject({ code: 0, stdout: expect.stringContaining("all sites are equal") });
    for (const { client, name } of sites.all) {
      const { state } = await (await jetstreamManager(client)).streams.info(`KVGW_${name}_data`);
      expect(state.consumer_count).toBe(1);
    }
  });

  async function write(site: string, signal: AbortSignal, lastByKey: Map<string, string>): Promise<number> {
    const bucket = await new Kvm(sites.site(site).client).open("data");
    let count = 0;
    for (; !signal.aborted; count++) {
      const own = `${site}.${count % KEYS}`;
      const value = `${site} ${count}`;
      await bucket.put(own, value);
      lastByKey.set(own, value);
      if (count % 3 === 0) await bucket.put(`shared.${count % 20}`, value);
      if (count % 7 === 0) await bucket.delete(`shared.${(count * 3) % 20}`);
    }
    return count;
  }
});
