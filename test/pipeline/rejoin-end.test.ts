/** How a rejoin comes to its end: once, however many rounds end together, and again where setting aside failed. */
import { describe, expect, it } from "vitest";
import { GatewayError } from "../../src/core/errors.js";
import type { GatewayEvent } from "../../src/core/events.js";
import type { Key } from "../../src/core/ids.js";
import { createReplica } from "../../src/core/replica.js";
import { NOT_SEEN } from "../../src/core/seen.js";
import { createRejoin } from "../../src/pipeline/rejoin.js";
import { helloOf } from "../contract/answering.js";
import { operationAt } from "../core/arbitraries.js";
import { bucketNamed, keyNamed, siteNamed } from "../core/names.js";

const [A, B, C] = [siteNamed("a"), siteNamed("b"), siteNamed("c")];
const K = keyNamed("k");

function rejoining(setAside: (key: Key) => Promise<boolean>) {
  const replica = createReplica(A);
  replica.recordApplied(operationAt(1, B), 1);
  const events: GatewayEvent[] = [];
  let overs = 0;
  const rejoin = createRejoin({
    ...{ site: A, bucket: bucketNamed("config"), peers: [B, C], replica, setAside },
    marks: { own: () => ({ ...NOT_SEEN, run: "0b", atUs: 5, left: true }), seen: () => new Map() },
    isBehind: () => true,
    isOld: () => true,
    ask: () => undefined,
    observe: (event) => void events.push(event),
    onOver: () => void overs++,
  });
  rejoin.begin();
  const compared = (peer: typeof B) => rejoin.compared(peer, helloOf({ site: peer, rejoining: false }), [K]);
  return { rejoin, events, compared, overs: () => overs };
}

describe("a rejoin", () => {
  it("ends once where the last rounds end together", async () => {
    const asked: Key[] = [];
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const { rejoin, events, compared, overs } = rejoining(async (key) => {
      asked.push(key);
      await held;
      return true;
    });
    await compared(B);
    const both = [compared(C), compared(B)];
    release();
    await Promise.all(both);
    expect([asked, overs(), rejoin.isRejoining()]).toEqual([[K], 1, false]);
    expect(events.map(({ type }) => type)).toEqual(["rejoining", "rejoined"]);
  });

  it("goes on where a ghost could not be set aside, and ends with a later round", async () => {
    let fails = true;
    const unavailable = new GatewayError("KVGW_STATE_UNAVAILABLE", "no");
    const { rejoin, compared, overs } = rejoining(() => (fails ? Promise.reject(unavailable) : Promise.resolve(true)));
    await compared(B);
    await expect(compared(C)).rejects.toBe(unavailable);
    expect([rejoin.isRejoining(), overs()]).toEqual([true, 0]);
    fails = false;
    await compared(C);
    expect([rejoin.isRejoining(), overs()]).toEqual([false, 1]);
  });
});
