/** What is served is in the own log: a version that a crash could still change must not travel by another way. */
import { describe, expect, it } from "vitest";
import type { Checkpoint } from "../../src/core/checkpoint.js";
import { createReplica } from "../../src/core/replica.js";
import { createAnswers } from "../../src/pipeline/serve.js";
import { operationAt } from "../core/arbitraries.js";
import { keyNamed, siteNamed } from "../core/names.js";
import { createVirtualClock } from "../memory/virtual-clock.js";

const [A, K] = [siteNamed("a"), keyNamed("k")];

/** A site with one tombstone, which comes into the log when `land` is called. */
function withOneUnlogged() {
  const replica = createReplica(A);
  const waiting: (() => void)[] = [];
  const answers = createAnswers({
    ...{ site: A, replica, clock: createVirtualClock(), fingerprint: () => "", checkpoints: () => new Map() },
    store: { read: () => Promise.resolve(null) } as never,
    logged: () => new Promise<Checkpoint>((resolve) => waiting.push(() => resolve({ created: "", sequence: 1 }))),
  });
  replica.recordApplied({ ...operationAt(5, A), key: K, kind: "delete", value: new Uint8Array(0) }, 1);
  return { replica, answers, land: () => waiting.splice(0).forEach((resolve) => resolve()) };
}

describe("an answer", () => {
  it.each(["entries", "fetch"] as const)("to %s waits for the log, and has nothing that came meanwhile", async (verb) => {
    const { replica, answers, land } = withOneUnlogged();
    let answer: unknown = "none yet";
    const asked = (verb === "entries" ? answers.entries("", null) : answers.fetch(K)).then((found) => (answer = found));
    await new Promise((resolve) => setImmediate(resolve));
    expect(answer).toBe("none yet");
    replica.recordApplied({ ...operationAt(6, A), key: K, kind: "delete", value: new Uint8Array(0) }, 2);
    land();
    await asked;
    const version = { ts: 5, site: "a" };
    expect(answer).toMatchObject(verb === "entries" ? { summaries: [{ key: "k", version }], more: false } : { key: "k", version });
  });
});
