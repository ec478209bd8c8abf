/** The contract of asking and answering, on memory and on every server that is supported. */
import { afterAll, beforeAll, describe } from "vitest";
import { memoryQuestionsRig } from "./memory-rigs.js";
import { type NatsRigs, startNatsRigs } from "./nats-rigs.js";
import { messagesContract, questionsContract } from "./questions-contract.js";

describe("questions over memory", () => questionsContract(memoryQuestionsRig));

describe.each(["2.15", "2.10", "2.9"] as const)("questions over nats-server %s", (version) => {
  let rigs: NatsRigs;
  beforeAll(async () => {
    rigs = await startNatsRigs(version);
  });
  afterAll(() => rigs?.stop());

  questionsContract(() => rigs.questions());
  describe("as messages", () => messagesContract(() => rigs.questions()));
});
