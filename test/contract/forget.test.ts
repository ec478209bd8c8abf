/** Forgetting, on memory and on every server that is supported. */
import { afterAll, beforeAll, describe } from "vitest";
import { bucketForgetContract, lastExistingContract, logForgetContract } from "./forget-contract.js";
import { memoryBucketRig, memoryLogRig, memoryPeerRig } from "./memory-rigs.js";
import { type NatsRigs, startNatsRigs } from "./nats-rigs.js";

describe("over memory", () => {
  bucketForgetContract(memoryBucketRig);
  logForgetContract(() => memoryLogRig("raw"));
  lastExistingContract(() => memoryPeerRig("raw"));
});

describe.each(["2.15", "2.10", "2.9"] as const)("over nats-server %s", (version) => {
  let rigs: NatsRigs;
  beforeAll(async () => {
    rigs = await startNatsRigs(version);
  });
  afterAll(() => rigs?.stop());

  bucketForgetContract((options) => rigs.bucket(options));
  logForgetContract(() => rigs.log("raw"));
  lastExistingContract(() => rigs.peer("raw"));
});
