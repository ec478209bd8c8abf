import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectTo, openBucket } from "../support/clients.js";
import { freePorts } from "../support/nats-process.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { type Ended, type Folder, kvgw, temporaryFolder } from "./kvgw.js";

let folder: Folder;
let servers: readonly NatsServer[];
let a: NatsConnection;
let b: NatsConnection;

beforeAll(async () => {
  folder = await temporaryFolder();
  servers = await Promise.all([startNatsServer(), startNatsServer()]);
  [a, b] = (await Promise.all(servers.map(({ url }) => connectTo(url)))) as [NatsConnection, NatsConnection];
});

afterAll(async () => {
  await Promise.all([a?.close(), b?.close()]);
  await Promise.all((servers ?? []).map((server) => server.dispose()));
  await folder.remove();
});

const sites = (urls: readonly (string | undefined)[]) =>
  `version: 1\nsite: site-a\nsites:\n${urls.map((url, index) => `  site-${"ab"[index]}: { servers: ["${url}"] }\n`).join("")}`;

/** Runs verify on a file with these buckets, the text below `buckets:`. */
async function verify(buckets: string, args: readonly string[] = [], urls = servers.map(({ url }) => url)): Promise<Ended> {
  const file = await folder.write("gateway.yaml", `${sites(urls)}buckets:\n${buckets}`);
  return kvgw(["verify", "-c", file, ...args]);
}

type Entries = Readonly<Record<string, string>>;

/** The bucket at both sites with these entries; what stands in `extraAtA` only at the first. */
async function fill(bucket: string, entries: Entries, extraAtA: Entries = {}): Promise<void> {
  for (const [connection, values] of [[a, { ...entries, ...extraAtA }], [b, entries]] as const) {
    const kv = await openBucket(connection, bucket);
    for (const [key, value] of Object.entries(values)) await kv.put(key, value);
  }
}

