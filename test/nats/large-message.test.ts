/** One message that is larger than a reader's whole window in bytes. */
import { StorageType, jetstream } from "@nats-io/jetstream";
import { afterEach, describe, expect, it } from "vitest";
import { READ_WINDOW_BYTES } from "../../src/core/limits.js";
import { openPullReader } from "../../src/nats/pull-reader.js";
import { connectTo, openBucket } from "../support/clients.js";
import { eventually } from "../support/eventually.js";
import { startNatsServer } from "../support/nats-server.js";
import { createLeasing } from "./leasing.js";

const MIB = 1024 * 1024;
const LARGE = READ_WINDOW_BYTES + MIB;

const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const each of cleanup.splice(0).reverse()) await each();
});

/** A bucket with a small, a large and a small value, and a lease whose own server takes messages of `ownMax`. */
async function bucketWithLarge(version: "2.15" | "2.9", ownMax: number | null) {
  const server = await startNatsServer({ version, maxPayload: LARGE + MIB });
  cleanup.push(() => server.dispose());
  const app = await connectTo(server.url);
  cleanup.push(() => app.close());
  // Files hold nothing so large.
  await openBucket(app, "data", { storage: StorageType.Memory });
  for (const bytes of [1, LARGE, 2]) {
    await jetstream(app).publish(`$KV.data.k${bytes}`, new Uint8Array(bytes), { timeout: 30_000 });
  }
  const { connections, clock, lease } = createLeasing(server);
  cleanup.push(() => connections.close());
  const own = lease();
  const { nats } = await own.ready();
  if (ownMax !== null && nats.info !== undefined) nats.info.max_payload = ownMax;
  const sizes: number[] = [];
  const lost: string[] = [];
  let pulls = 0;
  const publish = nats.publish.bind(nats);
  nats.publish = (subject, ...rest) => {
    if (subject.includes(".MSG.NEXT.")) pulls++;
    publish(subject, ...rest);
  };
  const reader = await openPullReader(
    {
      ...{ lease: own, clock, domain: null, stream: "KV_data", consumerPrefix: "kvgw_a_tail_", epoch: 1 },
      ...{ windowMessages: () => 10, from: { sequence: 1 } },
    },
    {
      onMessage: ({ data }, _block, _delivery, bytes) => {
        sizes.push(data.length);
        reader.release(1, bytes);
      },
      onLost: ({ code, message }) => void lost.push(`${code} ${message}`),
    },
  );
  cleanup.push(() => reader.stop());
  reader.start();
  return { sizes, lost, pulls: () => pulls };
}

describe.each(["2.15", "2.9"] as const)("a message larger than the window, on nats-server %s", (version) => {
  it("comes through, with those around it", async () => {
    const { sizes, lost } = await bucketWithLarge(version, null);
    await eventually(() => expect(sizes).toEqual([1, LARGE, 2]), { what: "all messages" });
    expect(lost).toEqual([]);
  });

  it("from a server that takes more than the own one ends the reader, which would ask for it for ever", async () => {
    const { sizes, lost, pulls } = await bucketWithLarge(version, MIB);
    await eventually(() => expect(lost).toHaveLength(1), { what: "the loss" });
    expect(lost).toEqual([expect.stringMatching(/^KVGW_READER_LOST .*Message Size Exceeds MaxBytes/)]);
    expect(sizes).toEqual([1]);
    expect(pulls()).toBe(2);
  });
});
