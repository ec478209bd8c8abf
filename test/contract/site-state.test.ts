/** The site state's contract, on memory and on a real server. */
import { afterAll, beforeAll, describe } from "vitest";
import { memoryStateRig } from "./memory-rigs.js";
import { type NatsRigs, startNatsRigs } from "./nats-rigs.js";
import { siteStateContract } from "./site-state-contract.js";

describe("the site state over memory", () => siteStateContract(memoryStateRig));

describe("the site state over nats-server 2.15", () => {
  let rigs: NatsRigs;
  beforeAll(async () => {
    rigs = await startNatsRigs("2.15");
  });
  afterAll(() => rigs?.stop());

  siteStateContract(() => rigs.state());
});
