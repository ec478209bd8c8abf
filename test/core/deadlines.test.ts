/** Keys come out in the order of their deadlines, each once, and only the last deadline of a key counts. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createDeadlines } from "../../src/core/deadlines.js";
import { keyNamed } from "./names.js";

const [A, B, C] = [keyNamed("a"), keyNamed("b"), keyNamed("c")];

describe("deadlines", () => {
  it("come out once they have passed, the earliest first", () => {
    const deadlines = createDeadlines();
    deadlines.set(A, 30);
    deadlines.set(B, 10);
    deadlines.set(C, 20);
    expect(deadlines.take(9, 10)).toEqual([]);
    expect(deadlines.take(20, 10)).toEqual([B, C]);
    expect(deadlines.take(20, 10)).toEqual([]);
    expect(deadlines.take(30, 10)).toEqual([A]);
    expect(deadlines.size()).toBe(0);
  });

  it("come out a few at a time where so few are asked for", () => {
    const deadlines = createDeadlines();
    for (const [at, key] of [A, B, C].entries()) deadlines.set(key, at);
    expect([deadlines.take(9, 2), deadlines.take(9, 2)]).toEqual([[A, B], [C]]);
  });

  it("of a key count as they were set last, and a key that has none takes no room", () => {
    const deadlines = createDeadlines();
    for (let at = 1_000; at > 0; at--) deadlines.set(A, at);
    deadlines.set(B, 1);
    deadlines.set(B, 500);
    deadlines.set(C, 1);
    deadlines.set(C, null);
    deadlines.set(C, null);
    expect(deadlines.size()).toBe(2);
    expect(deadlines.take(499, 10)).toEqual([A]);
    expect(deadlines.take(500, 10)).toEqual([B]);
  });

  it("are those of a list that is sorted anew with every question", () => {
    const key = fc.integer({ min: 0, max: 30 }).map((number) => keyNamed(`k${number}`));
    const set = fc.record({ key, at: fc.option(fc.integer({ min: 0, max: 100 }), { nil: null }) });
    const take = fc.record({ now: fc.integer({ min: 0, max: 100 }), keysMax: fc.integer({ min: 1, max: 5 }) });
    fc.assert(
      fc.property(fc.array(fc.oneof({ weight: 5, arbitrary: set }, take), { maxLength: 200 }), (steps) => {
        const deadlines = createDeadlines();
        const plain = new Map<string, number>();
        for (const step of steps) {
          if ("key" in step) {
            deadlines.set(step.key, step.at);
            if (step.at === null) plain.delete(step.key);
            else plain.set(step.key, step.at);
            continue;
          }
          const ats = deadlines.take(step.now, step.keysMax).map((taken) => {
            const at = plain.get(taken);
            plain.delete(taken);
            return at;
          });
          expect(ats).toEqual([...ats].sort((a, b) => (a ?? 0) - (b ?? 0)));
          const left = [...plain.values()];
          expect(ats.length).toBe(Math.min(step.keysMax, ats.length + left.filter((at) => at <= step.now).length));
          expect(Math.min(...left.filter((at) => at <= step.now), Infinity)).toBeGreaterThanOrEqual(ats.at(-1) ?? 0);
        }
        expect(deadlines.size()).toBe(plain.size);
      }),
    );
  });
});
