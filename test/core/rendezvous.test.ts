/** Sharing out without a word: alike for everybody, about even, and only what must move moves. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { takerOf } from "../../src/core/rendezvous.js";

const takersNamed = (count: number) => Array.from({ length: count }, (_, n) => ({ id: `6f1c-${n}` }));
const things = Array.from({ length: 2_000 }, (_, n) => `bucket-${n}`);
const shareOut = (takers: readonly { readonly id: string }[]) => new Map(things.map((thing) => [thing, takerOf(thing, takers)?.id]));

const some = fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 8 }).map((ids) => ids.map((id) => ({ id })));

describe("sharing out", () => {
  it("gives each thing to one of the takers, and nothing where there is none", () => {
    expect(takerOf("bucket", [])).toBeNull();
    fc.assert(fc.property(fc.string(), some, (thing, takers) => takers.includes(takerOf(thing, takers) ?? { id: "" })));
  });

  it("comes to the same end in whatever order the takers are known", () => {
    const two = some.chain((takers) => fc.tuple(fc.constant(takers), fc.shuffledSubarray(takers, { minLength: takers.length })));
    fc.assert(fc.property(fc.string(), two, (thing, [one, other]) => takerOf(thing, one) === takerOf(thing, other)));
  });

  it("takes nothing from the rest when one comes, and gives it nothing but its own when it goes", () => {
    fc.assert(
      fc.property(fc.string(), some, fc.string(), (thing, takers, id) => {
        fc.pre(takers.every((taker) => taker.id !== id));
        const comes = { id };
        const after = takerOf(thing, [...takers, comes]);
        return after === comes || after === takerOf(thing, takers);
      }),
    );
  });

  it.each([2, 3, 5, 16])("is about even among %i", (count) => {
    const loads = new Map(takersNamed(count).map(({ id }) => [id, 0]));
    for (const id of shareOut(takersNamed(count)).values()) loads.set(id ?? "", (loads.get(id ?? "") ?? 0) + 1);
    const even = things.length / count;
    expect(loads.size).toBe(count);
    for (const load of loads.values()) expect(Math.abs(load - even)).toBeLessThan(0.35 * even);
  });

  it("moves to the one who comes about its share, and nothing between the others", () => {
    const [before, after] = [shareOut(takersNamed(4)), shareOut(takersNamed(5))];
    const moved = things.filter((thing) => before.get(thing) !== after.get(thing));
    expect(new Set(moved.map((thing) => after.get(thing)))).toEqual(new Set(["6f1c-4"]));
    expect(moved.length / things.length).toBeGreaterThan(0.14);
    expect(moved.length / things.length).toBeLessThan(0.26);
  });
});
