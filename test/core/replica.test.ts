/** What one entry of the tail turns out to be, and what the site knows afterwards (I4, I5). */
import { beforeEach, describe, expect, it } from "vitest";
import { type Entry, type EntryIdentity, type LoggedOperation, NO_BYTES, type Operation } from "../../src/core/operation.js";
import { type Observation, type Replica, createReplica } from "../../src/core/replica.js";
import { compareVersions } from "../../src/core/version.js";
import { operationAt } from "./arbitraries.js";
import { keyNamed, siteNamed } from "./names.js";

const [A, B] = [siteNamed("a"), siteNamed("b")];
const K = keyNamed("k");
const CREATED = "1700000000000000000";
const NOTHING_UNSEEN = { aboveUs: () => 0 };
const utf8 = new TextEncoder();

/** As nanoseconds: of all steps above a predecessor the smallest. */
const wholeSecond = (second: number) => `${second}000000000`;

/** An application's put at `revision`; its server time is the revision in milliseconds. */
const entry = (revision: number, more: Partial<Entry> = {}) =>
  ({
    kind: "put" as const,
    key: K,
    value: utf8.encode(`at ${revision}`),
    revision,
    timestampUs: revision * 1_000,
    timestampNs: wholeSecond(revision),
    version: null,
    expiresUs: null,
    ...more,
  }) as Entry & { readonly key: typeof K };

const echoOf = (operation: Operation, revision: number) =>
  entry(revision, { kind: operation.kind, value: operation.value, version: operation.version });

const identityAt = (revision: number): EntryIdentity => ({
  bucketCreated: CREATED,
  revision,
  timestampNs: wholeSecond(revision),
});

const logged = (operation: Operation, revision: number): LoggedOperation => ({
  operation,
  sequence: revision,
  identity: identityAt(revision),
});

/** As a scan of the log brings it. */
const withoutBytes = (operation: Operation): Operation => ({ ...operation, value: NO_BYTES });

let replica: Replica;
const observe = (seen: Entry & { readonly key: typeof K }, aboveUs = 0): Observation =>
  replica.observe(seen, { aboveUs: () => aboveUs });
const written = (observation: Observation): Operation => {
  if (observation.kind !== "local-write") throw new Error(`a ${observation.kind} is no local write`);
  return observation.operation;
};

beforeEach(() => {
  replica = createReplica(A, { bucketCreated: CREATED });
});

describe("an application's write on the tail", () => {
  it("becomes an operation with its own server's time", () => {
    expect(written(observe(entry(7)))).toEqual(operationAt(7_000, A, { value: utf8.encode("at 7") }));
    expect(replica.get(K)).toEqual({ version: { ts: 7_000, site: A }, base: null, kind: "put", revision: 7 });
  });

  it.each(["delete", "purge"] as const)("that is a %s becomes one, and a tombstone here", (kind) => {
    expect(written(observe(entry(7, { kind, value: new Uint8Array(0) }))).kind).toBe(kind);
    expect(replica.get(K)?.kind).toBe(kind);
  });

  it("carries its deadline", () => {
    expect(written(observe(entry(7, { expiresUs: 99_000 }))).expiresUs).toBe(99_000);
  });

  it("gets a version above the peer's that it overwrote, and names it as its base", () => {
    const peers = operationAt(50_000, B);
    observe(echoOf(peers, 7));
    const { version, base } = written(observe(entry(8)));
    expect(version).toEqual({ ts: 50_001, site: A });
    expect(base).toEqual(peers.version);
  });

  it("gets a version above what may have been overwritten unseen", () => {
    expect(written(observe(entry(7), 900_000)).version.ts).toBe(900_001);
  });
});

describe("what is no local write", () => {
  it("a gateway's own write coming back is known by its header", () => {
    const applied = operationAt(50_000, B);
    expect(observe(echoOf(applied, 7))).toEqual({ kind: "echo" });
    expect(replica.get(K)).toEqual({ version: applied.version, base: undefined, kind: "put", revision: 7 });
  });

  it("an echo of a delete is a tombstone", () => {
    observe(echoOf(operationAt(50_000, B, { kind: "delete", value: new Uint8Array(0) }), 7));
    expect(replica.get(K)?.kind).toBe("delete");
  });

  it("an expiry removes the entry and keeps its version", () => {
    observe(entry(7));
    expect(observe(entry(8, { kind: "expired", value: new Uint8Array(0) }))).toEqual({ kind: "expired" });
    expect(replica.get(K)).toMatchObject({ version: { ts: 7_000, site: A }, kind: "delete", revision: 8 });
  });

  it("a repeat changes nothing, of whatever kind", () => {
    for (const seen of [
      entry(7),
      echoOf(operationAt(50_000, B), 8),
      entry(9, { kind: "delete" }),
      entry(10, { kind: "expired" }),
    ]) {
      observe(seen);
      const known = replica.get(K);
      expect(observe(seen)).toEqual({ kind: "old" });
      expect(replica.get(K)).toEqual(known);
    }
    expect(observe(entry(6))).toEqual({ kind: "old" });
  });
});

