import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { headers, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ServerVersion } from "../../scripts/nats-server.mjs";
import { bucketContents, connectionCount, connectTo, eachUntilLast, openBucket, streamMessageCount } from "./clients.js";
import { eventually } from "./eventually.js";
import { startNatsServer, type NatsServer } from "./nats-server.js";

const VERSIONS: readonly ServerVersion[] = ["2.15", "2.10", "2.9"];

describe.each(VERSIONS)("the clients of tests, on nats-server %s", (version) => {
  let server: NatsServer;
  let connection: NatsConnection;

  beforeAll(async () => {
    server = await startNatsServer({ version });
    connection = await connectTo(server.url);
  });

  afterAll(async () => {
    await connection?.close();
    await server?.dispose();
  });

  it("read the last entry of every key with its operation, revision, value and headers", async () => {
    const bucket = await openBucket(connection, "mixed", { history: 5 });
    await bucket.put("a.b", "old");
    await bucket.put("a.b", new Uint8Array([0, 255]));
    await bucket.put("deleted", "x");
    await bucket.delete("deleted");
    await bucket.put("purged", "x");
    await bucket.purge("purged");
    const extra = headers();
    extra.set("Some-Header", "some value");
    await jetstream(connection).publish("$KV.mixed.empty", "", { headers: extra });

    const contents = await bucketContents(connection, "mixed");
    expect([...contents.keys()].sort()).toEqual(["a.b", "deleted", "empty", "purged"]);
    expect(contents.get("a.b")).toEqual({ value: Buffer.from([0, 255]), operation: "PUT", revision: 2, headers: new Map() });
    expect(contents.get("deleted")).toMatchObject({ operation: "DEL", revision: 4 });
    expect(contents.get("purged")).toMatchObject({ operation: "PURGE", revision: 6 });
    expect(contents.get("empty")).toEqual({
      value: Buffer.alloc(0),
      operation: "PUT",
      revision: 7,
      headers: new Map([["Some-Header", "some value"]]),
    });
    expect(await streamMessageCount(connection, "KV_mixed")).toBe(6);
  });

  it("read an empty bucket as empty", async () => {
    await openBucket(connection, "empty");
    expect(await bucketContents(connection, "empty")).toEqual(new Map());
    expect(await streamMessageCount(connection, "KV_empty")).toBe(0);
  });

  it("do not wait for an entry that goes before it comes", async () => {
    const bucket = await openBucket(connection, "going");
    await bucket.put("stays", "x");
    await bucket.put("goes", "x");
    const consumer = await jetstream(connection).consumers.get("KV_going");
    const manager = await jetstreamManager(connection);
    const info = async () => {
      const found = await consumer.info();
      await manager.streams.deleteMessage("KV_going", 2).catch(() => false);
      return found;
    };
    const subjects: string[] = [];
    await eachUntilLast({ info, consume: () => consumer.consume() }, "going", ({ subject }) => subjects.push(subject));
    expect(subjects).toEqual(["$KV.going.stays"]);
  });

  it("read thousands of keys, and leave no consumer behind", async () => {
    const bucket = await openBucket(connection, "large");
    const keys = Array.from({ length: 3000 }, (_, n) => `key.${n}`);
    for (let n = 0; n < keys.length; n += 500) {
      await Promise.all(keys.slice(n, n + 500).map((key) => bucket.put(key, `value of ${key}`)));
    }
    const contents = await bucketContents(connection, "large");
    expect(contents.size).toBe(keys.length);
    expect(keys.every((key) => contents.get(key)?.value.toString() === `value of ${key}`)).toBe(true);
    const manager = await jetstreamManager(connection);
    expect((await manager.streams.info("KV_large")).state.consumer_count).toBe(0);
  });

  it("count the connections of a server", async () => {
    const before = await connectionCount(server);
    const second = await connectTo(server.url);
    expect(await connectionCount(server)).toBe(before + 1);
    await second.close();
    await eventually(async () => expect(await connectionCount(server)).toBe(before), { what: "the connection is gone" });
  });
});

describe("the clients of tests, on servers with markers", () => {
  it("tell an expired key from an empty value", async () => {
    const server = await startNatsServer({ version: "2.15" });
    const connection = await connectTo(server.url);
    try {
      const bucket = await openBucket(connection, "expiring", { markerTTL: 60_000 });
      await bucket.create("k", "v", "1s");
      await eventually(
        async () => {
          const entry = (await bucketContents(connection, "expiring")).get("k");
          expect(entry?.operation).toBe("PURGE");
          expect(entry?.headers.get("Nats-Marker-Reason")).toBe("MaxAge");
        },
        { what: "the key has expired", everyMs: 200 },
      );
    } finally {
      await connection.close();
      await server.dispose();
    }
  });
});
