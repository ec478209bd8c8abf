/** How long a reader waits, and how much it asks for. */
import { describe, expect, it } from "vitest";
import { PULL_HEARTBEAT_MS, PULL_SILENCE_MS, READ_WINDOW_BYTES } from "../../src/core/limits.js";
import { openPullReader } from "../../src/nats/pull-reader.js";
import { createSkewedClock, createVirtualClock } from "../memory/virtual-clock.js";
import { blockOf, createScriptedServer } from "./scripted-server.js";

const MIB = 1024 * 1024;
const LATE_MS = PULL_SILENCE_MS + PULL_HEARTBEAT_MS;

interface Request {
  readonly batch: number;
  readonly max_bytes: number;
}

async function reading(windowMessages: number, maxPayload?: number) {
  const clock = createVirtualClock();
  const wall = { skewMs: 0 };
  const server = createScriptedServer(maxPayload);
  const lost: string[] = [];
  const sizes: number[] = [];
  const reader = await openPullReader(
    {
      ...{ lease: server.lease, clock: createSkewedClock(clock, () => wall.skewMs), domain: null, stream: "KV_b" },
      ...{ consumerPrefix: "kvgw_a_tail_", epoch: 1, windowMessages: () => windowMessages, from: { sequence: 1 } },
    },
    {
      onMessage: (_message, _block, _delivery, bytes) => void sizes.push(bytes),
      onLost: ({ code, message }) => void lost.push(`${code} ${message}`),
    },
  );
  reader.start();
  let sequence = 0;
  const deliver = (payload = "v", block = "") => {
    sequence++;
    const reply = `$JS.ACK.KV_b.kvgw_a_tail_1.1.${sequence}.${sequence}.1730542200000000000.0`;
    server.send({ subject: "$KV.b.k", reply, block, payload });
  };
  /** The server ends a pull. */
  const end = (status: string, messages: number, bytes: number) =>
    server.send({ block: blockOf({ "Nats-Pending-Messages": messages, "Nats-Pending-Bytes": bytes }, status) });
  const sign = (block: string) => server.send({ block });
  const requests = () => server.asked.map(({ payload }) => JSON.parse(payload) as Request);
  return { clock, wall, reader, lost, sizes, deliver, end, sign, requests };
}

describe("a reader that hears nothing", () => {
  it.each([0, -3_600_000, 3_600_000])("is lost after its time, though the wall clock step by %d ms", async (stepMs) => {
    const { clock, wall, lost, deliver } = await reading(10);
    await clock.advance(PULL_SILENCE_MS - 1);
    deliver();
    await clock.advance(1_000);
    wall.skewMs = stepMs;
    await clock.advance(PULL_SILENCE_MS - 1_000 - 1);
    expect(lost).toEqual([]);
    await clock.advance(LATE_MS);
    expect(lost).toEqual([expect.stringMatching(/^KVGW_READER_LOST .* silent for [0-9]+ ms/)]);
    expect(clock.scheduled()).toBe(0);
  });

  it("lives on while it has asked for nothing, and its patience begins when it asks", async () => {
    const { clock, reader, lost, deliver, requests } = await reading(10);
    for (let n = 0; n < 10; n++) deliver();
    await clock.advance(60_000);
    reader.release(10, 10);
    expect(requests()).toHaveLength(2);
    await clock.advance(PULL_SILENCE_MS - 1);
    expect(lost).toEqual([]);
    await clock.advance(LATE_MS);
    expect(lost).toHaveLength(1);
  });
});

describe("a reader's window in bytes", () => {
  it("has the headers in it, and hands out with each message what is to be released", async () => {
    const { reader, sizes, deliver, end, requests } = await reading(100);
    const block = blockOf({ "X-Own": "x".repeat(4 * MIB) });
    for (let n = 0; n < 9; n++) deliver("v", block);
    end("409 Message Size Exceeds MaxBytes", 91, 1_000);
    expect(sizes).toEqual(Array<number>(9).fill(block.length + 1));
    expect(requests()).toHaveLength(1);
    for (const bytes of sizes.slice(0, 2)) reader.release(1, bytes);
    expect(requests()).toMatchObject([{ batch: 100 }, { batch: 93 }]);
  });

  it("is what is asked for, or one message of the largest size that the server takes", async () => {
    const [small, large] = [await reading(10), await reading(10, 64 * MIB)];
    expect(small.requests()[0]?.max_bytes).toBe(READ_WINDOW_BYTES);
    expect(large.requests()[0]?.max_bytes).toBeGreaterThan(64 * MIB);
  });

  it("is asked for again where a pull ended on its bytes, and not at once where it had brought nothing", async () => {
    const { lost, deliver, end, requests } = await reading(10);
    deliver();
    end("409 Message Size Exceeds MaxBytes", 9, READ_WINDOW_BYTES - 1);
    expect(requests()).toMatchObject([{ batch: 10 }, { batch: 9 }]);
    end("409 Message Size Exceeds MaxBytes", 9, READ_WINDOW_BYTES);
    expect(requests()).toHaveLength(2);
    expect(lost).toEqual([expect.stringContaining("Message Size Exceeds MaxBytes")]);
  });

  it("is asked for again where a pull ended by itself, although it had brought nothing", async () => {
    const { lost, end, requests } = await reading(10);
    end("408 Request Timeout", 10, READ_WINDOW_BYTES);
    expect([requests().length, lost]).toEqual([2, []]);
  });
});

describe("a sign of life", () => {
  const alive = (lastConsumer: number, lastStream: number) =>
    blockOf({ "Nats-Last-Consumer": lastConsumer, "Nats-Last-Stream": lastStream }, "100 Idle Heartbeat");

  it("says up to where the server has looked, also where nothing is left there", async () => {
    const { reader, lost, deliver, sign } = await reading(10);
    expect([reader.position(), reader.isWaiting()]).toEqual([0, true]);
    deliver();
    expect([reader.position(), reader.isWaiting()]).toEqual([1, false]);
    reader.release(1, 1);
    sign(alive(1, 9));
    expect([reader.position(), reader.isWaiting(), lost]).toEqual([9, true, []]);
  });

  it.each([
    ["fewer messages than came", alive(1, 9), /stands before/],
    ["a place that has been passed", alive(2, 1), /stands before/],
    ["more messages than came", alive(3, 9), /messages are missing/],
  ])("that counts %s ends the reader", async (_, block, why) => {
    const { lost, deliver, sign } = await reading(10);
    deliver();
    deliver();
    sign(alive(2, 2));
    expect(lost).toEqual([]);
    sign(block);
    expect(lost).toEqual([expect.stringMatching(why)]);
  });

  it("without its counts is one all the same", async () => {
    const { lost, deliver, sign } = await reading(10);
    deliver();
    sign(blockOf({}, "100 Idle Heartbeat"));
    expect(lost).toEqual([]);
  });
});
