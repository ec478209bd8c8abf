/** What reconcile fetches over a link with a budget: in its turn, counted, and never for ever. */
import { describe, expect, it } from "vitest";
import { FETCH_TURN_MS } from "../../src/core/limits.js";
import type { Operation } from "../../src/core/operation.js";
import type { Questions } from "../../src/core/ports.js";
import { createLinkBudget } from "../../src/nats/link-budget.js";
import { createSparedQuestions } from "../../src/nats/spared-questions.js";
import { keyNamed } from "../core/names.js";
import { createVirtualClock } from "../memory/virtual-clock.js";

const RATE = 10_000;

function rig(bytesPerSecond: number) {
  const clock = createVirtualClock();
  const budget = createLinkBudget(clock, () => bytesPerSecond);
  const fetched: string[] = [];
  const peer = {
    fetch: (key: string) => {
      fetched.push(key);
      if (key === "broken") return Promise.reject(new Error("no answer"));
      return Promise.resolve({ value: new Uint8Array(3 * RATE) } as Operation);
    },
  } as unknown as Questions;
  return { clock, fetched, questions: createSparedQuestions(peer, budget.join(() => 1), clock) };
}

describe("values that are fetched over a link", () => {
  it("come at once where it has no budget", async () => {
    const { clock, fetched, questions } = rig(0);
    await Promise.all(["a", "b", "c"].map((key) => questions.fetch(keyNamed(key))));
    expect([fetched, clock.scheduled()]).toEqual([["a", "b", "c"], 0]);
  });

  it("are counted, so that the next one waits until they are paid", async () => {
    const { clock, fetched, questions } = rig(RATE);
    await questions.fetch(keyNamed("a"));
    const next = questions.fetch(keyNamed("b"));
    await clock.advance(2_500);
    expect(fetched).toEqual(["a"]);
    await clock.advance(600);
    expect(fetched).toEqual(["a", "b"]);
    expect((await next)?.value).toHaveLength(3 * RATE);
  });

  it("are left to the next round where their turn does not come in time", async () => {
    const { clock, fetched, questions } = rig(RATE / 10);
    await questions.fetch(keyNamed("a"));
    const next = questions.fetch(keyNamed("b"));
    await clock.advance(FETCH_TURN_MS);
    expect([await next, fetched, clock.scheduled()]).toEqual([null, ["a"], 0]);
  });

  it("cost nothing where no answer came", async () => {
    const { fetched, questions } = rig(RATE);
    await expect(questions.fetch(keyNamed("broken"))).rejects.toThrow("no answer");
    await questions.fetch(keyNamed("a"));
    expect(fetched).toEqual(["broken", "a"]);
  });
});
