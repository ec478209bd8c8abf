/** Every publish is answered once: by the server, or by what is known without it. */
import { describe, expect, it } from "vitest";
import { PUBLISH_SWEEP_MS, PUBLISH_TIMEOUT_MS } from "../../src/core/limits.js";
import { readyHeaders } from "../../src/nats/message.js";
import { type Answer, createPublisher } from "../../src/nats/publisher.js";
import { createSkewedClock, createVirtualClock } from "../memory/virtual-clock.js";
import { type Sent, blockOf, createScriptedServer } from "./scripted-server.js";

const onBug = (error: Error) => {
  throw error;
};

function publishing() {
  const clock = createVirtualClock();
  const wall = { skewMs: 0 };
  const server = createScriptedServer();
  const publisher = createPublisher(server.nats, createSkewedClock(clock, () => wall.skewMs), onBug);
  const answers: Answer[] = [];
  publisher.publish("$KV.b.k", new Uint8Array(1), readyHeaders(""), (answer) => void answers.push(answer));
  /** Sends the server's answer to what was published last. */
  const answer = (sent: Partial<Sent>) => server.send({ subject: server.asked.at(-1)?.reply ?? "", ...sent });
  return { clock, wall, answer, answers };
}

describe("a publish without an answer", () => {
  it.each([0, -3_600_000, 3_600_000])("is unknown after its time, though the wall clock step by %d ms", async (stepMs) => {
    const { clock, wall, answers } = publishing();
    await clock.advance(1_000);
    wall.skewMs = stepMs;
    await clock.advance(PUBLISH_TIMEOUT_MS - 1_000 - 1);
    expect(answers).toEqual([]);
    await clock.advance(PUBLISH_SWEEP_MS + 1);
    expect(answers).toEqual([{ kind: "unknown" }]);
    expect(clock.scheduled()).toBe(0);
  });
});

describe("the server's answer", () => {
  const stored = { kind: "stored", sequence: 7 };
  const refused = { kind: "error", code: 10071, description: "wrong last sequence: 5" };
  const error = { code: 400, err_code: 10071, description: "wrong last sequence: 5" };
  const refusal = JSON.stringify({ error, stream: "KV_b", seq: 0 });
  const answers: Readonly<Record<string, readonly [Partial<Sent>, object]>> = {
    "an acknowledgement": [{ payload: '{"stream":"KV_b","seq":7}' }, stored],
    "an acknowledgement from a domain": [{ payload: '{"stream":"KV_b", "domain":"hub", "seq":7}' }, stored],
    "one from a domain called error": [{ payload: '{"stream":"KV_b", "domain":"error", "seq":7}' }, stored],
    "one of a stream called error": [{ payload: '{"stream":"error","seq":7}' }, stored],
    "a duplicate's": [{ payload: '{"stream":"KV_b","seq":7,"duplicate":true}' }, stored],
    "a refusal": [{ payload: refusal }, refused],
    "a refusal by a stream called error": [{ payload: refusal.replace("KV_b", "error") }, refused],
    "that nobody listens": [{ block: blockOf({}, "503") }, { kind: "no-stream" }],
    "nothing at all": [{}, { kind: "unknown" }],
    "something else": [{ payload: "{}" }, { kind: "unknown" }],
  };

  it.each(Object.entries(answers))("is understood: %s", (_, [sent, understood]) => {
    const { answer, answers: got } = publishing();
    answer(sent);
    answer(sent);
    expect(got).toEqual([understood]);
  });
});
