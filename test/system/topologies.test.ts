/** The ways in which sites reach each other besides the direct one: over leaf nodes, and over a hub's log. */
import { Kvm } from "@nats-io/kv";
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterEach, describe, expect, it } from "vitest";
import { connectTo, connectionCount } from "../support/clients.js";
import { eventually } from "../support/eventually.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { type Site, type Sites, liveValues, startSites } from "../support/sites.js";

let sites: Sites | undefined;
const extra: NatsServer[] = [];

afterEach(async () => {
  await sites?.dispose();
  sites = undefined;
  await Promise.all(extra.splice(0).map((server) => server.dispose()));
});

/** A delete, a large value and many small ones, which no log has any more when the first of the others comes back: it can
 *  only ask. The rest comes back when it has been answered. */
async function loseLogWhileAway(sites: Sites, from: Site, others: readonly [Site, ...Site[]], hub: NatsConnection): Promise<void> {
  const [away, ...rest] = others;
  const [bucket, log] = [await new Kvm(from.client).open("config"), `KVGW_${from.name}_config`];
  await put(from, "config", ["deleted"]);
  await sites.untilEqual("config", 40_000);
  await Promise.all(others.map(({ gateway }) => gateway.stop()));
  await put(from, "config", Array.from({ length: 50 }, (_, n) => `key.${n}`));
  await bucket.put("large", LARGE);
  await bucket.delete("deleted");
  await put(away, "config", ["written.meanwhile"]);
  const manager = await jetstreamManager(hub);
  await eventually(async () => expect((await manager.streams.info(log)).state.messages).toBeGreaterThanOrEqual(52), {
    what: "everything is logged",
  });
  await manager.streams.purge(log);
  away.gateway.start();
  await away.gateway.untilReady();
  await eventually(async () => expect((await liveValues(away.client, "config")).size).toBe(52), {
    what: `${away.name} has what it asked for`,
    withinMs: 40_000,
  });
  for (const { gateway } of rest) gateway.start();
  await Promise.all(rest.map(({ gateway }) => gateway.untilReady()));
}

const LARGE = new Uint8Array(700_000).map((_, at) => at % 251);

async function expectRepaired(sites: Sites, away: Site): Promise<void> {
  const values = await sites.untilEqual("config", 40_000);
  expect([...values.keys()].filter((key) => key.startsWith("key."))).toHaveLength(50);
  expect([values.has("deleted"), values.has("written.meanwhile")]).toEqual([false, true]);
  expect(values.get("large")).toBe(Buffer.from(LARGE).toString("base64"));
  const bucket = await new Kvm(away.client).open("config");
  expect((await bucket.get("deleted"))?.operation).toBe("DEL");
}

const put = async ({ client, name }: Site, bucket: string, keys: readonly string[]) => {
  const opened = await new Kvm(client).open(bucket);
  for (const key of keys) await opened.put(key, `${name} wrote ${key}`);
};

