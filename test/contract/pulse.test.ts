/** The contract of the heartbeat, on memory and on servers old and new. */
import { afterAll, beforeAll, describe } from "vitest";
import { memoryPulseRig } from "./memory-rigs.js";
import { type NatsRigs, startNatsRigs } from "./nats-rigs.js";
import { pulseContract } from "./pulse-contract.js";

describe("a pulse over memory", () => pulseContract(memoryPulseRig));

describe.each(["2.15", "2.9"] as const)("a pulse over nats-server %s", (version) => {
  let rigs: NatsRigs;
  beforeAll(async () => {
    rigs = await startNatsRigs(version);
  });
  afterAll(() => rigs?.stop());

  pulseContract(() => rigs.pulse());
});
