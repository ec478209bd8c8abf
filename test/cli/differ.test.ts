/** What `kvgw verify` says of sites whose gateways have run: versions, tombstones, and every way in which a key can differ. */
import { type JetStreamManager, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import { headers } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bucketContents } from "../support/clients.js";
import { eventually } from "../support/eventually.js";
import { startNatsServer } from "../support/nats-server.js";
import { type Sites, startSites } from "../support/sites.js";
import { type Ended, kvgw, startKvgw } from "./kvgw.js";

interface Held {
  readonly is: string;
  readonly kind: string;
  readonly version?: string | null;
}

interface Key {
  readonly key: string;
  readonly category: string;
  readonly sites: Readonly<Record<string, Held>>;
}

interface Bucket {
  readonly categories: Readonly<Record<string, number>>;
  readonly sites: Readonly<Record<string, { readonly keys: number; readonly tombstones: number; readonly notLogged: number }>>;
  readonly inFlight: number;
  readonly differences: number;
  readonly differingKeys: readonly Key[];
  readonly versionKeys: readonly Key[];
}

describe.each(["2.15", "2.9"] as const)("sites on nats-server %s", (version) => {
  let sites: Sites;
  let a: KV;
  let b: KV;
  let streamsOfB: JetStreamManager;

  beforeAll(async () => {
    const servers = await Promise.all(["site-a", "site-b"].map((name) => startNatsServer({ name, version })));
    sites = await startSites({ servers, buckets: "  config: {}\n" });
    [a, b] = (await Promise.all(sites.all.map(({ client }) => new Kvm(client).open("config")))) as [KV, KV];
    streamsOfB = await jetstreamManager(sites.site("site-b").client);
    for (let index = 0; index < 30; index++) await (index % 2 === 0 ? a : b).put(`key.${index}`, `value ${index}`);
    await a.delete("key.0");
    await b.purge("key.1");
    await sites.untilEqual("config");
    // From here on nothing moves by itself.
    await Promise.all(sites.all.map(({ gateway }) => gateway.stop()));
  });
  afterAll(() => sites?.dispose());

  const verify = (...args: string[]): Promise<Ended> =>
    kvgw(["verify", "-c", sites.configFile, "--site", "site-a", ...args], { KVGW_HTTP: "127.0.0.1:0" });

  async function report(...args: string[]): Promise<{ code: number | null; bucket: Bucket; text: string }> {
    const { code, stdout, stderr } = await verify("--json", "--retries", "1", "--wait", "1ms", ...args);
    expect(stderr).toBe("");
    const { buckets } = JSON.parse(stdout) as { buckets: readonly [Bucket] };
    return { code, bucket: buckets[0], text: stdout };
  }

  /** As a client may, who writes our header by hand. */
  async function forge(key: string, value: string, versionText: string): Promise<void> {
    const forged = headers();
    forged.set("Kvgw-Version", versionText);
    await jetstream(sites.site("site-b").client).publish(`$KV.config.${key}`, value, { headers: forged });
  }

  const versionAtB = async (key: string): Promise<string> => {
    const held = (await bucketContents(sites.site("site-b").client, "config")).get(key)?.headers.get("Kvgw-Version");
    if (held === undefined) throw new Error(`${key} has no version at site-b`);
    return held;
  };

  it("are equal in every version, tombstones included, once their gateways have done their work", async () => {
    const { code, bucket } = await report("--strict");
    expect(bucket).toMatchObject({ differences: 0, inFlight: 0, categories: { different: 0, missing: 0, extra: 0, version: 0 } });
    const counts = { keys: 28, tombstones: 2, notLogged: 0 };
    expect(bucket.sites).toMatchObject({ "site-a": counts, "site-b": counts });
    expect(code).toBe(0);
  });

  it("do not differ where one has swept a tombstone", async () => {
    await streamsOfB.streams.purge("KV_config", { filter: "$KV.config.key.0" });
    const { code, bucket } = await report("--strict");
    expect(bucket).toMatchObject({ differences: 0, sites: { "site-a": { tombstones: 2 }, "site-b": { tombstones: 1 } } });
    expect(code).toBe(0);
  });

  it("have the same value under another version: told, and a difference only with --strict", async () => {
    const [ts = "", site = ""] = (await versionAtB("key.2")).split(" ");
    const other = `${Number(ts) - 1} ${site}`;
    await forge("key.2", "value 2", other);
    const { code, bucket } = await report();
    expect(bucket).toMatchObject({ differences: 0, differingKeys: [], categories: { version: 1 } });
    expect(bucket.versionKeys).toMatchObject([
      { key: "key.2", category: "version", sites: { "site-a": { is: "newest", version: `${ts} ${site}` }, "site-b": { is: "version", version: other } } },
    ]);
    expect(code).toBe(0);
    const { stdout } = await verify("--retries", "0");
    expect(stdout).toMatch(/^config +site-a, site-b +28 +0 +equal, 1 under other versions *$/m);
    expect(stdout).toMatch(/^key\.2 +site-b +other version +7 bytes, hash [0-9a-f]{8} +\S+Z site-a *$/m);
    expect((await report("--strict")).code).toBe(2);
  });

  it("differ in each of the ways in which a key can differ", async () => {
    await a.delete("key.3");
    await streamsOfB.streams.purge("KV_config", { filter: "$KV.config.key.5" });
    await b.put("key.7", "written later");
    await forge("key.4", "forged!", await versionAtB("key.4"));
    const { code, bucket } = await report();
    expect(code).toBe(2);
    expect(bucket.categories).toEqual({ different: 2, missing: 1, extra: 1, version: 1 });
    expect(Object.fromEntries(bucket.differingKeys.map(({ key, category, sites: held }) => [key, [category, held["site-a"]?.is, held["site-b"]?.is]]))).toEqual({
      "key.3": ["extra", "newest", "extra"],
      "key.4": ["different", "newest", "different"],
      "key.5": ["missing", "newest", "missing"],
      "key.7": ["different", "different", "newest"],
    });
    const held = Object.fromEntries(bucket.differingKeys.map(({ key, sites: bySite }) => [key, bySite]));
    expect(held["key.3"]).toMatchObject({ "site-a": { kind: "delete", version: null }, "site-b": { kind: "value" } });
    expect(held["key.4"]?.["site-a"]?.version).toBe(held["key.4"]?.["site-b"]?.version);
    expect(held["key.5"]?.["site-b"]).toEqual({ is: "missing", kind: "missing" });
    expect(held["key.7"]).toMatchObject({ "site-a": { version: expect.stringMatching(/^\d{16} site-b$/) }, "site-b": { version: null } });
  });

  it("count what becomes equal while it is looked at as on the way", async () => {
    for (const site of sites.all) await new Kvm(site.client).create("moving");
    await sites.save("  moving: {}\n");
    const kv = await new Kvm(sites.site("site-a").client).open("moving");
    await kv.put("late", "comes");
    let looks = 0;
    const watching = sites.site("site-b").client.subscribe("$JS.API.STREAM.MSG.GET.KV_moving", {
      callback: (_, message) => void (message.string().includes("$KV.moving.late") && looks++),
    });
    const running = startKvgw(["verify", "-c", sites.configFile, "--site", "site-a", "--json", "--retries", "1000", "--wait", "20ms"], {
      KVGW_HTTP: "127.0.0.1:0",
    });
    // Not before it has found them different, the gateways may move anything.
    await eventually(() => looks > 2, { what: "the key is looked at again" });
    for (const { gateway } of sites.all) gateway.start();
    const { code, stdout, stderr } = await running.ended;
    watching.unsubscribe();
    expect(stderr).toBe("");
    expect((JSON.parse(stdout) as { buckets: readonly Bucket[] }).buckets[0]).toMatchObject({ differences: 0, inFlight: 1 });
    expect(code).toBe(0);
  });
});

describe("sites whose logs lie at a hub", () => {
  it("are compared by the versions there, and not at all while the hub is away", async () => {
    const hub = await startNatsServer({ name: "hub" });
    const buckets = "  config: { sites: [site-a, site-b], log: hub }\n";
    const sites = await startSites({ buckets, others: [`hub: { servers: ["${hub.url}"] }`] });
    const verify = () =>
      kvgw(["verify", "-c", sites.configFile, "--site", "site-a", "--strict"], { KVGW_HTTP: "127.0.0.1:0" });
    try {
      const kv = await new Kvm(sites.site("site-a").client).open("config");
      await kv.put("theme", "dark");
      await eventually(async () => expect((await sites.untilEqual("config")).size).toBe(1), { what: "the write came over" });
      expect(await verify()).toMatchObject({ code: 0, stderr: "" });
      await hub.kill();
      const { code, stderr } = await verify();
      expect(code).toBe(69);
      expect(stderr).toMatch(/^KVGW_UNREACHABLE nothing was compared; site hub: /);
    } finally {
      await sites.dispose();
      await hub.dispose();
    }
  });
});
