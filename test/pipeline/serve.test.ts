/** What is told of this site: what is not in the own log yet is not, since a crash could still change its version. */
import { describe, expect, it } from "vitest";
import type { SiteId } from "../../src/core/ids.js";
import type { BucketStore } from "../../src/core/ports.js";
import type { Hello } from "../../src/core/question.js";
import { NOT_SEEN, type Seen } from "../../src/core/seen.js";
import type { Entry } from "../../src/core/operation.js";
import { type Replica, createReplica } from "../../src/core/replica.js";
import { createAnswers } from "../../src/pipeline/serve.js";
import { type Witness, createWitness } from "../../src/pipeline/witness.js";
import { operationAt } from "../core/arbitraries.js";
import { keyNamed, siteNamed } from "../core/names.js";
import { createSeededRandom } from "../memory/seeded-random.js";
import { createVirtualClock } from "../memory/virtual-clock.js";

const A = siteNamed("a");
const [DELETED, OTHER] = [keyNamed("deleted"), keyNamed("other")];
const CHECKPOINT = { created: "1", sequence: 2 };

/** What anybody says who asks. */
const HELLO: Hello = {
  ...{ protocol: 1, site: A, fingerprint: "", nowUs: 0, log: CHECKPOINT, start: CHECKPOINT, bucket: CHECKPOINT, seen: new Map() },
  ...{ rejoining: false, moment: { run: "b0", count: 1 }, equal: new Map(), digest: { count: 0, sum: "" } },
};

interface Remembered {
  readonly seen: ReadonlyMap<SiteId, Seen>;
  readonly witness: Witness;
}

function twoTombstones(): Replica {
  const replica = createReplica(A);
  for (const [n, key] of [DELETED, OTHER].entries()) replica.recordApplied(operationAt(7, A, { key, kind: "delete" }), n + 1);
  return replica;
}

/** @param unlogged keys whose last operation is not in the log yet */
function answering(unlogged: ReadonlySet<string>, replica = twoTombstones(), store = {} as BucketStore, remembered: Partial<Remembered> = {}) {
  const { seen = new Map<SiteId, Seen>(), witness = createWitness(A, createSeededRandom(1)) } = remembered;
  return createAnswers({
    ...{ site: A, fingerprint: () => "", replica, start: CHECKPOINT, captured: () => CHECKPOINT, clock: createVirtualClock() },
    ...{ marks: { seen: () => seen }, witness, rejoin: { isRejoining: () => false, hear: () => undefined }, onAsked: () => undefined },
    ...{ logged: () => Promise.resolve(CHECKPOINT), isLogged: (key) => !unlogged.has(key), store },
  });
}

describe("an older entry that the bucket shows in place of what the log names", () => {
  it.each(["put", "delete"] as const)("is a value that cannot be fetched, until the later one is back (simulator, seed 5218): a %s", async (kind) => {
    const replica = createReplica(A, { bucketCreated: "1" });
    const operation = operationAt(9, A, { key: OTHER });
    replica.restore({ operation, identity: { bucketCreated: "1", revision: 2, timestampNs: "9000" }, sequence: 1 });
    const entry: Entry = { ...{ kind, key: OTHER, value: new Uint8Array(0), revision: 1 }, ...{ timestampUs: 5, timestampNs: "5000", version: null, expiresUs: null } };
    expect(replica.observe({ ...entry, key: OTHER }, { aboveUs: () => 0 })).toEqual({ kind: "behind" });
    const store = { read: () => Promise.resolve(entry) } as unknown as BucketStore;
    const answers = answering(new Set(), replica, store);
    expect(await answers.versions([OTHER])).toMatchObject([{ kind: "put", version: { ts: 5, site: A } }]);
    expect(await answers.fetch(OTHER)).toBeNull();
    replica.recordApplied(operation, 3);
    expect(await answers.versions([OTHER])).toMatchObject([{ kind: "put", version: { ts: 9, site: A } }]);
    const back = { read: () => Promise.resolve({ ...entry, kind: "put", revision: 3 }) } as unknown as BucketStore;
    expect(await answering(new Set(), replica, back).fetch(OTHER)).toMatchObject({ kind: "put", version: { ts: 9 } });
  });
});

describe("a delete that is not in the log yet", () => {
  it("is told with its version, but as what has to be fetched, and there is nothing to fetch before it is logged", async () => {
    const unlogged = new Set<string>([DELETED]);
    const answers = answering(unlogged);
    const version = { ts: 7, site: A };
    const told = (kind: string) => [
      { key: DELETED, version, kind },
      { key: OTHER, version, kind: "delete" },
    ];
    expect(await answers.versions([DELETED, OTHER])).toMatchObject(told("put"));
    const { summaries } = await answers.entries("", null);
    expect(summaries.toSorted((one, other) => (one.key < other.key ? -1 : 1))).toMatchObject(told("put"));
    expect(await answers.fetch(DELETED)).toBeNull();
    expect(await answers.fetch(OTHER)).toMatchObject({ kind: "delete", version });
    unlogged.clear();
    expect(await answers.versions([DELETED, OTHER])).toMatchObject(told("delete"));
    expect(await answers.fetch(DELETED)).toMatchObject({ kind: "delete", version });
  });
});

describe("what a site says of itself", () => {
  it("is as long with a thousand peers as with one: it names what it remembers of the one that hears it", async () => {
    const peers = Array.from({ length: 1_000 }, (_, n) => siteNamed(`peer-${n}`));
    const seen = new Map(peers.map((peer, n) => [peer, { ...NOT_SEEN, sequence: n }]));
    const witness = createWitness(A, createSeededRandom(1));
    const answers = answering(new Set(), twoTombstones(), undefined, { seen, witness });
    const helloOf = (site: SiteId, count: number): Hello => ({ ...HELLO, site, moment: { run: "b0", count } });
    for (const [count, peer] of peers.entries()) witness.provedEqual(peer, helloOf(peer, count));
    const asked = peers[7] as SiteId;
    const told = { seen: new Map([[asked, { ...NOT_SEEN, sequence: 7 }]]), equal: new Map([[asked, { run: "b0", count: 7 }]]) };
    expect(await answers.introduce(asked)).toMatchObject(told);
    expect(await answers.hello(helloOf(asked, 8))).toMatchObject(told);
    expect(await answers.introduce(siteNamed("new"))).toMatchObject({ seen: new Map(), equal: new Map() });
  });
});