describe("our own apply", () => {
  const applied = operationAt(50_000, B, { base: { ts: 3, site: A } });

  it("is known from its acknowledgement alone, base included", () => {
    replica.recordApplied(applied, 7);
    expect(replica.get(K)).toEqual({ version: applied.version, base: applied.base, kind: "put", revision: 7 });
  });

  it("is known alike whether its acknowledgement or its echo comes first", () => {
    replica.recordApplied(applied, 7);
    expect(observe(echoOf(applied, 7))).toEqual({ kind: "old" });
    const ackFirst = replica.get(K);
    replica = createReplica(A);
    observe(echoOf(applied, 7));
    replica.recordApplied(applied, 7);
    expect(replica.get(K)).toEqual(ackFirst);
  });

  it("is remembered under a later write although the tail never showed it", () => {
    replica.recordApplied(applied, 7);
    expect(written(observe(entry(8))).version).toEqual({ ts: 50_001, site: A });
  });

  it("acknowledged late does not hide what the tail has shown since", () => {
    observe(entry(9));
    const known = replica.get(K);
    replica.recordApplied(applied, 7);
    expect(replica.get(K)).toEqual(known);
  });

  it("keeps its base when the echo is a later copy of the same version", () => {
    replica.recordApplied(applied, 7);
    observe(echoOf(applied, 8));
    expect(replica.get(K)).toMatchObject({ base: applied.base, revision: 8 });
  });

  it("without an answer counts as landed for the next stamp, and is forgotten once passed", () => {
    observe(entry(6));
    replica.recordUncertain(K, applied.version);
    const next = written(observe(entry(8)));
    expect(next.version).toEqual({ ts: 50_001, site: A });
    expect(next.base).toEqual(applied.version);
    expect(written(observe(entry(9))).version.ts).toBe(50_002);
  });

  it("without an answer is remembered by the highest version, also for a key never seen", () => {
    replica.recordUncertain(K, { ts: 90_000, site: B });
    replica.recordUncertain(K, { ts: 80_000, site: B });
    expect(written(observe(entry(1))).version.ts).toBe(90_001);
  });

  it("without an answer never lowers a stamp", () => {
    observe(echoOf(applied, 7));
    replica.recordUncertain(K, { ts: 5, site: B });
    expect(written(observe(entry(8))).version.ts).toBe(50_001);
  });
});

describe("a message that vanished", () => {
  it("leaves what is known of the key, standing where the server says", () => {
    observe(entry(7));
    replica.recordVanished(K, 7, 0);
    expect(replica.get(K)).toEqual({ version: { ts: 7_000, site: A }, base: null, kind: "put", revision: 0 });
    expect(written(observe(entry(9))).version.ts).toBe(9_000);
  });

  it("and uncovered an older one leaves what is known; a write has to follow that one, until something new has come", () => {
    observe(entry(7));
    const known = replica.get(K);
    replica.recordVanished(K, 7, 3);
    expect([replica.get(K), replica.revision(K)]).toEqual([known, 3]);
    replica.recordVanished(K, 7, 2);
    expect(replica.revision(K)).toBe(3);
    expect(observe(entry(3))).toEqual({ kind: "old" });
    replica.renamed(K, { ts: 8_000, site: A }, null);
    expect(replica.revision(K)).toBe(3);
    replica.recordVanished(K, 3, 0);
    expect([replica.get(K)?.revision, replica.revision(K)]).toEqual([0, 0]);
    observe(entry(9));
    expect([replica.get(K)?.revision, replica.revision(K)]).toEqual([9, 9]);
  });

  it("cannot move a key forward", () => {
    observe(entry(7));
    replica.recordVanished(K, 7, 9);
    expect(replica.get(K)?.revision).toBe(7);
  });

  it("does not move a key back from where it has come since", () => {
    observe(entry(7));
    observe(entry(9));
    replica.recordVanished(K, 7, 3);
    expect(replica.get(K)?.revision).toBe(9);
  });

  it("of an unknown key is nothing", () => {
    replica.recordVanished(K, 7, 3);
    expect(replica.get(K)).toBeUndefined();
  });
});

