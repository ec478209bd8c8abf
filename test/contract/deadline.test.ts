/** Deadlines, on memory and on every server that is supported. */
import { afterAll, beforeAll, describe } from "vitest";
import { deadlineContract, lifetimeContract } from "./deadline-contract.js";
import { memoryBucketRig } from "./memory-rigs.js";
import { type NatsRigs, startNatsRigs } from "./nats-rigs.js";

describe("deadlines over memory", () => {
  deadlineContract(memoryBucketRig);
  lifetimeContract(memoryBucketRig);
});

describe.each(["2.15", "2.10", "2.9"] as const)("deadlines over nats-server %s", (version) => {
  let rigs: NatsRigs;
  beforeAll(async () => {
    rigs = await startNatsRigs(version);
  });
  afterAll(() => rigs?.stop());

  deadlineContract((options) => rigs.bucket(options));
  if (version === "2.15") lifetimeContract((options) => rigs.bucket(options));
});
