/** A log whose bucket got another subject: old operations stay where they are, and new ones begin anew beside them. */
import { afterEach, describe, expect, it } from "vitest";
import type { ExpectedSequences, OperationLog } from "../../src/core/ports.js";
import { createOperationLog } from "../../src/nats/operation-log.js";
import { identityAt, operationOf } from "../contract/operation-log-contract.js";
import { SITE } from "../contract/rigs.js";
import { bucketNamed, keyNamed } from "../core/names.js";
import { startNatsServer } from "../support/nats-server.js";
import { createLeasing } from "./leasing.js";

const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const each of cleanup.splice(0).reverse()) await each();
});

const append = (log: OperationLog, key: string, expected: ExpectedSequences) =>
  new Promise((resolve) => log.append(operationOf(key), identityAt(expected.last + 1), expected, resolve));

async function inPlaceByOperation(log: OperationLog): Promise<Record<string, boolean>> {
  const found: Record<string, boolean> = {};
  await log.scan(1, ({ operation, sequence }, inPlace) => void (found[`${operation.key}@${sequence}`] = inPlace));
  return found;
}

describe.each(["2.15", "2.9"] as const)("the log of a bucket that got another subject, over nats-server %s", (version) => {
  it("says which operations stand where the next one of their key goes, and takes that one as the first", async () => {
    const server = await startNatsServer({ version });
    cleanup.push(() => server.dispose());
    const { connections, clock, lease } = createLeasing(server);
    cleanup.push(() => connections.close());
    const place = { lease: lease(), domain: null, clock, epoch: 1 };
    await place.lease.ready();
    const under = async (subject: string) => {
      const log = createOperationLog(place, { site: SITE, bucket: bucketNamed("data"), subject, format: "raw" });
      await log.open(1);
      return log;
    };
    const before = await under("rep.one");
    for (const [last, key] of ["a", "b"].entries()) await append(before, key, { last, key: 0 });
    const after = await under("rep.two");
    expect(await inPlaceByOperation(after)).toEqual({ "a@1": false, "b@2": false });
    expect(await after.sequenceOf(keyNamed("a"))).toBe(0);
    expect(await append(after, "a", { last: 2, key: 1 })).toEqual({ kind: "mismatch" });
    expect(await append(after, "a", { last: 2, key: 0 })).toEqual({ kind: "appended", sequence: 3 });
    expect(await inPlaceByOperation(after)).toEqual({ "a@1": false, "b@2": false, "a@3": true });
    expect(await inPlaceByOperation(await under("rep.one"))).toEqual({ "a@1": true, "b@2": true, "a@3": false });
  });
});
