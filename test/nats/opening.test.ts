/** A reader whose connection breaks while it is being opened, or goes while it reads: nothing of it may live on. */
import { setTimeout as sleep } from "node:timers/promises";
import { AckPolicy, type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Lease } from "../../src/nats/connections.js";
import { type PullReader, openPullReader } from "../../src/nats/pull-reader.js";
import { connectTo, openBucket } from "../support/clients.js";
import { eventually } from "../support/eventually.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { type Leasing, createLeasing } from "./leasing.js";

const STREAM = "KV_data";
const CONSUMERS = "kvgw_a_tail_";
const EPOCH = 9;
const QUIET_MS = 200;

let server: NatsServer;
let app: NatsConnection;
let manager: JetStreamManager;
let leasing: Leasing;
let lease: Lease;

beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server?.dispose());
beforeEach(async () => {
  app = await connectTo(server.url);
  manager = await jetstreamManager(app);
  await openBucket(app, "data");
  leasing = createLeasing(server);
  lease = leasing.lease();
  await lease.ready();
});
afterEach(async () => {
  await leasing.connections.close();
  await manager.streams.delete(STREAM);
  await app.close();
});

interface Opened {
  readonly reader: Promise<PullReader>;
  readonly lost: string[];
  readonly keys: string[];
}

function open(): Opened {
  const lost: string[] = [];
  const keys: string[] = [];
  const reader = openPullReader(
    {
      ...{ lease, clock: leasing.clock, domain: null, stream: STREAM, consumerPrefix: CONSUMERS, epoch: EPOCH },
      ...{ windowMessages: () => 10, from: { lastPerSubject: "$KV.data.>" } },
    },
    { onMessage: ({ subject }) => void keys.push(subject), onLost: ({ code }) => void lost.push(code) },
  );
  return { reader, lost, keys };
}

/** The first request of the verb goes out over the connection after the present one, when `go` is called; `asked` notes
 *  what is asked for from then on. */
function holdBack(verb: string) {
  const { nats } = lease.link();
  const request = nats.request.bind(nats);
  const asked: string[] = [];
  let go = () => {};
  let held = false;
  let passed = false;
  const gone = new Promise<void>((resolve) => (go = resolve));
  nats.request = async (subject, ...rest) => {
    if (passed) asked.push(subject);
    if (held || !subject.includes(verb)) return request(subject, ...rest);
    held = true;
    await nats.reconnect();
    await gone;
    passed = true;
    return request(subject, ...rest);
  };
  return { asked, go };
}

async function consumers(): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of manager.consumers.list(STREAM)) names.push(name);
  return names.sort();
}

const backUp = () => eventually(() => lease.connected(), { what: "the connection is back" });

describe("an opening during which the connection breaks", () => {
  it("fails at once, and makes and removes nothing any more", async () => {
    for (const epoch of [1, 2, 3]) {
      await manager.consumers.add(STREAM, { name: `${CONSUMERS}${epoch}`, ack_policy: AckPolicy.None });
    }
    const { asked, go } = holdBack("CONSUMER.DELETE");
    const { reader, lost } = open();
    await expect(reader).rejects.toMatchObject({ code: "KVGW_UNREACHABLE" });
    await backUp();
    go();
    await eventually(async () => expect(await consumers()).toHaveLength(2), { what: "what was under way has happened" });
    await sleep(QUIET_MS);
    expect([await consumers(), asked, lost]).toEqual([[`${CONSUMERS}2`, `${CONSUMERS}3`], [], []]);
    expect(leasing.clock.scheduled()).toBe(0);
  });

  it("does not touch the consumer of the next one", async () => {
    const { go } = holdBack("CONSUMER.NAMES");
    const first = open();
    await expect(first.reader).rejects.toMatchObject({ code: "KVGW_UNREACHABLE" });
    await backUp();
    const second = open();
    const reader = await second.reader;
    reader.start();
    go();
    await sleep(QUIET_MS);
    await (await openBucket(app, "data")).put("k", "v");
    await eventually(() => expect(second.keys).toEqual(["$KV.data.k"]), { what: "the entry" });
    expect([await consumers(), second.lost, first.keys]).toEqual([[`${CONSUMERS}${EPOCH}`], [], []]);
    await reader.stop();
  });

  it("begins no reading although its consumer was made after all", async () => {
    const { go } = holdBack("CONSUMER.CREATE");
    const { reader, lost } = open();
    await expect(reader).rejects.toMatchObject({ code: "KVGW_UNREACHABLE" });
    await backUp();
    go();
    await eventually(async () => expect(await consumers()).toHaveLength(1), { what: "the consumer" });
    await sleep(QUIET_MS);
    expect([leasing.clock.scheduled(), lost]).toEqual([0, []]);
    const next = await open().reader;
    expect(await consumers()).toEqual([`${CONSUMERS}${EPOCH}`]);
    await next.stop();
    expect(await consumers()).toEqual([]);
  });
});

describe("a reader whose lease ends", () => {
  it.each(["release", "close"] as const)("is lost, and leaves no timer behind (%s)", async (how) => {
    const { reader, lost } = open();
    (await reader).start();
    if (how === "release") lease.release();
    else await leasing.connections.close();
    expect([lost, leasing.clock.scheduled()]).toEqual([["KVGW_READER_LOST"], 0]);
  });
});
