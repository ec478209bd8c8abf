/** The gateway without any NATS: reloads in their order, what a mistake of ours in one leaves behind, and readiness. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/parse.js";
import type { GatewayEvent } from "../../src/core/events.js";
import { err, ok } from "../../src/core/result.js";
import { type Gateway, createGateway } from "../../src/gateway/gateway.js";
import { type Connections, createConnections } from "../../src/nats/connections.js";
import { createSystemClock, readSecret, systemRandom } from "../../src/system.js";

const yaml = (buckets: string) => `version: 1
sites:
  a: { servers: ["nats://127.0.0.1:1"] }
  b: { servers: ["nats://127.0.0.1:2"] }
  c: { servers: ["nats://127.0.0.1:3"] }
buckets: ${buckets}
`;

describe("a gateway", () => {
  const events: GatewayEvent[] = [];
  let connections: Connections;
  let gateway: Gateway;
  let localIsUp = false;
  /** Leases that are still given; the next one throws, once. */
  let leasesLeft = Infinity;
  let parserBreaks = false;

  const told = () => events.map(({ type }) => type).filter((type) => type === "bug" || type.startsWith("config"));
  const running = () => Object.keys(gateway.status().buckets).sort();

  const lease: Connections["lease"] = (site) => {
    if (leasesLeft-- === 0) throw new TypeError("a mistake of ours");
    const real = connections.lease(site);
    return { ...real, connected: () => localIsUp && site.id === "a" };
  };

  beforeEach(() => {
    events.length = 0;
    [localIsUp, leasesLeft, parserBreaks] = [false, Infinity, false];
    const clock = createSystemClock();
    const quiet = { onBug: () => undefined, onStatus: () => undefined };
    connections = createConnections({ clock, readSecret, clientName: "test", ...quiet });
    gateway = createGateway({
      ...{ clock, random: systemRandom, version: "test", configPath: "test.yaml", clockOffsetUs: 0 },
      holder: { id: "gateway-1", name: "gateway 1" },
      connections: { ...connections, lease },
      observe: (event) => void events.push(event),
      parse: (text) => {
        if (parserBreaks) throw new TypeError("a mistake of ours");
        const parsed = parseConfig(text, { file: "test.yaml", env: {}, site: "a" });
        return parsed.ok ? ok(parsed.value) : err(parsed.error.map(({ path, message }) => `${path}: ${message}`));
      },
    });
  });
  afterEach(() => gateway.stop());

  describe("that is told that the file cannot be read while a reload is still being applied", () => {
    it("says so after the reload, and goes on to say so", async () => {
      await gateway.reload(yaml("{ x: {} }"));
      const applying = gateway.reload(yaml("{ y: {} }"));
      const refused = gateway.refuse(["test.yaml: cannot be read"]);
      expect([(await applying).result, (await refused).result]).toEqual(["applied", "rejected"]);
      expect(gateway.status().config.lastError).toBe("test.yaml: cannot be read");
      expect(told()).toEqual(["config-applied", "config-applied", "config-rejected"]);
      expect([running(), (await refused).kept]).toEqual([["y"], 1]);
    });

    it("takes it back with the next good text", async () => {
      await gateway.reload(yaml("{ x: {} }"));
      const refused = gateway.refuse(["test.yaml: cannot be read"]);
      expect((await gateway.reload(yaml("{ x: {} }"))).result).toBe("unchanged");
      await refused;
      expect(gateway.status().config.lastError).toBeNull();
    });
  });

  describe("that makes a mistake in a reload", () => {
    it("tells it, and takes the next text, where the text could not be read", async () => {
      await gateway.reload(yaml("{ x: {} }"));
      parserBreaks = true;
      const outcome = await gateway.reload(yaml("{ y: {} }"));
      expect([outcome.result, running()]).toEqual(["rejected", ["x"]]);
      expect(outcome.problems.join()).toContain("a mistake of ours");
      expect(gateway.status().config.lastError).toContain("a mistake of ours");
      parserBreaks = false;
      expect((await gateway.reload(yaml("{ y: {} }"))).result).toBe("applied");
      expect([told(), running()]).toEqual([["config-applied", "bug", "config-applied"], ["y"]]);
      expect(events).toContainEqual(expect.objectContaining({ type: "bug", reason: expect.objectContaining({ code: "KVGW_INTERNAL" }) }));
    });

    const before = yaml("{ keep: {}, change: {}, gone: {} }");
    const after = yaml("{ keep: {}, change: { subject: rep.elsewhere }, fresh: {} }");
    // However far it came: every lease that it takes on its way is a place where it may break off.
    const places = Array.from({ length: 11 }, (_, given) => given);

    it.each(places)("runs what the next text says, wherever it broke off (after %d leases)", async (given) => {
      await gateway.reload(before);
      leasesLeft = given;
      expect((await gateway.reload(after)).result).toBe("rejected");
      expect(told()).toEqual(["config-applied", "bug"]);
      expect((await gateway.reload(after)).result).toBe("applied");
      expect([running(), gateway.status().config.lastError]).toEqual([["change", "fresh", "keep"], null]);
      expect(gateway.config()?.buckets.size).toBe(3);
      expect((await gateway.reload(after)).result).toBe("unchanged");
    });

    it.each(places)("goes back to the text before, wherever it broke off (after %d leases)", async (given) => {
      await gateway.reload(before);
      leasesLeft = given;
      await gateway.reload(after);
      const back = await gateway.reload(before);
      expect([back.problems, running()]).toEqual([[], ["change", "gone", "keep"]]);
    });

    it("keeps what a running process refuses: the address that it listens on", async () => {
      await gateway.reload(before);
      leasesLeft = 5;
      await gateway.reload(after);
      const outcome = await gateway.reload(`${after}http: { listen: "127.0.0.1:1" }\n`);
      expect([outcome.result, outcome.problems.join()]).toEqual(["rejected", expect.stringContaining("http.listen")]);
    });
  });

  describe("at a site where no bucket runs", () => {
    it("is ready only while its own NATS is reached", async () => {
      const { problems } = await gateway.reload(yaml("{ x: { sites: [b, c] } }"));
      expect([problems, running()]).toEqual([[], []]);
      const ready = () => [gateway.status().ready, gateway.status().notReady];
      expect(ready()).toEqual([false, ["the local NATS is not reachable"]]);
      localIsUp = true;
      expect(ready()).toEqual([true, []]);
    });

    it("is not ready before a config was loaded", () => {
      localIsUp = true;
      expect(gateway.status().notReady).toEqual(["no config has been loaded"]);
    });
  });
});
