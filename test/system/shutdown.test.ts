/** A gateway that is told to stop finishes what it has in hand, leaves nothing behind, and never hangs. */
import { Kvm } from "@nats-io/kv";
import { jetstreamManager } from "@nats-io/jetstream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { type Sites, startSites } from "../support/sites.js";

/** A module that keeps the process it is loaded into, for ever. Without spaces, as options in the environment are. */
const HOLD_ON = "data:text/javascript,setInterval(()=>{},1e9)";

describe("SIGTERM to a gateway that something holds on to", () => {
  it("ends it all the same, and tells what that was", async () => {
    const sites = await startSites({ buckets: "  data: {}", gatewayEnv: { NODE_OPTIONS: `--import=${HOLD_ON}` } });
    try {
      const { gateway } = sites.site("site-a");
      expect(await gateway.stop()).toBe(0);
      expect(gateway.log()).toMatch(/"by":"[^"]*Timeout[^"]*".*something holds its process/);
    } finally {
      await sites.dispose();
    }
  });
});

describe("SIGTERM", () => {
  let sites: Sites;

  beforeEach(async () => {
    sites = await startSites({ buckets: "  data: {}" });
  });
  afterEach(() => sites.dispose());

  it("under load ends with exit code 0, a checkpoint and no consumers", async () => {
    const stop = new AbortController();
    const writing = writeUntil(stop.signal);
    await sleep(500);
    expect(await sites.site("site-b").gateway.stop()).toBe(0);
    stop.abort();
    await writing;
    const { client } = sites.site("site-b");
    const checkpoint = await (await new Kvm(client).open("KVGW_site-b")).get("checkpoint.data.site-a");
    expect(checkpoint?.json<{ sequence: number }>().sequence).toBeGreaterThan(0);
    for (const [{ client: at }, stream] of [
      [sites.site("site-b"), "KV_data"],
      [sites.site("site-a"), "KVGW_site-a_data"],
    ] as const) {
      const names: string[] = [];
      for await (const { name } of (await jetstreamManager(at)).consumers.list(stream)) names.push(name);
      expect(names.filter((name) => name.startsWith("kvgw_site-b_"))).toEqual([]);
    }
    sites.site("site-b").gateway.start();
    await sites.untilEqual("data");
  });

  it("ends while the local NATS is silent, and at once on a second signal", async () => {
    const { gateway, server } = sites.site("site-b");
    await server.suspend();
    gateway.signal("SIGTERM");
    await sleep(200);
    expect([0, 1]).toContain(await gateway.stop());
    server.resume();
  });

  async function writeUntil(signal: AbortSignal): Promise<void> {
    const bucket = await new Kvm(sites.site("site-a").client).open("data");
    for (let index = 0; !signal.aborted; index++) await bucket.put(`key.${index % 100}`, String(index));
  }
});
