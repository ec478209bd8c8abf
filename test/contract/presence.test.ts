/** The contract of finding each other, on memory and on every server that is supported. */
import { afterAll, beforeAll, describe } from "vitest";
import { memoryPresenceRig } from "./memory-rigs.js";
import { type NatsRigs, startNatsRigs } from "./nats-rigs.js";
import { presenceContract } from "./presence-contract.js";

describe("presence over memory", () => presenceContract(memoryPresenceRig));

describe.each(["2.15", "2.10", "2.9"] as const)("presence over nats-server %s", (version) => {
  let rigs: NatsRigs;
  beforeAll(async () => {
    rigs = await startNatsRigs(version);
  });
  afterAll(() => rigs?.stop());

  presenceContract(() => rigs.presence());
});
