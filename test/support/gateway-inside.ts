/**
 * A whole gateway inside the test's process, over real NATS, with what a process cannot be given: a clock that is
 * wrong. Both the gateway's own clock and the timestamps of its NATS server are moved, as on a machine whose clock is.
 */
import { randomUUID } from "node:crypto";
import { createGateway, type Gateway } from "../../src/gateway/gateway.js";
import { parseConfig } from "../../src/config/parse.js";
import type { GatewayEvent } from "../../src/core/events.js";
import { err, ok } from "../../src/core/result.js";
import { createConnections } from "../../src/nats/connections.js";
import { createSystemClock, readSecret, systemRandom } from "../../src/system.js";
import { eventually } from "./eventually.js";

export interface GatewayInside {
  readonly gateway: Gateway;
  readonly events: readonly GatewayEvent[];
  /** Connections that exist now, counted where they are leased. */
  connections(): number;
  untilReady(): Promise<void>;
}

export async function startGatewayInside(
  yaml: string,
  site: string,
  options: { readonly clockOffsetMs?: number } = {},
): Promise<GatewayInside> {
  const { clockOffsetMs = 0 } = options;
  const clock = createSystemClock(clockOffsetMs);
  const events: GatewayEvent[] = [];
  const connections = createConnections({
    ...{ clock, readSecret, clientName: `kvgw ${site}` },
    onBug: (error) => {
      throw error;
    },
    onStatus: () => undefined,
  });
  const gateway = createGateway({
    ...{ connections, clock, random: systemRandom, version: "test", configPath: "test.yaml" },
    clockOffsetUs: clockOffsetMs * 1_000,
    holder: { id: randomUUID(), name: `the gateway of ${site}` },
    observe: (event) => void events.push(event),
    parse: (text) => {
      const parsed = parseConfig(text, { file: "test.yaml", env: {}, site });
      return parsed.ok ? ok(parsed.value) : err(parsed.error.map(({ path, message }) => `${path}: ${message}`));
    },
  });
  const outcome = await gateway.reload(yaml);
  if (outcome.result !== "applied") throw new Error(outcome.problems.join("\n"));
  return {
    gateway,
    events,
    connections: () => connections.open(),
    untilReady: async () => {
      await eventually(() => gateway.status().ready, { what: `the gateway of ${site} is ready` });
    },
  };
}
