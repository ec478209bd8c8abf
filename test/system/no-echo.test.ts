/** I4 and I13: one local write is one operation, an echo is none, and an idle system writes nothing. */
import { setTimeout as sleep } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Sites, startSites } from "../support/sites.js";

const WRITES_PER_SITE = 500;
/** Longer than every interval of the program that could write. */
const IDLE_MS = Number(process.env["KVGW_TEST_IDLE_MS"] ?? 12_000);

describe("after a thousand writes over both sites", () => {
  let sites: Sites;

  beforeAll(async () => {
    sites = await startSites({ buckets: "  data: {}" });
    await Promise.all(
      sites.all.map(async ({ client, name }) => {
        const bucket = await new Kvm(client).open("data");
        const keys = Array.from({ length: WRITES_PER_SITE }, (_, index) => `${name}.${index}`);
        await Promise.all(keys.map((key) => bucket.put(key, key)));
      }),
    );
    expect((await sites.untilEqual("data")).size).toBe(2 * WRITES_PER_SITE);
  });
  afterAll(() => sites.dispose());

  it("has exactly as many operations in the logs as there were local writes", async () => {
    for (const { client, name } of sites.all) {
      const { state } = await (await jetstreamManager(client)).streams.info(`KVGW_${name}_data`);
      expect([state.messages, state.last_seq]).toEqual([WRITES_PER_SITE, WRITES_PER_SITE]);
    }
    for (const { gateway } of sites.all) {
      expect(await gateway.metrics()).toContain(`kvgw_operations_captured_total{bucket="data"} ${WRITES_PER_SITE}`);
    }
  });

  it("writes nothing anywhere while idle, and keeps one consumer per stream", { timeout: IDLE_MS + 60_000 }, async () => {
    // Checkpoints of the last operations are written behind the work.
    await sleep(2_000);
    const before = await everyStream();
    await sleep(IDLE_MS);
    expect(await everyStream()).toEqual(before);
  });

  async function everyStream(): Promise<Record<string, unknown>> {
    const found: Record<string, unknown> = {};
    for (const { client, name } of sites.all) {
      for await (const { config, state } of (await jetstreamManager(client)).streams.list()) {
        const { last_seq: last, messages, consumer_count: consumers } = state;
        expect(consumers, config.name).toBe(config.name.startsWith("KV_KVGW") ? 0 : 1);
        found[`${name} ${config.name}`] = { last, messages };
      }
    }
    return found;
  }
});
