/** The operation log's contract, on memory and on every server that is supported, in both formats. */
import { afterAll, beforeAll, describe } from "vitest";
import { memoryLogRig } from "./memory-rigs.js";
import { type NatsRigs, startNatsRigs } from "./nats-rigs.js";
import { operationLogContract } from "./operation-log-contract.js";

describe.each(["raw", "json"] as const)("the operation log in %s over memory", (format) =>
  operationLogContract(() => memoryLogRig(format)),
);

describe.each([
  ["2.15", "raw"],
  ["2.15", "json"],
  ["2.10", "raw"],
  ["2.9", "raw"],
] as const)("the operation log over nats-server %s in %s", (version, format) => {
  let rigs: NatsRigs;
  beforeAll(async () => {
    rigs = await startNatsRigs(version);
  });
  afterAll(() => rigs?.stop());

  operationLogContract(() => rigs.log(format));
});
