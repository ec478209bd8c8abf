/** Gateways among the services of NATS: whoever asks in the way of `nats micro` finds them, and can break nothing. */
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { afterEach, describe, expect, it } from "vitest";
import { GatewayError } from "../../src/core/errors.js";
import { ENDPOINTS_LISTED_MAX } from "../../src/core/limits.js";
import { createPulseLine } from "../../src/nats/peer-pulse.js";
import { createPeerService } from "../../src/nats/peer-service.js";
import { type ServiceListing, createServiceListing } from "../../src/nats/service-listing.js";
import { systemRandom } from "../../src/system.js";
import { answersWith } from "../contract/answering.js";
import { bucketNamed, siteNamed } from "../core/names.js";
import { connectTo } from "../support/clients.js";
import { eventually } from "../support/eventually.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { createLeasing } from "./leasing.js";

const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const each of cleanup.splice(0).reverse()) await each();
});

interface Answer {
  readonly type: string;
  readonly name: string;
  readonly id: string;
  readonly version: string;
  readonly metadata: { readonly site: string };
  readonly started?: string;
  readonly endpoints?: readonly Readonly<Record<string, unknown>>[];
}

interface Stage {
  readonly server: NatsServer;
  readonly anybody: NatsConnection;
  readonly listings: readonly ServiceListing[];
}

/** A gateway's answering parts at each site, over one server. */
async function listed(sites: readonly string[], buckets: readonly string[] = []): Promise<Stage> {
  const server = await startNatsServer({ version: "2.15" });
  cleanup.push(() => server.dispose());
  const anybody = await connectTo(server.url);
  cleanup.push(() => anybody.close());
  const listings: ServiceListing[] = [];
  for (const name of sites) {
    const site = siteNamed(name);
    const { connections, clock, lease } = createLeasing(server);
    cleanup.push(() => connections.close());
    const own = lease();
    await own.ready();
    const listing = createServiceListing({ site, version: "1.2.3-beta.1", clock, random: systemRandom });
    cleanup.push(createPulseLine(own, site, listing).serve((asked) => Promise.resolve(asked.map(() => null))));
    for (const bucket of buckets) {
      cleanup.push(createPeerService(own, site, bucketNamed(bucket), listing).serve(answersWith()));
    }
    await own.link().nats.flush();
    listings.push(listing);
  }
  return { server, anybody, listings };
}

/** Asks as `nats micro` does: everybody answers, so answers are collected. */
async function ask(anybody: NatsConnection, subject: string, expected: number, payload = ""): Promise<Answer[]> {
  const answers: Answer[] = [];
  const inbox = `_INBOX.${subject.replaceAll(/[^A-Za-z0-9]/g, "")}${answers.length}`;
  const callback = (_: Error | null, message: Msg) => {
    // Empty where the server says that nobody is there.
    if (message.data.length > 0) answers.push(message.json<Answer>());
  };
  const subscription = anybody.subscribe(inbox, { callback });
  await eventually(
    () => {
      if (answers.length < expected) anybody.publish(subject, payload, { reply: inbox });
      return anybody.flush().then(() => expect(answers.length).toBeGreaterThanOrEqual(expected));
    },
    { what: `${expected} answers to ${subject}` },
  );
  subscription.unsubscribe();
  return answers.sort((a, b) => (a.metadata.site < b.metadata.site ? -1 : 1));
}

