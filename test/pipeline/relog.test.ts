/** Which own versions are logged again once the clock is right, and what another gateway of the site has done already. */
import { describe, expect, it } from "vitest";
import { siteNamed, keyNamed } from "../core/names.js";
import { operationAt } from "../core/arbitraries.js";
import { createVirtualClock } from "../memory/virtual-clock.js";
import { type Entry, type LoggedOperation, NO_BYTES } from "../../src/core/operation.js";
import type { OperationLog } from "../../src/core/ports.js";
import { createReplica } from "../../src/core/replica.js";
import { createClockGuard } from "../../src/pipeline/clock-guard.js";
import { createRelogger } from "../../src/pipeline/relog.js";
import { BUCKET } from "./world.js";

const [A, B] = [siteNamed("a"), siteNamed("b")];
const CREATED = "1700000000000000000";
const HOUR_US = 3_600_000_000;

/** The site's log has these; what is logged again is noted. */
function rig(logged: readonly LoggedOperation[]) {
  const clock = createVirtualClock();
  const nowUs = clock.nowMs() * 1_000;
  const replica = createReplica(A, { bucketCreated: CREATED });
  const guard = createClockGuard({ site: A, clock, maxClockSkewMs: () => HOUR_US / 1_000 });
  guard.measured(B, 0);
  const again: string[] = [];
  const relogger = createRelogger({
    ...{ site: A, bucket: BUCKET, bucketCreated: CREATED, replica, guard, clock, questions: new Map(), includes: () => true },
    store: { read: () => Promise.resolve(null) },
    log: {
      scan: (_, onOperation) => Promise.resolve(logged.forEach((each) => onOperation(each, true))).then(() => ({ created: "1", lastSequence: 9 })),
      read: (key) => Promise.resolve(logged.find(({ operation }) => operation.key === key) ?? null),
    } as OperationLog,
    observe: () => undefined,
    signal: new AbortController().signal,
  });
  for (const { operation } of logged) relogger.note(operation.version);
  const appender = { logged: () => Promise.resolve(), append: ({ key }: { key: string }) => void again.push(key) };
  const look = () => relogger.look({ appender, applier: {} } as unknown as Parameters<typeof relogger.look>[0]);
  return { nowUs, replica, again, look };
}

const LIMIT_US = createVirtualClock().nowMs() * 1_000 + HOUR_US;
const at = (name: string, ts: number, revision: number): LoggedOperation => ({
  operation: operationAt(ts, A, { key: keyNamed(name) }),
  sequence: revision,
  identity: { bucketCreated: CREATED, revision, timestampNs: `${revision}000` },
});
const entryOf = ({ operation: { key }, identity }: LoggedOperation): Entry & { readonly key: typeof key } => ({
  ...{ key, kind: "put", value: NO_BYTES, revision: identity?.revision ?? 0, timestampNs: identity?.timestampNs ?? "" },
  ...{ timestampUs: 1, expiresUs: null, version: null },
});

describe("looking for own versions that are ahead", () => {
  it("logs again what is far ahead, and not what will be right within a moment", async () => {
    const [far, near] = [at("far", LIMIT_US + HOUR_US, 1), at("near", LIMIT_US + 1_000_000, 2)];
    const { replica, again, look } = rig([far, near]);
    for (const each of [far, near]) replica.restore(each);
    await look();
    expect(again).toEqual(["far"]);
  });

  it("takes over what another gateway of the site has logged again of the same entry", async () => {
    const [far, sane] = [at("other", LIMIT_US + HOUR_US, 1), at("k", 2_000, 2)];
    const { replica, again, look } = rig([far, sane]);
    replica.observe(entryOf(sane), { aboveUs: () => LIMIT_US + HOUR_US });
    expect(replica.get(sane.operation.key)?.version.ts).toBeGreaterThan(LIMIT_US);
    await look();
    expect([again, replica.get(sane.operation.key)?.version]).toEqual([[], sane.operation.version]);
  });
});
