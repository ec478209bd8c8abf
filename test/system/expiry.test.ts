/** An entry ends where it was applied, too, and nothing older comes to light, whatever the servers can do by themselves. */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { type NatsConnection, headers } from "@nats-io/transport-node";
import { afterEach, describe, expect, it } from "vitest";
import type { ServerVersion } from "../../scripts/nats-server.mjs";
import { bucketContents } from "../support/clients.js";
import { eventually } from "../support/eventually.js";
import { startNatsServer } from "../support/nats-server.js";
import { type Site, type Sites, startSites } from "../support/sites.js";

let sites: Sites | undefined;
afterEach(() => sites?.dispose());

async function makeBucket(client: NatsConnection, markerTTL: number): Promise<void> {
  await new Kvm(client).create("sessions", { history: 5, ...(markerTTL > 0 ? { markerTTL } : {}) });
  if (client.info?.version.startsWith("2.10") === true) return;
  await (await jetstreamManager(client)).streams.update("KV_sessions", { allow_msg_ttl: true });
}

async function put(client: NatsConnection, value: string, ttl: string): Promise<void> {
  const life = headers();
  life.set("Nats-TTL", ttl);
  await jetstream(client).publish("$KV.sessions.k", value, { headers: life });
}

/** As a KV client reads it, null where there is nothing. */
async function read({ client }: Site): Promise<string | null> {
  const entry = (await bucketContents(client, "sessions")).get("k");
  if (entry === undefined || entry.operation !== "PUT" || entry.headers.has("Nats-Marker-Reason")) return null;
  return entry.value.toString();
}

const revisions = async (all: Sites) =>
  Promise.all(all.all.map(async ({ client }) => (await (await jetstreamManager(client)).streams.info("KV_sessions")).state.last_seq));

describe.each<[string, ServerVersion, number, number]>([
  ["2.15 with markers", "2.15", 2_000, 2_000],
  ["2.15 without markers", "2.15", 0, 0],
  // With a history a server lets no entry end before a marker would.
  ["2.15 with markers that outlive the entry", "2.15", 0, 60_000],
  ["2.10, which knows no time to live", "2.10", 2_000, 0],
])("between nats-server 2.15 and %s, in a bucket with a history", (_, version, markersAtA, markersAtB) => {
  it("an entry with a time to live ends at both sites for good, and its end is not logged", async () => {
    const servers = [
      await startNatsServer({ name: "site-a", version: "2.15" }),
      await startNatsServer({ name: "site-b", version }),
    ];
    sites = await startSites({
      ...{ servers, buckets: "  sessions: { create: false }" },
      prepare: async (clients) => void (await Promise.all(clients.map((client, at) => makeBucket(client, at === 0 ? markersAtA : markersAtB)))),
    });
    const all = sites;
    const [a, b] = [all.site("site-a"), all.site("site-b")];
    const everywhere = (value: string | null) =>
      eventually(async () => expect(await Promise.all([a, b].map(read))).toEqual([value, value]), { what: `${value} at both sites` });
    await (await new Kvm(a.client).open("sessions")).put("k", "older");
    await everywhere("older");
    await put(a.client, "for a while", "4s");
    await everywhere("for a while");
    await everywhere(null);
    // What one site has ended first shows the older value at the other for a moment; in the end it is covered.
    await eventually(
      async () => {
        const end = [a, b].map(async ({ client }) => (await bucketContents(client, "sessions")).get("k")?.headers.get("Kvgw-Version"));
        const [atA, atB] = await Promise.all(end);
        expect(atA).toMatch(/^[0-9]+ site-a$/);
        // Where the server ends the entry in time it has removed it, and there was nothing to cover.
        expect([undefined, atA]).toContain(atB);
        if (version === "2.10" || markersAtB > 4_000) expect(atB).toBe(atA);
      },
      { what: "the tombstone has the entry's version" },
    );
    expect(await Promise.all([a, b].map(read))).toEqual([null, null]);
    expect(await a.gateway.metrics()).toMatch(/kvgw_operations_captured_total\{bucket="sessions"\} 2\n/);
    expect(await b.gateway.metrics()).toMatch(/kvgw_operations_captured_total\{bucket="sessions"\} 0\n/);
    const before = await revisions(all);
    for (const { gateway } of all.all) {
      await gateway.kill();
      gateway.start();
      await gateway.untilReady();
    }
    expect(await Promise.all([a, b].map(read))).toEqual([null, null]);
    expect(await revisions(all)).toEqual(before);
  });
});
