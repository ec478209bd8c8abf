/** The peer link's contract, on memory and on a real server, in both formats. */
import { afterAll, beforeAll, describe } from "vitest";
import { memoryPeerRig } from "./memory-rigs.js";
import { type NatsRigs, startNatsRigs } from "./nats-rigs.js";
import { peerLinkContract } from "./peer-link-contract.js";

describe.each(["raw", "json"] as const)("the peer link in %s over memory", (format) =>
  peerLinkContract(() => memoryPeerRig(format)),
);

describe("the peer link over nats-server 2.15", () => {
  let rigs: NatsRigs;
  beforeAll(async () => {
    rigs = await startNatsRigs("2.15");
  });
  afterAll(() => rigs?.stop());

  describe.each(["raw", "json"] as const)("in %s", (format) => peerLinkContract(() => rigs.peer(format)));
});