describe("what the own log says", () => {
  const own = operationAt(70_000, A, { base: { ts: 60_000, site: B } });

  it("makes the same entry on the tail a known one, with the version that it was logged with", () => {
    replica.restore(logged(own, 7));
    expect(observe(entry(7))).toEqual({ kind: "logged" });
    expect(replica.get(K)).toEqual({ version: own.version, base: own.base, kind: "put", revision: 7 });
  });

  it("tells of a key before the tail has shown it", () => {
    replica.restore(logged(own, 7));
    expect(replica.get(K)).toMatchObject({ version: own.version, revision: 0 });
  });

  it("makes a later entry of the key a new write above it, with its base", () => {
    replica.restore(logged(own, 7));
    const next = written(observe(entry(8)));
    expect(next.version).toEqual({ ts: 70_001, site: A });
    expect(next.base).toEqual(own.base);
  });

  const differing: Readonly<Record<string, LoggedOperation>> = {
    "another revision": logged(own, 6),
    "another time at the same revision": { ...logged(own, 7), identity: { ...identityAt(7), timestampNs: "1" } },
    "another life of the bucket": { ...logged(own, 7), identity: { ...identityAt(7), bucketCreated: "1" } },
    "no identity at all": { ...logged(own, 7), identity: null },
  };

  it.each(Object.entries(differing))("that names %s does not speak of this entry", (_, other) => {
    replica.restore(other);
    expect(written(observe(entry(7))).version).toEqual({ ts: 70_001, site: A });
  });

  it("is above an older entry that was applied in its place, whatever the revisions say of a bucket that was put back", () => {
    const value = { ...own, kind: "put" as const };
    replica.restore(logged(value, 7));
    expect(observe(entry(9, { version: { ts: own.version.ts - 1, site: B } }))).toEqual({ kind: "behind" });
    expect(replica.takeLost()).toEqual([withoutBytes(value)]);
  });

  it("is asked only until the start is over", () => {
    replica.restore(logged(own, 7));
    replica.takeLost();
    expect(written(observe(entry(7))).version.ts).toBe(70_001);
  });

  it("wins over our own stamp of the same entry: another gateway of this site was first", () => {
    observe(entry(7));
    replica.adopt(logged(own, 7));
    expect(replica.get(K)).toEqual({ version: own.version, base: own.base, kind: "put", revision: 7 });
    expect(written(observe(entry(8))).version.ts).toBe(70_001);
  });

  it("is asked for entries that the tail shows only later: what another gateway has logged is not logged again", () => {
    observe(entry(6));
    replica.adopt(logged(own, 8));
    expect(replica.get(K)?.revision).toBe(6);
    // In the log it has been replaced by what came after it.
    expect(observe(entry(7))).toEqual({ kind: "logged" });
    expect(observe(entry(8))).toEqual({ kind: "logged" });
    expect(replica.get(K)).toEqual({ version: own.version, base: own.base, kind: "put", revision: 8 });
    expect(written(observe(entry(9))).version).toEqual({ ts: 70_001, site: A });
  });

  it("puts a write above what another gateway logged and the tail never showed", () => {
    replica.adopt(logged(own, 7));
    expect(written(observe(entry(8)))).toMatchObject({ version: { ts: 70_001, site: A }, base: own.base });
    expect(written(observe(entry(9))).version).toEqual({ ts: 70_002, site: A });
  });

  it("forgets what another gateway logged once a gateway's own write stands over it", () => {
    replica.adopt(logged(own, 7));
    expect(observe(entry(8, { version: { ts: 80_000, site: B } }))).toEqual({ kind: "echo" });
    expect(written(observe(entry(9))).version).toEqual({ ts: 80_001, site: A });
  });

  it("says nothing where it comes from another life of the bucket", () => {
    const { identity, ...rest } = logged(own, 7);
    replica.adopt({ ...rest, identity: { ...(identity as EntryIdentity), bucketCreated: "1600000000000000000" } });
    expect(written(observe(entry(7))).version).toEqual({ ts: 7_000, site: A });
  });

  it("says nothing about an entry that has been overwritten here since", () => {
    observe(entry(7));
    observe(entry(8));
    const known = replica.get(K);
    replica.adopt(logged(own, 7));
    replica.adopt({ ...logged(own, 8), identity: null });
    expect(replica.get(K)).toEqual(known);
  });
});