describe("a service listing", () => {
  it("finds all gateways by a ping, each with the site that it is of", async () => {
    const { anybody } = await listed(["site-a", "site-b", "site-c"]);
    const pings = await ask(anybody, "$SRV.PING", 3);
    expect(pings.map(({ metadata }) => metadata.site)).toEqual(["site-a", "site-b", "site-c"]);
    for (const ping of pings) {
      expect(ping).toMatchObject({ type: "io.nats.micro.v1.ping_response", name: "kvgw", version: "1.2.3-beta.1" });
      expect(ping.id).toMatch(/^[0-9a-z]{22}$/);
    }
    expect(new Set(pings.map(({ id }) => id)).size).toBe(3);
  });

  it("asks all, those of the name, or one alone", async () => {
    const { anybody } = await listed(["site-a", "site-b"]);
    const [first] = await ask(anybody, "$SRV.PING.kvgw", 2);
    for (const verb of ["PING", "INFO", "STATS"]) {
      expect((await ask(anybody, `$SRV.${verb}`, 2)).length).toBe(2);
      expect(await ask(anybody, `$SRV.${verb}.kvgw.${first?.id}`, 1)).toHaveLength(1);
    }
  });

  it("shows what is answered, and how much it was asked for", async () => {
    const { anybody } = await listed(["site-a"], ["config"]);
    await anybody.request("kvgw.site-a.config.versions", JSON.stringify({ keys: [] }));
    await anybody.request("kvgw.site-a.config.versions", "?");
    await anybody.request("kvgw.site-a.pulse", "?");
    const [info] = await ask(anybody, "$SRV.INFO.kvgw", 1);
    expect(info).toMatchObject({ type: "io.nats.micro.v1.info_response", description: "Gateway of site-a" });
    expect(info?.endpoints?.map(({ name, subject, queue_group }) => [name, subject, queue_group])).toEqual([
      ["pulse", "kvgw.site-a.pulse", "kvgw"],
      ...["hello", "digests", "entries", "versions", "fetch"].map((verb) => [`config-${verb}`, `kvgw.site-a.config.${verb}`, "kvgw"]),
    ]);
    const [stats] = await ask(anybody, "$SRV.STATS.kvgw", 1);
    expect(stats?.type).toBe("io.nats.micro.v1.stats_response");
    expect(Date.parse(stats?.started ?? "")).toBeLessThanOrEqual(Date.now());
    const of = (name: string) => stats?.endpoints?.find((each) => each["name"] === name);
    expect(of("config-versions")).toMatchObject({ num_requests: 2, num_errors: 1, last_error: "KVGW_ANSWER_UNREADABLE" });
    expect(of("pulse")).toMatchObject({ num_requests: 1, num_errors: 1 });
    expect(of("config-fetch")).toMatchObject({ num_requests: 0, num_errors: 0, last_error: "", average_processing_time: 0 });
    for (const name of ["processing_time", "average_processing_time"]) expect(of("config-versions")?.[name]).toBeGreaterThan(0);
  });

  it("lists no more than its bound, and what has ended no more", async () => {
    const { anybody, listings } = await listed(["site-a"]);
    const added = Array.from({ length: 2 * ENDPOINTS_LISTED_MAX }, (_, n) =>
      listings[0]?.add(`bucket-${n}`.padEnd(100, "x"), `kvgw.site-a.bucket-${n}`),
    );
    for (const verb of ["INFO", "STATS"]) {
      const [answer] = await ask(anybody, `$SRV.${verb}`, 1);
      expect(answer?.endpoints).toHaveLength(ENDPOINTS_LISTED_MAX);
      expect(JSON.stringify(answer).length).toBeLessThan(100 * 1024);
    }
    for (const each of added) each?.remove();
    expect((await ask(anybody, "$SRV.INFO", 1))[0]?.endpoints).toHaveLength(1);
  });

  it("takes any question without harm: with contents, without anybody to answer, or for what there is not", async () => {
    const { anybody } = await listed(["site-a"]);
    for (const subject of ["$SRV.PING", "$SRV.INFO", "$SRV.STATS.kvgw", "$SRV.constructor", "$SRV.__proto__.kvgw", "$SRV.SCHEMA"]) {
      for (const payload of ["", "{", "\0".repeat(100_000), "[".repeat(400_000)]) anybody.publish(subject, payload);
    }
    const none = anybody.request("$SRV.toString", "", { timeout: 300 }).catch((thrown: unknown) => thrown);
    expect(await none).toBeInstanceOf(Error);
    expect(await ask(anybody, "$SRV.PING", 1, "[".repeat(1_000))).toHaveLength(1);
  });

  it("is there again after the server has been restarted, and answers once", async () => {
    const { server, anybody } = await listed(["site-a"]);
    await server.kill();
    await server.restart();
    await ask(anybody, "$SRV.PING", 1);
    expect(await ask(anybody, "$SRV.INFO", 1)).toHaveLength(1);
  });

  it("counts an endpoint that is answered over two connections as one", async () => {
    const { anybody, listings } = await listed(["site-a"]);
    const names = async () => (await ask(anybody, "$SRV.INFO", 1))[0]?.endpoints?.map((each) => each["name"]);
    const [first, second] = [listings[0]?.add("x", "x.y"), listings[0]?.add("x", "x.y")];
    first?.begin()(new GatewayError("KVGW_TIMEOUT", "late"));
    second?.begin()(null);
    const [stats] = await ask(anybody, "$SRV.STATS", 1);
    expect(stats?.endpoints?.at(-1)).toMatchObject({ name: "x", num_requests: 2, num_errors: 1 });
    first?.remove();
    expect(await names()).toEqual(["pulse", "x"]);
    second?.remove();
    expect(await names()).toEqual(["pulse"]);
  });
});
