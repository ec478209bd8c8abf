/** I6: a checkpoint never passes an operation that has not settled. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createProgress, isCheckpoint } from "../../src/core/checkpoint.js";

/** Sequences of a compacted log: rising, with holes. */
const anySequences = fc
  .array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 60 })
  .map((steps) => steps.reduce<number[]>((sequences, step) => [...sequences, (sequences.at(-1) ?? 100) + step], []));

describe("progress through a log", () => {
  it("stands where it began until something has settled", () => {
    const progress = createProgress(7);
    expect(progress.checkpoint()).toBe(7);
    progress.begin(8);
    expect(progress.checkpoint()).toBe(7);
    expect(progress.outstanding()).toBe(1);
  });

  it("waits for the oldest, then passes all that have settled behind it", () => {
    const progress = createProgress(0);
    for (const sequence of [3, 4, 9]) progress.begin(sequence);
    progress.settle(9);
    progress.settle(4);
    expect(progress.checkpoint()).toBe(2);
    progress.settle(3);
    expect(progress.checkpoint()).toBe(9);
    expect(progress.outstanding()).toBe(0);
  });

  it("never passes what is unsettled and never falls, in whatever order things settle and begin", () => {
    fc.assert(
      fc.property(anySequences, fc.infiniteStream(fc.nat()), (sequences, choices) => {
        const progress = createProgress(100);
        const waiting = [...sequences];
        const open: number[] = [];
        let [begun, before] = [100, 100];
        while (waiting.length + open.length > 0) {
          const choice = choices.next().value ?? 0;
          const next = waiting[0];
          if (next !== undefined && (choice % 3 > 0 || open.length === 0)) {
            progress.begin(next);
            open.push(next);
            begun = next;
            waiting.shift();
          } else {
            for (const sequence of open.splice(choice % open.length, 1)) progress.settle(sequence);
          }
          expect(progress.checkpoint()).toBe(open.length > 0 ? Math.min(...open) - 1 : begun);
          expect(progress.checkpoint()).toBeGreaterThanOrEqual(before);
          expect(progress.outstanding()).toBe(open.length);
          before = progress.checkpoint();
        }
        expect(progress.checkpoint()).toBe(sequences.at(-1));
        expect(progress.outstanding()).toBe(0);
      }),
    );
  });

  it("keeps its account over far more operations than it holds at once", () => {
    const progress = createProgress(0);
    for (let sequence = 1; sequence <= 20_000; sequence++) {
      progress.begin(sequence);
      progress.settle(sequence - 500);
    }
    expect(progress.checkpoint()).toBe(19_500);
    expect(progress.outstanding()).toBe(500);
    for (let sequence = 20_000; sequence > 19_500; sequence--) progress.settle(sequence);
    expect(progress.checkpoint()).toBe(20_000);
  });

  it("keeps nothing of what has settled, however much passes one operation that waits", () => {
    const progress = createProgress(0);
    progress.begin(1);
    for (let sequence = 2; sequence <= 100_000; sequence++) {
      progress.begin(sequence);
      progress.settle(sequence);
    }
    expect([progress.outstanding(), progress.checkpoint()]).toEqual([1, 0]);
    progress.settle(1);
    expect([progress.outstanding(), progress.checkpoint()]).toEqual([0, 100_000]);
  });

  it("changes nothing when an operation settles twice", () => {
    const progress = createProgress(0);
    for (const sequence of [1, 2]) progress.begin(sequence);
    progress.settle(1);
    progress.settle(1);
    expect([progress.checkpoint(), progress.outstanding()]).toEqual([1, 1]);
    progress.settle(2);
    expect(progress.checkpoint()).toBe(2);
  });

  it("refuses sequences that do not rise, because a reader that repeats itself is broken", () => {
    const progress = createProgress(5);
    expect(() => progress.begin(5)).toThrow(RangeError);
    progress.begin(6);
    expect(() => progress.begin(6)).toThrow(RangeError);
  });
});

describe("a stored checkpoint", () => {
  it("is one only in its own form", () => {
    expect(isCheckpoint({ created: "1730542200000000000", sequence: 0 })).toBe(true);
    const others: unknown[] = [null, undefined, 7, "7", [], {}];
    const partial: unknown[] = [{ created: "1" }, { sequence: 1 }, { created: 1, sequence: 1 }];
    const wrong = [-1, 1.5, Number.NaN, 2 ** 53, "1", null].map((sequence) => ({ created: "1", sequence }));
    for (const value of [...others, ...partial, ...wrong]) expect(isCheckpoint(value), JSON.stringify(value)).toBe(false);
  });
});