describe("an entry that stands before the one that the own log names", () => {
  const own = operationAt(70_000, A, { base: { ts: 60_000, site: B } });

  it.each([
    ["without a version, as an application wrote it", entry(5)],
    ["with an older version, as a gateway wrote it", entry(5, { version: { ts: 60_000, site: B } })],
  ])("%s is no new write: the bucket has lost the later one", (_, uncovered) => {
    replica.restore(logged(own, 7));
    expect(observe(uncovered)).toEqual({ kind: "behind" });
    expect(replica.get(K)).toMatchObject({ revision: 5, kind: "put" });
    expect(compareVersions(replica.get(K)?.version ?? own.version, own.version)).toBeLessThan(0);
    expect(replica.takeLost()).toEqual([withoutBytes(own)]);
    expect(replica.takeLost()).toEqual([]);
  });

  it("only stands in for it where no version tells what it is: until the lost one is back, is given up, or it is written over", () => {
    const standsIn = () => replica.get(K)?.isStandIn === true;
    replica.restore(logged(own, 7));
    observe(entry(5));
    expect(standsIn()).toBe(true);
    replica.recordVanished(K, 5, 4);
    observe(entry(6, { kind: "expired" }));
    expect([standsIn(), replica.get(K)?.kind]).toEqual([true, "delete"]);
    const before = replica.get(K);
    replica.acceptStandIn(K);
    expect([standsIn(), replica.get(K)]).toEqual([false, { version: before?.version, base: undefined, kind: "delete", revision: 6 }]);
    replica.acceptStandIn(K);
    replica.acceptStandIn(keyNamed("unknown"));
    expect(replica.get(keyNamed("unknown"))).toBeUndefined();
  });

  it("that a gateway wrote stands for itself", () => {
    replica.restore(logged(own, 7));
    observe(entry(5, { version: { ts: 60_000, site: B } }));
    expect(replica.get(K)?.isStandIn).toBeUndefined();
  });

  it("lies below what was lost even where the log's version is below the entry's own time", () => {
    const slow = operationAt(4_000, A);
    replica.restore({ ...logged(slow, 7) });
    observe(entry(5));
    expect(replica.get(K)?.version).toEqual({ ts: 3_999, site: A });
  });

  it("may be overwritten meanwhile, by a write that is above what was lost", () => {
    replica.restore(logged(own, 7));
    observe(entry(5));
    expect(written(observe(entry(6, { timestampNs: wholeSecond(9), timestampUs: 9_000 }))).version.ts).toBe(70_001);
  });

  it.each([
    ["a later time, as after a rewind", { ...entry(5), timestampNs: wholeSecond(8), timestampUs: 8_000 }],
    ["a later revision", entry(8)],
  ])("but has %s, is a new write", (_, later) => {
    replica.restore(logged(own, 7));
    expect(observe(later).kind).toBe("local-write");
    expect(replica.takeLost()).toEqual([]);
  });

  it("is the newer one where its version says so", () => {
    replica.restore(logged(own, 7));
    expect(observe(entry(5, { version: { ts: 80_000, site: B } }))).toEqual({ kind: "echo" });
  });
});

describe("the counts", () => {
  const other = keyNamed("other");
  const counts = () => [replica.keys(), replica.tombstones.size];

  it("tell keys from tombstones through every change", () => {
    expect(counts()).toEqual([0, 0]);
    observe(entry(1));
    replica.observe({ ...entry(2), key: other }, NOTHING_UNSEEN);
    expect(counts()).toEqual([2, 0]);
    observe(entry(3, { kind: "delete" }));
    expect(counts()).toEqual([1, 1]);
    observe(entry(4, { kind: "purge" }));
    expect(counts()).toEqual([1, 1]);
    observe(entry(5));
    expect(counts()).toEqual([2, 0]);
    observe(entry(6, { kind: "expired" }));
    expect(counts()).toEqual([1, 1]);
    replica.recordApplied(operationAt(90_000, B), 7);
    expect(counts()).toEqual([2, 0]);
    replica.recordVanished(K, 7, 0);
    expect(counts()).toEqual([2, 0]);
  });

  it("include what only the own log tells of", () => {
    replica.restore(logged(operationAt(1, A), 1));
    replica.restore(logged(operationAt(2, A, { key: other, kind: "delete" }), 2));
    expect(counts()).toEqual([1, 1]);
  });
});
