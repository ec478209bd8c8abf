/** Who answers peers: whatever is asked, by whomever, is answered or refused, and the next question is answered. */
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { afterEach, describe, expect, it } from "vitest";
import type { Questions } from "../../src/core/ports.js";
import { createPeerQuestions } from "../../src/nats/peer-questions.js";
import { createPeerService } from "../../src/nats/peer-service.js";
import { answersWith, helloOf } from "../contract/answering.js";
import { PEER } from "../contract/rigs.js";
import { operationAt } from "../core/arbitraries.js";
import { bucketNamed, keyNamed } from "../core/names.js";
import { connectTo } from "../support/clients.js";
import { eventually } from "../support/eventually.js";
import type { NatsServerOptions } from "../support/nats-config.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { createLeasing } from "./leasing.js";

const BUCKET = bucketNamed("config");
const K = keyNamed("k");
const UNREADABLE = /^KVGW_ANSWER_UNREADABLE /;

const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const each of cleanup.splice(0).reverse()) await each();
});

interface Stage {
  readonly server: NatsServer;
  readonly anybody: NatsConnection;
  readonly asked: Questions;
  /** The answering side's own connection. */
  readonly own: () => NatsConnection;
}

async function serving(more: Partial<Questions>, options: NatsServerOptions = {}): Promise<Stage> {
  const server = await startNatsServer({ version: "2.15", ...options });
  cleanup.push(() => server.dispose());
  const [answering, asking] = [createLeasing(server), createLeasing(server)];
  cleanup.push(() => Promise.all([answering, asking].map(({ connections }) => connections.close())));
  const [lease, questions] = [answering.lease(), asking.lease()];
  await Promise.all([lease.ready(), questions.ready()]);
  const anybody = await connectTo(server.url);
  cleanup.push(() => anybody.close());
  cleanup.push(createPeerService(lease, PEER, BUCKET).serve(answersWith(more)));
  // The server has heard of the subscription.
  await lease.link().nats.flush();
  return { server, anybody, asked: createPeerQuestions(questions, PEER, BUCKET), own: () => lease.link().nats };
}

const refusalOf = ({ headers }: Msg) => headers?.get("Nats-Service-Error") ?? "";

describe("a question", () => {
  const deep = "[".repeat(400_000) + "]".repeat(400_000);
  it.each([
    ["nothing", ""],
    ["no JSON", "{"],
    ["no text", Uint8Array.from({ length: 256 }, (_, byte) => byte)],
    ["null", "null"],
    ["a number", "7"],
    ["a list", "[]"],
    ["an object without anything", "{}"],
    ["another type of everything", '{"prefixes":7,"keys":7,"key":7,"offset":"0","prefix":7,"after":7}'],
    ["a prefix that there is not", '{"prefixes":["0A"],"prefix":"0A","after":null}'],
    ["a key that there is not", '{"keys":["a..b"],"key":"a b","offset":0,"prefix":"","after":"*"}'],
    ["too many of everything", JSON.stringify({ prefixes: Array(65).fill(""), keys: Array(501).fill("k") })],
    ["keys that are too long together", JSON.stringify({ keys: Array(11).fill("k".repeat(3_000)) })],
    ["an offset below zero", '{"key":"k","offset":-1}'],
    ["800,000 levels", deep],
    ["800,000 levels inside", `{"prefixes":${deep},"keys":${deep.slice(700_000)}}`.slice(0, 1_000_000)],
  ])("of %s is refused, whatever is asked", async (_, question) => {
    const { anybody, asked } = await serving({});
    for (const verb of ["hello", "digests", "entries", "versions", "fetch", "hellO", "stop", "$"]) {
      const answer = await anybody.request(`kvgw.${PEER}.${BUCKET}.${verb}`, question, { timeout: 5_000 });
      expect([verb, refusalOf(answer)]).toEqual([verb, expect.stringMatching(UNREADABLE)]);
      expect([answer.headers?.get("Nats-Service-Error-Code"), answer.data.length]).toEqual(["500", 0]);
    }
    expect(await asked.versions([K])).toEqual([null]);
  });

  it("without an address for the answer does no harm", async () => {
    let fetched = 0;
    const { anybody, asked } = await serving({ fetch: () => (fetched++, Promise.resolve(null)) });
    anybody.publish(`kvgw.${PEER}.${BUCKET}.fetch`, JSON.stringify({ key: "k", offset: 0 }));
    anybody.publish(`kvgw.${PEER}.${BUCKET}.fetch`, "?");
    await eventually(() => expect(fetched).toBe(1), { what: "the question" });
    expect(await asked.fetch(K)).toBeNull();
  });

  it("for a part behind the end brings the headers alone", async () => {
    const { anybody } = await serving({ fetch: () => Promise.resolve(operationAt(7, PEER, { value: Buffer.from("value") })) });
    for (const [offset, rest] of [[0, "value"], [3, "ue"], [5, ""], [Number.MAX_SAFE_INTEGER, ""]] as const) {
      const answer = await anybody.request(`kvgw.${PEER}.${BUCKET}.fetch`, JSON.stringify({ key: "k", offset }));
      expect([answer.string(), answer.headers?.get("Kvgw-Total")]).toEqual([rest, "5"]);
    }
  });
});

