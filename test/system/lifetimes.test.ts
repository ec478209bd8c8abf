/** Deadlines travel as absolute time: an entry ends everywhere when it would have ended where it was written. */
import { Kvm } from "@nats-io/kv";
import { afterEach, describe, expect, it } from "vitest";
import { bucketContents } from "../support/clients.js";
import { eventually } from "../support/eventually.js";
import { type Sites, startSites } from "../support/sites.js";

let sites: Sites | undefined;
afterEach(() => sites?.dispose());

describe("an entry with a time to live", () => {
  it("ends at the other site too, and its end is not an operation", async () => {
    sites = await startSites({ buckets: "  sessions: { create: false }\n" , prepare: makeTtlBuckets });
    const [a, b] = await Promise.all(sites.all.map(({ client }) => new Kvm(client).open("sessions")));
    await a?.create("short", "lived", "3s");
    await eventually(async () => expect((await b?.get("short"))?.string()).toBe("lived"), { what: "the entry came over" });
    const entry = (await bucketContents(sites.site("site-b").client, "sessions")).get("short");
    expect(entry?.headers.get("Nats-TTL")).toMatch(/^[1-4]s$/);
    await eventually(
      async () => {
        for (const kv of [a, b]) expect((await kv?.get("short"))?.operation ?? "gone").not.toBe("PUT");
      },
      { what: "the entry has ended at both sites" },
    );
    for (const { gateway } of sites.all) {
      expect(await gateway.metrics()).toMatch(/kvgw_operations_captured_total\{bucket="sessions"\} [01]\n/);
    }
  });
});

async function makeTtlBuckets(clients: Parameters<NonNullable<Parameters<typeof startSites>[0]["prepare"]>>[0]): Promise<void> {
  for (const client of clients) await new Kvm(client).create("sessions", { markerTTL: 60_000 });
}
