/** The bucket store's contract, on memory and on every server that is supported. */
import { afterAll, beforeAll, describe } from "vitest";
import { bucketStoreContract, expiryContract } from "./bucket-store-contract.js";
import { memoryBucketRig } from "./memory-rigs.js";
import { type NatsRigs, startNatsRigs } from "./nats-rigs.js";

describe("the bucket store over memory", () => {
  bucketStoreContract(memoryBucketRig);
  describe("where entries expire", () => expiryContract(memoryBucketRig));
});

describe.each(["2.15", "2.10", "2.9"] as const)("the bucket store over nats-server %s", (version) => {
  let rigs: NatsRigs;
  beforeAll(async () => {
    rigs = await startNatsRigs(version);
  });
  afterAll(() => rigs?.stop());

  bucketStoreContract((options) => rigs.bucket(options));
  if (version === "2.15") describe("where entries expire", () => expiryContract((options) => rigs.bucket(options)));
});
