/** Applications keep their plain NATS clients: whatever those may do to a bucket arrives at the other site as it was. */
import { randomBytes } from "node:crypto";
import { type KV, Kvm } from "@nats-io/kv";
import { jetstream } from "@nats-io/jetstream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bucketContents } from "../support/clients.js";
import { eventually } from "../support/eventually.js";
import { type Sites, startSites } from "../support/sites.js";

const MIB = 1024 * 1024;

describe.each([1, 10])("buckets with a history of %i", (history) => {
  let sites: Sites;
  let here: KV;
  let there: KV;

  beforeAll(async () => {
    const buckets = `  data: { create: { history: ${history} } }`;
    // A message of 1 MiB and its headers together exceed the server's usual limit of 1 MiB.
    sites = await startSites({ buckets, server: { maxPayload: 2 * MIB } });
    here = await new Kvm(sites.site("site-a").client).open("data");
    there = await new Kvm(sites.site("site-b").client).open("data");
  });
  afterAll(() => sites.dispose());

  const arrives = (key: string, value: Uint8Array | string) =>
    eventually(
      async () => {
        const entry = await there.get(key);
        expect(entry?.operation).toBe("PUT");
        expect(Buffer.from(entry?.value ?? []).equals(Buffer.from(value))).toBe(true);
      },
      { what: `${key} is at the other site, byte for byte` },
    );

  it("carries binary, empty and large values byte for byte", async () => {
    const values = {
      binary: Uint8Array.from({ length: 512 }, (_, index) => index % 256),
      crlf: Buffer.from("NATS/1.0\r\nKvgw-Version: 1 site-b\r\n\r\n"),
      empty: new Uint8Array(0),
      large: new Uint8Array(randomBytes(MIB)),
    };
    for (const [key, value] of Object.entries(values)) await here.put(key, value);
    for (const [key, value] of Object.entries(values)) await arrives(key, value);
  });

  it("carries keys of every legal shape", async () => {
    const keys = ["a", "A.b.C", "with-dash_and=equals/slash", "0", "a".repeat(200), "__proto__", "constructor", "x.__proto__.y"];
    for (const key of keys) await here.put(key, `value of ${key}`);
    for (const key of keys) await arrives(key, `value of ${key}`);
  });

  it("lets create and update with a revision hold at their site, and carries what they wrote", async () => {
    await here.create("lease", "first");
    await expect(here.create("lease", "second")).rejects.toThrow();
    await arrives("lease", "first");
    const revision = (await here.get("lease"))?.revision ?? 0;
    await here.update("lease", "renewed", revision);
    await expect(here.update("lease", "late", revision)).rejects.toThrow();
    await arrives("lease", "renewed");
  });

  it("lets a client create again what was deleted at the other site", async () => {
    await here.put("again", "one");
    await arrives("again", "one");
    await there.delete("again");
    await eventually(async () => expect((await here.get("again"))?.operation).toBe("DEL"), { what: "the delete came over" });
    await here.create("again", "two");
    await arrives("again", "two");
  });

  it("carries deletes and purges as what they are", async () => {
    for (const key of ["deleted", "purged"]) {
      await here.put(key, "one");
      await here.put(key, "two");
      await arrives(key, "two");
    }
    await here.delete("deleted");
    await here.purge("purged");
    await eventually(
      async () => {
        expect((await there.get("deleted"))?.operation).toBe("DEL");
        expect((await there.get("purged"))?.operation).toBe("PURGE");
      },
      { what: "the delete and the purge came over" },
    );
    const revisions: string[] = [];
    for await (const entry of await there.history({ key: "purged" })) revisions.push(entry.operation);
    expect(revisions).toEqual(["PURGE"]);
  });

  it("carries raw publishes, and gives applications no sight of its own headers", async () => {
    const js = jetstream(sites.site("site-a").client);
    await js.publish("$KV.data.raw.one", "plain");
    await arrives("raw.one", "plain");
    await js.publish("$KV.data.raw.one", "", { headers: await markDeleted() });
    await eventually(async () => expect((await there.get("raw.one"))?.operation).toBe("DEL"), { what: "the raw delete came over" });
    const contents = await bucketContents(sites.site("site-b").client, "data");
    expect([...contents.keys()]).toContain("raw.one");
  });

  async function markDeleted() {
    const { headers } = await import("@nats-io/transport-node");
    const marked = headers();
    marked.set("KV-Operation", "DEL");
    return marked;
  }
});

describe("a value that does not fit with our headers", () => {
  it("is set aside and shown, while the rest flows", async () => {
    const sites = await startSites({ buckets: "  data: {}" });
    try {
      const here = await new Kvm(sites.site("site-a").client).open("data");
      const there = await new Kvm(sites.site("site-b").client).open("data");
      await here.put("too-large", new Uint8Array(MIB - 64));
      await here.put("after", "flows");
      await eventually(async () => expect((await there.get("after"))?.string()).toBe("flows"), { what: "the next write arrived" });
      const { buckets } = await sites.site("site-a").gateway.status();
      expect(Object.values(buckets)[0]).toMatchObject({ setAside: 1, state: "live" });
      expect(await sites.site("site-a").gateway.metrics()).toMatch(/kvgw_operations_set_aside_total\{[^}]*too_large[^}]*\} 1/);
    } finally {
      await sites.dispose();
    }
  });
});
