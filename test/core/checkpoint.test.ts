/** I6: a checkpoint never passes an operation that has not settled. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Slot, createProgress, isCheckpoint } from "../../src/core/checkpoint.js";

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
    const [first, second, third] = [3, 4, 9].map((sequence) => progress.begin(sequence)) as [Slot, Slot, Slot];
    progress.settle(third);
    progress.settle(second);
    expect(progress.checkpoint()).toBe(0);
    progress.settle(first);
    expect(progress.checkpoint()).toBe(9);
    expect(progress.outstanding()).toBe(0);
  });

  it("never passes what is unsettled and never falls, in whatever order things settle and begin", () => {
    fc.assert(
      fc.property(anySequences, fc.infiniteStream(fc.nat()), (sequences, choices) => {
        const progress = createProgress(100);
        const waiting = [...sequences];
        const open: Slot[] = [];
        const settled: number[] = [];
        let before = 100;
        while (waiting.length + open.length > 0) {
          const choice = choices.next().value ?? 0;
          const next = waiting[0];
          if (next !== undefined && (choice % 3 > 0 || open.length === 0)) {
            open.push(progress.begin(next));
            waiting.shift();
          } else {
            const [slot] = open.splice(choice % open.length, 1);
            if (slot === undefined) continue;
            progress.settle(slot);
            settled.push(slot.sequence);
          }
          const unsettled = Math.min(...open.map(({ sequence }) => sequence));
          const passed = settled.filter((sequence) => sequence < unsettled);
          expect(progress.checkpoint()).toBe(Math.max(100, ...passed));
          expect(progress.checkpoint()).toBeGreaterThanOrEqual(before);
          expect(progress.outstanding()).toBeGreaterThanOrEqual(open.length);
          before = progress.checkpoint();
        }
        expect(progress.checkpoint()).toBe(sequences.at(-1));
        expect(progress.outstanding()).toBe(0);
      }),
    );
  });

  it("keeps its account over far more operations than it holds at once", () => {
    const progress = createProgress(0);
    const open: Slot[] = [];
    for (let sequence = 1; sequence <= 20_000; sequence++) {
      open.push(progress.begin(sequence));
      const slot = open.length > 500 ? open.shift() : undefined;
      if (slot !== undefined) progress.settle(slot);
    }
    expect(progress.checkpoint()).toBe(19_500);
    expect(progress.outstanding()).toBe(500);
    for (const slot of open.reverse()) progress.settle(slot);
    expect(progress.checkpoint()).toBe(20_000);
  });

  it("changes nothing when an operation settles twice", () => {
    const progress = createProgress(0);
    const [first, second] = [progress.begin(1), progress.begin(2)];
    progress.settle(first);
    progress.settle(first);
    expect(progress.checkpoint()).toBe(1);
    progress.settle(second);
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
