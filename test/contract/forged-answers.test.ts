/** Answers that come from anybody: refused with a code, bounded, and the connection over which they came lives on. */
import type { Msg, MsgHdrs, NatsConnection } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Questions } from "../../src/core/ports.js";
import { readyHeaders } from "../../src/nats/message.js";
import { createPeerQuestions } from "../../src/nats/peer-questions.js";
import { createPeerService } from "../../src/nats/peer-service.js";
import { bucketNamed, keyNamed } from "../core/names.js";
import { createLeasing } from "../nats/leasing.js";
import { connectTo } from "../support/clients.js";
import { eventually } from "../support/eventually.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { answersWith, helloOf } from "./answering.js";
import { PEER } from "./rigs.js";

const K = keyNamed("k");
const [FORGED, SOUND] = [bucketNamed("forged"), bucketNamed("sound")];
const UNREADABLE = { code: "KVGW_ANSWER_UNREADABLE" };
const NO_BYTES = new Uint8Array(0);

let server: NatsServer;
const cleanup: (() => unknown)[] = [];
beforeAll(async () => {
  server = await startNatsServer({ version: "2.15" });
});
afterAll(() => server?.dispose());
afterEach(async () => {
  for (const each of cleanup.splice(0).reverse()) await each();
});

interface Stage {
  readonly asked: Questions;
  /** About another bucket, over the same connection, answered by a real gateway. */
  readonly soundly: Questions;
  readonly own: NatsConnection;
}

/** Somebody answers in place of the gateway. */
async function forging(respond: (message: Msg) => void): Promise<Stage> {
  const leasing = createLeasing(server);
  cleanup.push(() => leasing.connections.close());
  const lease = leasing.lease();
  const { nats: own } = await lease.ready();
  const forger = await connectTo(server.url);
  cleanup.push(() => forger.close());
  forger.subscribe(`kvgw.${PEER}.${FORGED}.*`, { callback: (_, message) => respond(message) });
  await forger.flush();
  cleanup.push(createPeerService(lease, PEER, SOUND).serve(answersWith()));
  await own.flush();
  return { asked: createPeerQuestions(lease, PEER, FORGED), soundly: createPeerQuestions(lease, PEER, SOUND), own };
}

/** Header lines as they are, right or wrong. */
const lines = (...all: readonly string[]): { headers: MsgHdrs } => ({
  headers: readyHeaders(all.map((line) => `${line}\r\n`).join("")),
});

describe("an answer that is none", () => {
  it.each([
    ["nothing", ""],
    ["no JSON", "["],
    ["a number", "7"],
    ["null", "null"],
    ["an empty object", "{}"],
    ["the answer to fewer questions", "[]"],
    ["the answer to more questions", JSON.stringify([Array(16).fill(""), Array(16).fill(""), Array(16).fill("")])],
    ["the answer about other keys", '[["other","1 a",0],["k","1 a",0]]'],
    ["too many parts", JSON.stringify([Array(17).fill("")])],
    ["800,000 levels", "[".repeat(400_000) + "]".repeat(400_000)],
  ])("but %s is refused, and the connection lives on", async (_, payload) => {
    const { asked, soundly } = await forging((message) => void message.respond(payload));
    await expect(asked.hello(helloOf())).rejects.toMatchObject(UNREADABLE);
    await expect(asked.digests(["", "0"])).rejects.toMatchObject(UNREADABLE);
    await expect(asked.entries("", null)).rejects.toMatchObject(UNREADABLE);
    await expect(asked.versions([K, keyNamed("l")])).rejects.toMatchObject(UNREADABLE);
    expect(await soundly.versions([K])).toEqual([null]);
  });

  it.each([
    ["bytes without headers", "value", {}],
    ["bytes without a length", "value", lines("Kvgw-Version: 1 a")],
    ["bytes without a version", "value", lines("Kvgw-Total: 5")],
    ["more bytes than it says", "value", lines("Kvgw-Version: 1 a", "Kvgw-Total: 4")],
    ["no bytes where it says some", "", lines("Kvgw-Version: 1 a", "Kvgw-Total: 5")],
    ["a deleted value", "value", lines("Kvgw-Version: 1 a", "Kvgw-Total: 0", "KV-Operation: DEL")],
    ["a length below zero", "value", lines("Kvgw-Version: 1 a", "Kvgw-Total: -5")],
    ["no headers that anybody knows", "", lines("X: y")],
  ])("to a fetch but %s is refused", async (_, payload, options) => {
    const { asked, soundly } = await forging((message) => void message.respond(payload, options));
    await expect(asked.fetch(K)).rejects.toMatchObject(UNREADABLE);
    expect(await soundly.versions([K])).toEqual([null]);
  });

  it("and comes byte by byte ends after a bounded number of parts", async () => {
    let parts = 0;
    const { asked } = await forging((message) => {
      parts++;
      message.respond("x", lines("Kvgw-Version: 1 a", "Kvgw-Total: 67108864"));
    });
    await expect(asked.fetch(K)).rejects.toMatchObject(UNREADABLE);
    expect(parts).toBeLessThan(2_000);
  });

  it("to a fetch, and whose next part says another length, brings nothing", async () => {
    let total = 5;
    const { asked } = await forging((message) => void message.respond("va", lines("Kvgw-Version: 1 a", `Kvgw-Total: ${total++}`)));
    expect(await asked.fetch(K)).toBeNull();
  });
});