describe("a hub and two leaf nodes with a JetStream domain each", () => {
  async function startLeaves(): Promise<Sites> {
    const hub = await startNatsServer({ name: "hub", domain: "hub", leafListen: true });
    const leaf = (name: string) => startNatsServer({ name, domain: name, leafRemotes: [hub.leafUrl ?? ""] });
    const servers = [hub, await leaf("leaf-1"), await leaf("leaf-2")];
    return startSites({
      names: ["hub", "leaf-1", "leaf-2"],
      servers,
      buckets: "  config: {}",
      describe: ({ name, url }) => `{ servers: ["${url}"], domain: ${name} }`,
    });
  }

  it("replicate between all three over each site's own connection alone", async () => {
    sites = await startLeaves();
    for (const site of sites.all) await put(site, "config", [`only.${site.name}`, "shared"]);
    const values = await sites.untilEqual("config");
    expect([...values.keys()].sort()).toEqual(["only.hub", "only.leaf-1", "only.leaf-2", "shared"]);
    // The gateway and the test's client: nobody connected from elsewhere.
    for (const { server } of sites.all) expect(await connectionCount(server)).toBe(2);
    for (const { client, name } of sites.all) {
      const { state } = await (await jetstreamManager(client)).streams.info(`KVGW_${name}_config`);
      expect(state.messages, `operations of ${name} in its own log only`).toBe(2);
    }
  });

  it("write locally while the hub is away, and end equal when it is back", async () => {
    sites = await startLeaves();
    const [hub, first, second] = ["hub", "leaf-1", "leaf-2"].map((name) => sites?.site(name));
    if (hub === undefined || first === undefined || second === undefined) throw new Error("three sites");
    await hub.server.kill();
    await put(first, "config", ["theme"]);
    await put(second, "config", ["theme", "other"]);
    await hub.server.restart();
    expect([...(await sites.untilEqual("config", 40_000)).keys()]).toEqual(["other", "theme"]);
  });

  it("repair over the hub what a leaf's log has lost, each over its own connection alone", async () => {
    sites = await startLeaves();
    const [first, second] = [sites.site("leaf-1"), sites.site("leaf-2")];
    await loseLogWhileAway(sites, first, [second, sites.site("hub")], first.client);
    await expectRepaired(sites, second);
    for (const { server } of sites.all) expect(await connectionCount(server)).toBe(2);
  });
});

describe("spokes whose logs live at a hub", () => {
  async function startSpokes(): Promise<NatsServer> {
    const hub = await startNatsServer({ name: "hub" });
    extra.push(hub);
    sites = await startSites({
      names: ["spoke-1", "spoke-2"],
      buckets: "  config: { sites: [spoke-1, spoke-2], log: hub }",
      others: [`hub: { servers: ["${hub.url}"] }`],
    });
    return hub;
  }

  it("replicate while they can reach only the hub, which has no gateway", async () => {
    const hub = await startSpokes();
    for (const site of sites?.all ?? []) await put(site, "config", [`only.${site.name}`, "shared"]);
    expect((await sites?.untilEqual("config"))?.size).toBe(3);
    for (const { server, client } of sites?.all ?? []) {
      expect(await connectionCount(server), "its own gateway and the test's client").toBe(2);
      const names: string[] = [];
      for await (const { config } of (await jetstreamManager(client)).streams.list()) names.push(config.name);
      expect(names.filter((stream) => stream.startsWith("KVGW_"))).toEqual([]);
    }
    const client = await connectTo(hub.url);
    const { state } = await (await jetstreamManager(client)).streams.info("KVGW_spoke-1_config");
    expect(state.messages).toBe(2);
    await client.close();
  });

  it("keep writing while the hub is away, and send only the last value per key afterwards", async () => {
    const hub = await startSpokes();
    const [first, second] = sites?.all ?? [];
    if (first === undefined || second === undefined) throw new Error("two sites");
    await put(first, "config", ["before"]);
    await sites?.untilEqual("config");
    await hub.kill();
    await put(first, "config", ["theme", "theme", "theme"]);
    await put(second, "config", ["other"]);
    await eventually(
      async () => {
        const { buckets } = await first.gateway.status();
        expect(Object.values<{ state: string }>(buckets)[0]?.state).toBe("degraded");
      },
      { what: "the spoke says that its log is away" },
    );
    await hub.restart();
    expect([...((await sites?.untilEqual("config", 40_000)) ?? new Map<string, string>()).keys()]).toEqual(["before", "other", "theme"]);
    const { buckets } = await first.gateway.status();
    expect(Object.values<{ state: string }>(buckets)[0]?.state).toBe("live");
  });

  it("repair what the log at the hub has lost, though neither can reach the other", async () => {
    const hub = await startSpokes();
    const [first, second] = sites?.all ?? [];
    if (sites === undefined || first === undefined || second === undefined) throw new Error("two sites");
    const client = await connectTo(hub.url);
    await loseLogWhileAway(sites, first, [second], client);
    await client.close();
    await expectRepaired(sites, second);
    for (const { server } of sites.all) expect(await connectionCount(server)).toBe(2);
  });
});
