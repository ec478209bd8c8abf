/** How long a reader waits, and how much it asks for. */
import { describe, expect, it } from "vitest";
import { LINK_GRANT_BYTES_MIN, LINK_GRANT_MS, PULL_HEARTBEAT_MS, PULL_SILENCE_MS, READ_WINDOW_BYTES } from "../../src/core/limits.js";
import { createLinkBudget } from "../../src/nats/link-budget.js";
import { createLinkWindows } from "../../src/nats/link-windows.js";
import { openPullReader } from "../../src/nats/pull-reader.js";
import type { LinkShare } from "../../src/nats/read-credit.js";
import { type VirtualClock, createSkewedClock, createVirtualClock } from "../memory/virtual-clock.js";
import { blockOf, createScriptedServer } from "./scripted-server.js";

const MIB = 1024 * 1024;
const LATE_MS = PULL_SILENCE_MS + PULL_HEARTBEAT_MS;

interface Request {
  readonly batch: number;
  readonly max_bytes: number;
}

interface Reading {
  readonly maxPayload?: number;
  readonly clock?: VirtualClock;
  readonly share?: LinkShare;
  /** The sequence that it begins at. */
  readonly from?: number;
}

async function reading(windowMessages: number, { maxPayload, clock = createVirtualClock(), share, from = 1 }: Reading = {}) {
  const wall = { skewMs: 0 };
  const server = createScriptedServer(maxPayload);
  const lost: string[] = [];
  const sizes: number[] = [];
  const reader = await openPullReader(
    {
      ...{ lease: server.lease, clock: createSkewedClock(clock, () => wall.skewMs), domain: null, stream: "KV_b" },
      ...{ consumerPrefix: "kvgw_a_tail_", epoch: 1, windowMessages: () => windowMessages, from: { sequence: from } },
      share,
    },
    {
      onMessage: (_message, _block, _delivery, bytes) => void sizes.push(bytes),
      onLost: ({ code, message }) => void lost.push(`${code} ${message}`),
    },
  );
  reader.start();
  let sequence = 0;
  const deliver = (payload = "v", block = "", pending = 0) => {
    sequence++;
    const reply = `$JS.ACK.KV_b.kvgw_a_tail_1.1.${sequence}.${sequence}.1730542200000000000.${pending}`;
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
    const [small, large] = [await reading(10), await reading(10, { maxPayload: 64 * MIB })];
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

describe("a reader on a link with a budget", () => {
  const GRANT = LINK_GRANT_BYTES_MIN;
  const RATE = 2 * GRANT;

  function sharing(bytesPerSecond = RATE) {
    const clock = createVirtualClock();
    const limit = { bytesPerSecond };
    const budget = createLinkBudget(clock, () => limit.bytesPerSecond);
    const windows = createLinkWindows(clock);
    const join = (priority: number) =>
      reading(100, { clock, share: { budget: budget.join(() => priority), windows: windows.join(() => priority) } });
    const set = (next: number) => {
      limit.bytesPerSecond = next;
      budget.changed();
    };
    return { clock, set, join };
  }
  const exceeded = "409 Message Size Exceeds MaxBytes";

  it("has one request at a time, of one grant, and the next when the link allows it", async () => {
    const { clock, join } = sharing();
    const { reader, sizes, deliver, end, requests } = await join(5);
    expect(requests()).toMatchObject([{ batch: 100, max_bytes: GRANT }]);
    for (let n = 0; n < 30; n++) deliver("x".repeat(GRANT / 100), "", 1_000);
    for (const bytes of sizes) reader.release(1, bytes);
    expect(requests()).toHaveLength(1);
    end(exceeded, 70, 10);
    // What came with its subjects is more than half of the grant, and nothing had been saved up for the first one.
    await clock.advance(100);
    expect(requests()).toHaveLength(1);
    expect(reader.isHeldBack()).toBe(true);
    await clock.advance(LINK_GRANT_MS);
    expect(requests()).toMatchObject([{ max_bytes: GRANT }, { max_bytes: GRANT }]);
    expect(reader.isHeldBack()).toBe(false);
  });

  it("asks for a message alone that is larger than a grant, and then as before", async () => {
    const { clock, join } = sharing();
    const { reader, lost, deliver, end, requests } = await join(5);
    end(exceeded, 100, GRANT);
    await clock.advance(LINK_GRANT_MS);
    expect(requests()[1]).toMatchObject({ batch: 1, max_bytes: READ_WINDOW_BYTES });
    deliver("x".repeat(10 * GRANT), "", 5);
    reader.release(1, 10 * GRANT);
    await clock.advance(4_000);
    expect(requests()).toHaveLength(2);
    await clock.advance(2_000);
    expect(requests()[2]).toMatchObject({ batch: 100, max_bytes: GRANT });
    expect(lost).toEqual([]);
  });

  it("is lost where the server refuses even that", async () => {
    const { clock, join } = sharing();
    const { lost, end } = await join(5);
    end(exceeded, 100, GRANT);
    await clock.advance(LINK_GRANT_MS);
    end(exceeded, 1, READ_WINDOW_BYTES);
    expect(lost).toHaveLength(1);
  });

  it("waits while a bucket of higher priority has more to read, and is not lost over it", async () => {
    const { clock, join } = sharing();
    const [low, high] = [await join(1), await join(10)];
    const bring = (reading: typeof low) => {
      const bytes = GRANT - 100;
      reading.deliver("x".repeat(bytes), "", 1_000);
      reading.reader.release(1, bytes);
      reading.end(exceeded, 1_000, 50);
      return true;
    };
    bring(low);
    bring(high);
    for (let brought = 1, n = 0; n < 60; n++) {
      await clock.advance(LINK_GRANT_MS);
      if (high.requests().length > brought) brought += Number(bring(high));
    }
    expect(high.requests().length).toBeGreaterThan(50);
    expect([low.requests().length, low.lost, low.reader.isHeldBack()]).toEqual([1, [], true]);
    // Nothing of it is left when it ends.
    await low.reader.stop();
    await high.reader.stop();
    expect(clock.scheduled()).toBe(0);
  });

  it("gathers grants for its next request while one is on its way, so that nobody below it has them", async () => {
    const { clock, join } = sharing();
    const [high, low] = [await join(10), await join(1)];
    for (const { deliver, reader } of [high, low]) {
      deliver("x".repeat(GRANT / 2), "", 1_000);
      reader.release(1, GRANT / 2);
    }
    low.end(exceeded, 1_000, 50);
    await clock.advance(3 * LINK_GRANT_MS);
    expect([high.requests().length, low.requests().length]).toEqual([1, 1]);
    high.end(exceeded, 1_000, 50);
    expect(high.requests()).toHaveLength(2);
    expect(high.requests()[1]?.max_bytes).toBeGreaterThanOrEqual(2 * GRANT);
    // As many as may be held, and the rest is for others.
    await clock.advance(20 * LINK_GRANT_MS);
    expect(low.requests().length).toBeGreaterThan(1);
  });

  it("gives its turn to others when it ends", async () => {
    const { clock, join } = sharing();
    const first = await join(5);
    first.deliver("x".repeat(20 * GRANT), "", 1_000);
    const [second, third] = [await join(10), await join(5)];
    await second.reader.stop();
    await clock.advance(20_000);
    expect([second.requests().length, third.requests().length]).toEqual([0, 1]);
  });

  it("takes up a limit that is set, and one that is taken away, while it reads", async () => {
    const { clock, set, join } = sharing(0);
    const { reader, deliver, requests } = await join(5);
    expect(requests()).toMatchObject([{ batch: 100, max_bytes: READ_WINDOW_BYTES }]);
    set(RATE);
    for (let n = 0; n < 100; n++) deliver("v", "", 1_000);
    reader.release(100, 100);
    expect(requests()[1]).toMatchObject({ max_bytes: GRANT });
    deliver("x".repeat(10 * GRANT), "", 1_000);
    reader.release(1, 10 * GRANT);
    set(0);
    reader.release(0, 0);
    for (let n = 0; n < 99; n++) deliver("v", "", 1_000);
    reader.release(99, 99);
    await clock.advance(0);
    expect(requests().at(-1)).toMatchObject({ max_bytes: READ_WINDOW_BYTES });
  });
});

describe("a message that stands before the place from which it was asked for", () => {
  it("ends the reader, and is handed out to nobody", async () => {
    const { lost, sizes, deliver } = await reading(10, { from: 2 });
    deliver();
    expect([sizes, lost]).toEqual([[], [expect.stringMatching(/^KVGW_READER_LOST .* before what it has delivered/)]]);
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
