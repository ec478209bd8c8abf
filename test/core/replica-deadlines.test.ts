/** What a site knows of an entry ends with its deadline, whether or not the server says so. */
import { beforeEach, describe, expect, it } from "vitest";
import type { Entry, Operation } from "../../src/core/operation.js";
import { type Known, type Replica, createReplica } from "../../src/core/replica.js";
import { operationAt } from "./arbitraries.js";
import { keyNamed, siteNamed } from "./names.js";

const [A, B] = [siteNamed("a"), siteNamed("b")];
const K = keyNamed("k");
const NOTHING_UNSEEN = { aboveUs: () => 0 };

const entry = (revision: number, more: Partial<Entry> = {}) =>
  ({
    ...{ kind: "put" as const, key: K, value: new Uint8Array(0), revision, version: null, expiresUs: null },
    ...{ timestampUs: revision * 1_000, timestampNs: `${revision}000000000` },
    ...more,
  }) as Entry & { readonly key: typeof K };

let replica: Replica;
let ended: Known[];
const observe = (seen: Entry & { readonly key: typeof K }) => replica.observe(seen, NOTHING_UNSEEN);
const digest = () => {
  while (!replica.digests.refresh(100)) continue;
  return replica.digests.digest("");
};

beforeEach(() => {
  ended = [];
  replica = createReplica(A, { bucketCreated: "1", moment: () => 7, onTombstone: (_, known) => ended.push(known) });
});

describe("an entry past its deadline", () => {
  const peers = operationAt(50_000, B, { expiresUs: 99_000 });
  const logged = (operation: Operation) => ({
    ...{ operation, sequence: 1 },
    identity: { bucketCreated: "1", revision: 7, timestampNs: "7000000000" },
  });

  it.each<[string, () => void]>([
    ["an application's write", () => observe(entry(7, { expiresUs: 99_000 }))],
    ["an echo", () => observe(entry(7, { version: peers.version, expiresUs: 99_000 }))],
    ["an acknowledged write", () => replica.recordApplied(peers, 7)],
    ["a write that the log has", () => replica.restore(logged(operationAt(7_000, A, { expiresUs: 99_000 })))],
  ])("is a tombstone of the same version, as %s", (_, begin) => {
    begin();
    const before = replica.get(K);
    expect(replica.endDue(98_999, 10)).toEqual([]);
    expect(replica.get(K)).toEqual(before);
    expect(replica.endDue(99_000, 10)).toEqual([K]);
    expect(replica.get(K)).toEqual({ ...before, kind: "delete", isEnded: true });
    expect(ended).toEqual([replica.get(K)]);
    expect([...replica.tombstones]).toEqual([[K, 7]]);
    expect(replica.keys()).toBe(0);
    expect(replica.endDue(Infinity, 10)).toEqual([]);
  });

  it("counts in the digest as any other tombstone of that version", () => {
    observe(entry(7, { version: peers.version, expiresUs: 99_000 }));
    const alive = digest();
    replica.endDue(99_000, 10);
    const dead = digest();
    expect(dead).not.toEqual(alive);
    replica = createReplica(B);
    replica.recordApplied({ ...peers, kind: "delete" }, 1);
    expect(digest()).toEqual(dead);
  });

  it("is held against later writes as the version that it was", () => {
    observe(entry(7, { expiresUs: 99_000 }));
    replica.endDue(99_000, 10);
    expect(observe(entry(8, { timestampUs: 5 }))).toMatchObject({ operation: { version: { ts: 7_001 } } });
    expect(replica.get(K)?.kind).toBe("put");
  });

  it("does not end a second time when the server's mark comes", () => {
    observe(entry(7, { expiresUs: 99_000 }));
    replica.endDue(99_000, 10);
    observe(entry(8, { kind: "expired" }));
    expect(replica.get(K)).toMatchObject({ kind: "delete", revision: 8 });
    expect(ended.length).toBe(1);
  });

  it("that the log has, and that the bucket shows all the same at a start, ends then", () => {
    const own = operationAt(7_000, A, { expiresUs: 99_000 });
    replica.restore(logged({ ...own, kind: "delete" }));
    expect(observe(entry(7))).toEqual({ kind: "logged" });
    expect(replica.get(K)?.kind).toBe("put");
    expect(replica.endDue(99_000, 10)).toEqual([K]);
  });
});

describe("a deadline", () => {
  it("goes with the entry that a later write replaces, whoever wrote it", () => {
    observe(entry(7, { expiresUs: 99_000 }));
    observe(entry(8));
    expect(replica.endDue(Infinity, 10)).toEqual([]);
    observe(entry(9, { expiresUs: 99_000 }));
    replica.recordApplied(operationAt(90_000, B, { expiresUs: 200_000 }), 10);
    expect(replica.endDue(199_999, 10)).toEqual([]);
    expect(replica.endDue(200_000, 10)).toEqual([K]);
  });

  it("goes with a delete, an expiry and what is forgotten", () => {
    observe(entry(7, { expiresUs: 99_000 }));
    observe(entry(8, { kind: "delete", expiresUs: 99_000 }));
    const { version } = replica.get(K) ?? operationAt(1, A);
    replica.forget(K, version);
    observe(entry(9, { expiresUs: 99_000 }));
    observe(entry(10, { kind: "expired", expiresUs: 99_000 }));
    expect(replica.endDue(Infinity, 10)).toEqual([]);
  });

  it("that is near makes an end of what is missing, and a later one does not", () => {
    observe(entry(7, { expiresUs: 99_000 }));
    expect(replica.recordMissing(K, 7, 99_000)).toMatchObject({ kind: "delete" });
    expect(replica.get(K)).toMatchObject({ kind: "delete", revision: 0 });
    observe(entry(8, { expiresUs: 99_000 }));
    expect(replica.recordMissing(K, 8, 98_999)).toMatchObject({ kind: "put" });
    expect(replica.get(K)).toBeUndefined();
    expect(replica.endDue(Infinity, 10)).toEqual([]);
  });

  it("that has passed leaves no message to be missed, until one is seen again", () => {
    observe(entry(7, { expiresUs: 99_000 }));
    expect([replica.messages(), [...replica.standing()]]).toEqual([1, [[K, 7]]]);
    replica.endDue(99_000, 10);
    expect([replica.messages(), [...replica.standing()]]).toEqual([0, []]);
    observe(entry(8, { kind: "expired" }));
    expect([replica.messages(), [...replica.standing()]]).toEqual([1, [[K, 8]]]);
  });

  it("stays where only the message's place has changed", () => {
    observe(entry(7, { expiresUs: 99_000 }));
    replica.recordVanished(K, 7, 3);
    expect(replica.endDue(99_000, 10)).toEqual([K]);
    expect([replica.get(K)?.revision, replica.revision(K)]).toEqual([7, 3]);
  });
});
