/** The lab's partition story, on real servers and real gateway processes. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type KV, Kvm } from "@nats-io/kv";
import { connectTo } from "../support/clients.js";
import { eventually } from "../support/eventually.js";
import { startGatewayInside } from "../support/gateway-inside.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { type Sites, liveValues, startSites } from "../support/sites.js";

const BUCKETS = "  config: { subject: rep.kv.ops.config }";
const text = (value: string | undefined) => (value === undefined ? undefined : Buffer.from(value, "base64").toString());

describe("a partition between two sites", () => {
  let sites: Sites;

  beforeEach(async () => {
    sites = await startSites({ buckets: BUCKETS });
  });
  afterEach(() => sites.dispose());

  /** As an application that starts now: what a client sends while it reconnects is lost, which is not our subject. */
  async function change(site: string, work: (bucket: KV) => Promise<unknown>): Promise<void> {
    const client = await connectTo(sites.site(site).server.url);
    await work(await new Kvm(client).open("config"));
    await client.close();
  }
  const put = (site: string, key: string, value: string) => change(site, (bucket) => bucket.put(key, value));
  const remove = (site: string, key: string) => change(site, (bucket) => bucket.delete(key));
  const valueAt = async (site: string, key: string) => text((await liveValues(sites.site(site).client, "config")).get(key));
  const untilBothHold = (key: string, value: string | undefined) =>
    eventually(
      async () => {
        expect([await valueAt("site-a", key), await valueAt("site-b", key)]).toEqual([value, value]);
      },
      { what: `both sites hold ${key}=${String(value)}` },
    );

  it("ends with the later write of a site whose NATS had been down", async () => {
    await sites.site("site-b").server.kill();
    await put("site-a", "theme", "dark");
    await sites.site("site-b").server.restart();
    await put("site-b", "theme", "light");
    await untilBothHold("theme", "light");
  });

  it("ends with the later delete of a site whose NATS had been down", async () => {
    await sites.site("site-b").server.kill();
    await put("site-a", "theme", "dark");
    await sites.site("site-b").server.restart();
    await remove("site-b", "theme");
    await untilBothHold("theme", undefined);
    expect((await sites.untilEqual("config")).size).toBe(0);
  });

  it("brings a delete to a site that was down when it happened", async () => {
    await put("site-b", "theme", "light");
    await untilBothHold("theme", "light");
    await sites.site("site-b").server.kill();
    await remove("site-a", "theme");
    await sites.site("site-b").server.restart();
    await untilBothHold("theme", undefined);
  });

  it("ends with the later write made while its site's gateway was down", async () => {
    await put("site-a", "seen", "dark");
    await untilBothHold("seen", "dark");
    await sites.site("site-b").gateway.kill();
    await put("site-a", "unseen", "dark");
    await put("site-b", "seen", "light");
    await put("site-b", "unseen", "light");
    sites.site("site-b").gateway.start();
    await untilBothHold("seen", "light");
    await untilBothHold("unseen", "light");
  });

  it("ends with the later delete made while its site's gateway was down", async () => {
    await put("site-a", "theme", "dark");
    await untilBothHold("theme", "dark");
    await sites.site("site-b").gateway.kill();
    await remove("site-b", "theme");
    sites.site("site-b").gateway.start();
    await untilBothHold("theme", undefined);
  });
});

describe("a site whose clock is an hour behind", () => {
  const servers: NatsServer[] = [];
  const clean: (() => Promise<unknown>)[] = [];

  afterEach(async () => {
    for (const undo of clean.splice(0).reverse()) await undo();
    await Promise.all(servers.splice(0).map((server) => server.dispose()));
  });

  async function startPair(): Promise<string> {
    servers.push(...(await Promise.all(["site-a", "site-b"].map((name) => startNatsServer({ name })))));
    const lines = servers.map(({ name, url }) => `  ${name}: { servers: ["${url}"] }`);
    return `version: 1\nsites:\n${lines.join("\n")}\nbuckets:\n  config: { maxClockSkew: 2h }\n`;
  }

  it.each([
    ["write", "light"],
    ["delete", undefined],
  ])("wins with a %s over a value that it has seen", async (_what, value) => {
    const yaml = await startPair();
    const a = await startGatewayInside(yaml, "site-a");
    const b = await startGatewayInside(yaml, "site-b", { clockOffsetMs: -3_600_000 });
    clean.push(() => a.gateway.stop(), () => b.gateway.stop());
    await Promise.all([a.untilReady(), b.untilReady()]);
    const clients = await Promise.all(servers.map(({ url }) => connectTo(url)));
    clean.push(() => Promise.all(clients.map((client) => client.close())));
    const [kvA, kvB] = await Promise.all(clients.map((client) => new Kvm(client).open("config")));
    const read = async () =>
      Promise.all([kvA, kvB].map(async (kv) => {
        const entry = await kv?.get("theme");
        return entry?.operation === "PUT" ? entry.string() : undefined;
      }));

    await kvA?.put("theme", "dark");
    await eventually(async () => expect(await read()).toEqual(["dark", "dark"]), { what: "B has seen A's value" });
    if (value === undefined) await kvB?.delete("theme");
    else await kvB?.put("theme", value);
    await eventually(async () => expect(await read()).toEqual([value, value]), { what: "B's later change is everywhere" });
  });
});
