/** What is not in the own log yet does not travel by way of an answer: a crash could still change its version. */
import { describe, expect, it } from "vitest";
import type { BucketStore } from "../../src/core/ports.js";
import { createReplica } from "../../src/core/replica.js";
import { createAnswers } from "../../src/pipeline/serve.js";
import { createWitness } from "../../src/pipeline/witness.js";
import { operationAt } from "../core/arbitraries.js";
import { keyNamed, siteNamed } from "../core/names.js";
import { createSeededRandom } from "../memory/seeded-random.js";
import { createVirtualClock } from "../memory/virtual-clock.js";

const A = siteNamed("a");
const [DELETED, OTHER] = [keyNamed("deleted"), keyNamed("other")];
const CHECKPOINT = { created: "1", sequence: 2 };

/** A site with two tombstones, of which `unlogged` are not in the log. */
function answering(unlogged: Set<string>) {
  const replica = createReplica(A);
  for (const [n, key] of [DELETED, OTHER].entries()) replica.recordApplied(operationAt(7, A, { key, kind: "delete" }), n + 1);
  return createAnswers({
    ...{ site: A, fingerprint: () => "", replica, start: CHECKPOINT, captured: () => CHECKPOINT, clock: createVirtualClock() },
    ...{ marks: { seen: () => new Map() }, rejoin: { isRejoining: () => false, hear: () => undefined }, onAsked: () => undefined },
    ...{ logged: () => Promise.resolve(CHECKPOINT), isLogged: (key) => !unlogged.has(key), store: {} as BucketStore },
    witness: createWitness(A, createSeededRandom(1)),
  });
}

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
