/** A site behind a link of 50 kbit/s: what matters first comes first, all of it comes, and other links are not slowed. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jetstreamManager } from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/transport-node";
import { type Proxy, createProxy } from "../chaos/proxy.js";
import { connectTo } from "../support/clients.js";
import { eventually } from "../support/eventually.js";
import { type GatewayInside, startGatewayInside } from "../support/gateway-inside.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { liveValues } from "../support/sites.js";

const SITES = ["site-a", "site-b", "site-c"] as const;
type SiteName = (typeof SITES)[number];
const THIN_BYTES_PER_SECOND = 6_250;
/** With what NATS itself says, the link is full. */
const BUDGET = 5_000;
const VALUE = "x".repeat(1_000);
const VITAL = 14;
const BULK = 30;

describe("a site that returns over a thin link", () => {
  const servers = {} as Record<SiteName, NatsServer>;
  const clients = {} as Record<SiteName, NatsConnection>;
  const gateways: GatewayInside[] = [];
  let proxy: Proxy;
  /** Keys as they came at site-b, of all buckets, in order. */
  const arrived: string[] = [];

  const yaml = (at: SiteName, { bytesPerSecond = BUDGET, bulk = 1 } = {}) => {
    const url = (site: SiteName) => (at === "site-b" && site === "site-a" ? `nats://127.0.0.1:${proxy.port}` : servers[site].url);
    const lines = SITES.map((site) => `  ${site}: { servers: ["${url(site)}"], bytesPerSecond: ${site === "site-a" ? bytesPerSecond : 0} }`);
    return `version: 1\nsites:\n${lines.join("\n")}\nbuckets:
  bulk: { sites: [site-a, site-b], priority: ${bulk} }
  vital: { sites: [site-a, site-b], priority: 10 }
  other: { sites: [site-b, site-c], priority: 1 }
`;
  };
  const bucket = (site: SiteName, name: string): Promise<KV> => new Kvm(clients[site]).create(name);
  const count = (prefix: string) => arrived.filter((key) => key.startsWith(prefix)).length;

  async function watch(name: string): Promise<void> {
    const entries = await (await bucket("site-b", name)).watch();
    void (async () => {
      for await (const { key } of entries) arrived.push(key);
    })();
  }

  beforeAll(async () => {
    for (const site of SITES) {
      servers[site] = await startNatsServer({ name: site });
      clients[site] = await connectTo(servers[site].url);
    }
    proxy = await createProxy(Number(new URL(servers["site-a"].url).port));
    for (const site of ["site-a", "site-c"] as const) gateways.push(await startGatewayInside(yaml(site), site));
    for (const gateway of gateways) await gateway.untilReady();
    const [bulk, vital] = [await bucket("site-a", "bulk"), await bucket("site-a", "vital")];
    for (let n = 0; n < BULK; n++) await bulk.put(`bulk.${n}`, VALUE);
    for (let n = 0; n < VITAL; n++) await vital.put(`vital.${n}`, VALUE);
    const { streams } = await jetstreamManager(clients["site-a"]);
    const logged = async (name: string) => (await streams.info(`KVGW_site-a_${name}`)).state.messages;
    await eventually(async () => (await logged("bulk")) === BULK && (await logged("vital")) === VITAL, { what: "site-a has logged it" });
    for (const name of ["bulk", "vital", "other"]) await watch(name);
    proxy.setWeather({ bytesPerSecond: THIN_BYTES_PER_SECOND });
  });
  afterAll(async () => {
    await Promise.all(gateways.map(({ gateway }) => gateway.stop()));
    await Promise.all(Object.values(clients).map((client) => client.close()));
    await proxy.close();
    await Promise.all(Object.values(servers).map((server) => server.dispose()));
  });

  it("has first what has priority, and at once what another site writes meanwhile", async () => {
    gateways.push(await startGatewayInside(yaml("site-b"), "site-b"));
    await eventually(() => count("vital.") === VITAL, { what: "what has priority is there", withinMs: 60_000 });
    await (await bucket("site-c", "other")).put("from-c", "v");
    await eventually(() => arrived.includes("from-c"), { what: "the other site's write is there" });
    expect(count("bulk.")).toBeLessThan(BULK);
    const isVital = (key: string) => key.startsWith("vital.");
    const during = arrived.slice(arrived.findIndex(isVital), arrived.findLastIndex(isVital));
    // In equal shares it would be as much.
    expect(during.filter((key) => key.startsWith("bulk.")).length).toBeLessThan(VITAL / 2);
  }, 90_000);

  it("has everything in the end", async () => {
    await eventually(() => count("bulk.") === BULK, { what: "the rest is there", withinMs: 60_000 });
    for (const name of ["bulk", "vital"]) {
      const [here, there] = [await liveValues(clients["site-a"], name), await liveValues(clients["site-b"], name)];
      await eventually(async () => expect(await liveValues(clients["site-a"], name)).toEqual(there), { what: "all are equal" });
      expect(here.size).toBeGreaterThanOrEqual(VITAL);
    }
  }, 90_000);

  it("takes up another budget and other priorities without a restart", async () => {
    const gateway = gateways[2]?.gateway;
    const before = Object.values(gateway?.status().buckets ?? {}).map(({ startedAt }) => startedAt);
    const outcome = await gateway?.reload(yaml("site-b", { bytesPerSecond: 0, bulk: 9 }));
    expect(outcome).toMatchObject({ result: "applied", restarted: [], started: [], stopped: [], updated: ["bulk", "vital"] });
    proxy.clear();
    await (await bucket("site-a", "bulk")).put("after", "v");
    await eventually(() => arrived.includes("after"), { what: "replication goes on" });
    expect(Object.values(gateway?.status().buckets ?? {}).map(({ startedAt }) => startedAt)).toEqual(before);
  });
});
