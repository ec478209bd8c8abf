/** The bucket store's contract, on memory and on every server that is supported. */
import { afterAll, beforeAll, describe } from "vitest";
import { bucketReadContract, expiryReadContract } from "./bucket-read-contract.js";
import { bucketStoreContract, expiryContract } from "./bucket-store-contract.js";
import { memoryBucketRig } from "./memory-rigs.js";
import { type NatsRigs, startNatsRigs } from "./nats-rigs.js";

describe("the bucket store over memory", () => {
  bucketStoreContract(memoryBucketRig);
  describe("a read", () => bucketReadContract(memoryBucketRig));
  describe("where entries expire", () => {
    expiryContract(memoryBucketRig);
    expiryReadContract(memoryBucketRig);
  });
});

describe.each(["2.15", "2.10", "2.9"] as const)("the bucket store over nats-server %s", (version) => {
  let rigs: NatsRigs;
  beforeAll(async () => {
    rigs = await startNatsRigs(version);
  });
  afterAll(() => rigs?.stop());

  bucketStoreContract((options) => rigs.bucket(options));
  describe("a read", () => bucketReadContract((options) => rigs.bucket(options)));
  if (version !== "2.15") return;
  describe("where entries expire", () => {
    expiryContract((options) => rigs.bucket(options));
    expiryReadContract((options) => rigs.bucket(options));
  });
});