describe("a refusal", () => {
  it("breaks nobody's connection, whatever its message", async () => {
    const message = "wrote to /tmp/č/Ċ\r\nKvgw-Version: 1 a\r\n\r\n\u{1f4a5}".repeat(50);
    const { anybody, asked } = await serving({ fetch: () => Promise.reject(new Error(message)) });
    const answer = await anybody.request(`kvgw.${PEER}.${BUCKET}.fetch`, JSON.stringify({ key: "k", offset: 0 }));
    expect(refusalOf(answer)).toMatch(/^KVGW_INTERNAL [\x20-\x7e]{1,200}$/);
    expect([...(answer.headers?.keys() ?? [])].sort()).toEqual(["Nats-Service-Error", "Nats-Service-Error-Code"]);
    await expect(asked.fetch(K)).rejects.toMatchObject({ code: "KVGW_UNREACHABLE" });
    expect(await asked.versions([K])).toEqual([null]);
  });
});

describe("a server that takes small messages only", () => {
  const maxPayload = 16 * 1024;

  it.each([maxPayload - 200, maxPayload - 50, maxPayload, 5 * maxPayload])("lets a value of %i bytes through, in parts", async (length) => {
    const value = new Uint8Array(length).map((_, at) => at * 31 + (at >> 8));
    const { asked } = await serving({ fetch: () => Promise.resolve(operationAt(7, PEER, { value })) }, { maxPayload });
    expect(Buffer.compare((await asked.fetch(K))?.value ?? new Uint8Array(0), value)).toBe(0);
  });

  it("makes an answer that is larger a refusal which says so", async () => {
    const summary = { key: keyNamed("k".repeat(60)), version: { ts: 1, site: PEER }, kind: "put", since: null } as const;
    const page = { summaries: Array.from({ length: 300 }, () => summary), more: true };
    const { asked } = await serving({ entries: () => Promise.resolve(page) }, { maxPayload });
    await expect(asked.entries("", null)).rejects.toMatchObject({ code: "KVGW_UNREACHABLE" });
    await expect(asked.entries("", null)).rejects.toThrow(/16384 bytes.*max_payload/);
  });
});

describe("the subscription", () => {
  it("is made anew on a new connection, and answers once", async () => {
    let asked = 0;
    const stage = await serving({ hello: () => (asked++, Promise.resolve(helloOf())) });
    await stage.asked.hello(helloOf());
    const before = stage.own();
    await before.close();
    await eventually(() => stage.asked.hello(helloOf()), { what: "answered again" });
    expect(stage.own()).not.toBe(before);
    asked = 0;
    await stage.asked.hello(helloOf());
    expect(asked).toBe(1);
  });

  it("is kept through restarts of the server, and answers once", async () => {
    let asked = 0;
    const stage = await serving({ hello: () => (asked++, Promise.resolve(helloOf())) });
    for (const how of ["kill", "stop", "kill"] as const) {
      await stage.server[how]();
      await stage.server.restart();
      await eventually(() => stage.asked.hello(helloOf()), { what: `answered after ${how}` });
    }
    asked = 0;
    await stage.asked.hello(helloOf());
    expect(asked).toBe(1);
  });

  it("is made when the server that denied it has come back and allows it", async () => {
    const users = (permissions: string) =>
      `authorization { users: [{ user: all, password: all, permissions: { ${permissions} } }] }\nno_auth_user: all`;
    const stage = await serving({}, { extraConfig: users('subscribe: { deny: "kvgw.>" }') });
    await expect(stage.asked.versions([K])).rejects.toMatchObject({ code: "KVGW_UNREACHABLE" });
    await expect(stage.asked.versions([K])).rejects.toThrow(/gateway of site-b, bucket config: no gateway answers/);
    await stage.server.reload(users(""));
    await stage.server.restart();
    expect(await eventually(() => stage.asked.versions([K]), { what: "answered" })).toEqual([null]);
  });
});
