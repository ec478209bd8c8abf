/** The heartbeat against whatever anybody says or asks on its subject. */
import type { NatsConnection } from "@nats-io/transport-node";
import { afterEach, describe, expect, it } from "vitest";
import { PULSES_AT_ONCE_MAX } from "../../src/core/limits.js";
import type { PulseLine } from "../../src/core/ports.js";
import { createPulseLine } from "../../src/nats/peer-pulse.js";
import { createServiceListing } from "../../src/nats/service-listing.js";
import { systemRandom } from "../../src/system.js";
import { PEER, SITE } from "../contract/rigs.js";
import { bucketNamed } from "../core/names.js";
import { connectTo } from "../support/clients.js";
import { eventually } from "../support/eventually.js";
import { startNatsServer } from "../support/nats-server.js";
import { createLeasing } from "./leasing.js";

const X = bucketNamed("x");
const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const each of cleanup.splice(0).reverse()) await each();
});

async function staged(): Promise<{ readonly anybody: NatsConnection; readonly line: PulseLine }> {
  const server = await startNatsServer({ version: "2.15" });
  cleanup.push(() => server.dispose());
  const { connections, clock, lease } = createLeasing(server);
  cleanup.push(() => connections.close());
  const own = lease();
  await own.ready();
  const anybody = await connectTo(server.url);
  cleanup.push(() => anybody.close());
  const listing = createServiceListing({ site: SITE, version: "1.2.3", clock, random: systemRandom });
  return { anybody, line: createPulseLine(own, SITE, listing) };
}

const deep = "[".repeat(300_000) + "]".repeat(300_000);

describe("an answer", () => {
  it.each([
    ["nothing", ""],
    ["no JSON", "{"],
    ["another site's", '{"site":"site-c","buckets":[0]}'],
    ["no site's", '{"buckets":[0]}'],
    ["too many buckets", `{"site":"${PEER}","buckets":[0,0]}`],
    ["no buckets", `{"site":"${PEER}"}`],
    ["another type of everything", `{"site":7,"buckets":{"length":1}}`],
    ["600,000 levels", deep],
  ])("that is %s is refused, and the next one is read", async (_, answer) => {
    const { anybody, line } = await staged();
    const answers = [answer, `{"site":"${PEER}","buckets":[[3]]}`];
    anybody.subscribe(`kvgw.${PEER}.pulse`, { callback: (_failure, message) => void message.respond(answers.shift()) });
    await anybody.flush();
    await expect(line.ask(PEER, [X])).rejects.toMatchObject({ code: "KVGW_ANSWER_UNREADABLE" });
    expect(await line.ask(PEER, [X])).toEqual([{ state: "paused", logged: null }]);
  });
});

describe("a question", () => {
  const questions = ["", "{", "null", "7", "[]", "{}", '{"buckets":7}', '{"buckets":["a.b"]}', '{"buckets":[7]}', deep];
  it.each(questions.map((question) => [question.slice(0, 20), question]))(
    "that is not understood is refused: %s",
    async (_, question) => {
      const { anybody, line } = await staged();
      let asked = 0;
      cleanup.push(line.serve((buckets) => (asked++, Promise.resolve(buckets.map(() => null)))));
      await line.ask(SITE, []);
      const refusal = await anybody.request(`kvgw.${SITE}.pulse`, question);
      expect(refusal.headers?.get("Nats-Service-Error")).toMatch(/^KVGW_ANSWER_UNREADABLE /);
      anybody.publish(`kvgw.${SITE}.pulse`, question);
      expect(await line.ask(SITE, [X])).toEqual([null]);
      expect(asked).toBe(2);
    },
  );

  it("whose answer breaks is refused with the reason, and the next one is answered", async () => {
    const { line } = await staged();
    let broken = true;
    cleanup.push(
      line.serve((buckets) => {
        if (broken) throw new TypeError("x is undefined");
        return Promise.resolve(buckets.map(() => null));
      }),
    );
    await expect(line.ask(SITE, [X])).rejects.toThrow(/KVGW_INTERNAL.*x is undefined/);
    broken = false;
    expect(await line.ask(SITE, [X])).toEqual([null]);
  });

  it("of every site at once is answered, however many they are, and one more than there may be sites is refused", async () => {
    const { line } = await staged();
    const waiting: (() => void)[] = [];
    cleanup.push(line.serve((buckets) => new Promise((resolve) => waiting.push(() => void resolve(buckets.map(() => null))))));
    let refused = 0;
    const ask = () => line.ask(SITE, [X]).catch((thrown: unknown) => (refused++, thrown));
    const asked = Array.from({ length: PULSES_AT_ONCE_MAX + 1 }, ask);
    await eventually(() => expect([waiting.length, refused]).toEqual([PULSES_AT_ONCE_MAX, 1]), { what: "all have been asked" });
    for (const answer of waiting) answer();
    const outcomes = await Promise.all(asked);
    expect(outcomes.filter((each) => Array.isArray(each))).toHaveLength(PULSES_AT_ONCE_MAX);
  });
});