describe("headers that the client library cannot read", () => {
  it.each([
    ["a value with a line end of its own", "Nats-Service-Error: a\rb"],
    ["another line end", "X: a\nb"],
    ["a name that is none", "ä b: c"],
    ["no name", ": c"],
    ["no colon", "Nats-Service-Error"],
    ["every byte", String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte))],
  ])("(%s) leave the connection as it was", async (_, line) => {
    const { asked, soundly, own } = await forging((message) => void message.respond(NO_BYTES, lines(line)));
    for (const question of [asked.hello(helloOf()), asked.fetch(K), asked.versions([])]) {
      await expect(question).rejects.toMatchObject({ code: expect.stringMatching(/^KVGW_(ANSWER_UNREADABLE|UNREACHABLE)$/) as string });
    }
    expect(await soundly.versions([K])).toEqual([null]);
    expect(await own.request(`kvgw.${PEER}.${SOUND}.versions`, '{"keys":[]}').then((answer) => answer.string())).toBe("[]");
  });
});

describe("two who answer one question", () => {
  it("are one answer", async () => {
    const { asked } = await forging((message) => {
      for (const digest of ["1", "2"]) message.respond(JSON.stringify([[`${digest} ${"0".repeat(32)}`, ...Array<string>(15).fill("")]]));
    });
    for (let n = 0; n < 20; n++) expect((await asked.digests([""]))[0]?.[0]?.count).toBe(1);
  });

  it("leave no subscription behind", async () => {
    const { asked, own } = await forging((message) => {
      for (let n = 0; n < 3; n++) message.respond(NO_BYTES);
    });
    const subscriptions = async (): Promise<number> => {
      const answer = await fetch(`http://127.0.0.1:${server.monitorPort}/connz?cid=${own.info?.client_id}`);
      return ((await answer.json()) as { connections: { subscriptions: number }[] }).connections[0]?.subscriptions ?? -1;
    };
    const before = await subscriptions();
    expect(before).toBeGreaterThan(0);
    for (let n = 0; n < 50; n++) expect(await asked.fetch(K)).toBeNull();
    await eventually(async () => expect(await subscriptions()).toBe(before), { what: "no more subscriptions" });
  });
});

describe("a server that denies the question", () => {
  it("is told as a denial, at once, to each who asks", async () => {
    const few = 'permissions: { publish: { deny: "kvgw.>" } }';
    const own = await startNatsServer({
      version: "2.15",
      extraConfig: `authorization { users: [{ user: few, password: few, ${few} }] }\nno_auth_user: few`,
    });
    cleanup.push(() => own.dispose());
    const leasing = createLeasing(own);
    cleanup.push(() => leasing.connections.close());
    const lease = leasing.lease();
    await lease.ready();
    const asked = createPeerQuestions(lease, PEER, FORGED);
    await Promise.all([0, 1, 2].map(() => expect(asked.versions([K])).rejects.toMatchObject({ code: "KVGW_DENIED" })));
    await expect(asked.hello(helloOf())).rejects.toMatchObject({ code: "KVGW_DENIED" });
  });
});