describe("kvgw verify", () => {
  it("finds sites with the same keys and values equal", async () => {
    await fill("equal", { theme: "dark", "app/lang": "es", empty: "" });
    const { code, stdout, stderr } = await verify("  equal: {}\n");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).not.toContain("\u001b");
    expect(stdout).toMatch(/^equal +site-a, site-b +3 +0 +equal *$/m);
    expect(stdout).toMatch(/all sites are equal\n$/);
  });

  it("finds a key that one site misses", async () => {
    await fill("missing", { theme: "dark" }, { lang: "es" });
    const { code, stdout } = await verify("  missing: {}\n");
    expect(code).toBe(2);
    expect(stdout).toMatch(/^missing +site-a, site-b +2 \/ 1 +1 +different: 1 missing *$/m);
    expect(stdout).toMatch(/^lang +site-a +newest +2 bytes, hash [0-9a-f]{8} +not logged yet *$/m);
    expect(stdout).toMatch(/^lang +site-b +missing +nothing *$/m);
  });

  it("finds another value of the same length", async () => {
    await fill("value", { theme: "dark" });
    await (await openBucket(a, "value")).put("theme", "pink");
    const { code, stdout } = await verify("  value: {}\n");
    expect(code).toBe(2);
    expect(stdout).toMatch(/^theme +site-a +newest +4 bytes, hash [0-9a-f]{8} +not logged yet *$/m);
    expect(stdout).toMatch(/^theme +site-b +different +4 bytes, hash [0-9a-f]{8} +not logged yet *$/m);
  });

  it("takes tombstones for absent, but not for an empty value", async () => {
    await fill("tombs", {}, { deleted: "x", purged: "x", emptied: "" });
    const kv = await openBucket(a, "tombs");
    await kv.delete("deleted");
    await kv.purge("purged");
    await (await openBucket(b, "tombs")).delete("emptied");
    const { code, stdout } = await verify("  tombs: {}\n", ["--json"]);
    expect(code).toBe(2);
    const { buckets } = JSON.parse(stdout) as { buckets: { differingKeys: { key: string }[] }[] };
    expect(buckets[0]?.differingKeys.map(({ key }) => key)).toEqual(["emptied"]);
  });

  it("says which site has no such bucket, even if the others' are empty", async () => {
    await openBucket(a, "lonely");
    const { code, stdout } = await verify("  lonely: {}\n");
    expect(code).toBe(2);
    expect(stdout).toMatch(/no such bucket at site-b/);
  });

  it("lists the keys that a site without the bucket misses", async () => {
    const kv = await openBucket(a, "absent");
    await kv.put("theme", "dark");
    const { code, stdout } = await verify("  absent: {}\n");
    expect(code).toBe(2);
    expect(stdout).toMatch(/^theme +site-a +newest +4 bytes, hash [0-9a-f]{8} +not logged yet *$/m);
  });

  it("looks only at keys that take part", async () => {
    await fill("filtered", { "app.theme": "dark" }, { "tmp.x": "1", "app.private.y": "2" });
    const keys = 'keys: { include: ["app.>"], exclude: ["app.private.>"] }';
    expect((await verify(`  filtered: { ${keys} }\n`)).code).toBe(0);
    expect((await verify("  filtered: {}\n")).code).toBe(2);
  });

  it("reads a bucket under its own name at each site", async () => {
    await (await openBucket(a, "cfg_a")).put("theme", "dark");
    await (await openBucket(b, "cfg_b")).put("theme", "dark");
    const { code, stdout } = await verify("  named: { sites: { site-a: { bucket: cfg_a }, site-b: { bucket: cfg_b } } }\n", ["--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      buckets: [{ bucket: "named", sites: { "site-a": { bucket: "cfg_a", keys: 1 }, "site-b": { bucket: "cfg_b", keys: 1 } } }],
    });
  });

  it("looks only at the buckets that were named", async () => {
    await fill("first", { k: "1" });
    await fill("second", { k: "1" });
    await fill("third", { k: "1" }, { only: "a" });
    const buckets = "  first: {}\n  second: {}\n  third: {}\n";
    const { code, stdout } = await verify(buckets, ["--bucket", "first", "-b", "second", "--json"]);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { buckets: { bucket: string }[] }).buckets.map(({ bucket }) => bucket)).toEqual(["first", "second"]);
    expect((await verify(buckets)).code).toBe(2);
  });

  it("ends with 64 for a bucket that the config does not have", async () => {
    const { code, stdout, stderr } = await verify("  first: {}\n", ["--bucket", "frist"]);
    expect({ code, stdout }).toEqual({ code: 64, stdout: "" });
    expect(stderr).toMatch(/^KVGW_USAGE .*frist.*first\n$/);
  });

  it("ends with 64 for a number of looks and a wait that are none", async () => {
    for (const args of [["--retries", "-1"], ["--retries", "many"], ["--retries", "1001"], ["--wait", "5"], ["--wait", "2h"]]) {
      const { code, stdout, stderr } = await verify("  first: {}\n", args);
      expect({ args, code, stdout }).toEqual({ args, code: 64, stdout: "" });
      expect(stderr).toMatch(new RegExp(`^KVGW_USAGE ${args[0]} ${args[1]}: must be a `));
    }
  });

  it("ends with 69 and names the site that cannot be reached", async () => {
    await fill("reach", { k: "1" });
    const [port] = await freePorts(1);
    const { code, stdout, stderr } = await verify("  reach: {}\n", [], [servers[0]?.url ?? "", `nats://127.0.0.1:${port}`]);
    expect({ code, stdout }).toEqual({ code: 69, stdout: "" });
    expect(stderr).toMatch(/^KVGW_UNREACHABLE nothing was compared; site site-b: /);
    expect(stderr).not.toContain("site-a");
  });

  it("ends with 78 for a config with problems", async () => {
    expect((await verify("  first: { policy: newest }\n")).code).toBe(78);
  });

  it("prints one JSON document that scripts can rely on", async () => {
    await fill("shape", { theme: "dark" }, { lang: "es" });
    const { stdout, stderr } = await verify("  shape: {}\n", ["--json"]);
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual({
      equal: false,
      buckets: [
        {
          bucket: "shape",
          equal: false,
          sites: {
            "site-a": { bucket: "shape", exists: true, keys: 2, tombstones: 0, notLogged: 2 },
            "site-b": { bucket: "shape", exists: true, keys: 1, tombstones: 0, notLogged: 1 },
          },
          categories: { different: 0, missing: 1, extra: 0, version: 0 },
          inFlight: 0,
          differences: 1,
          differencesComplete: true,
          versionsComplete: true,
          versionKeys: [],
          differingKeys: [
            {
              key: "lang",
              category: "missing",
              sites: {
                "site-a": {
                  ...{ is: "newest", kind: "value", hash: expect.stringMatching(/^[0-9a-f]{32}$/), bytes: 2, revision: 2 },
                  ...{ writtenAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/), version: null },
                },
                "site-b": { is: "missing", kind: "missing" },
              },
            },
          ],
        },
      ],
    });
  });

  it("shows the first 20 differing keys and counts all", async () => {
    const many = Object.fromEntries(Array.from({ length: 25 }, (_, index) => [`key-${String(index).padStart(2, "0")}`, "x"]));
    await fill("many", {}, many);
    const { stdout } = await verify("  many: {}\n");
    expect(stdout).toMatch(/^many +site-a, site-b +25 \/ 0 +25 +different: 25 missing *$/m);
    expect(stdout.match(/^key-\d\d +site-a /gm)).toHaveLength(20);
    expect(stdout).toContain("… and 5 others");
  });

  it("reads values of any size and leaves no consumer behind", async () => {
    const large = "x".repeat(600_000);
    await fill("large", Object.fromEntries(Array.from({ length: 80 }, (_, index) => [`key-${index}`, large + index])));
    expect((await verify("  large: {}\n")).code).toBe(0);
    for (const connection of [a, b]) {
      const manager = await jetstreamManager(connection);
      expect((await manager.streams.info("KV_large")).state.consumer_count).toBe(0);
    }
  });
});

describe("kvgw verify over a leaf node", () => {
  it("reaches a site through another one and its domain", async () => {
    const hub = await startNatsServer({ domain: "hub", leafListen: true });
    const edge = await startNatsServer({ domain: "edge", leafRemotes: [hub.leafUrl ?? ""] });
    const clients = await Promise.all([connectTo(hub.url), connectTo(edge.url)]);
    try {
      for (const client of clients) await (await openBucket(client, "config")).put("theme", "dark");
      const text = `version: 1
site: hub
sites:
  hub: { servers: ["${hub.url}"] }
  edge: { via: hub, domain: edge }
buckets:
  config: {}
`;
      const file = await folder.write("leaf.yaml", text);
      expect(await kvgw(["verify", "-c", file])).toMatchObject({ code: 0 });
      await (await openBucket(clients[1], "config")).put("theme", "light");
      expect(await kvgw(["verify", "-c", file])).toMatchObject({ code: 2 });
      await edge.kill();
      const { code, stderr } = await kvgw(["verify", "-c", file]);
      expect(code).toBe(69);
      expect(stderr).toContain("bucket config at edge");
    } finally {
      await Promise.all(clients.map((client) => client.close()));
      await Promise.all([edge.dispose(), hub.dispose()]);
    }
  });
});
