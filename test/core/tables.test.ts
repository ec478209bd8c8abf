/** Packed tables answer as the maps and objects would that they stand for, whatever is done to them. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createColumn } from "../../src/core/column.js";
import { hash32 } from "../../src/core/hash.js";
import type { Key } from "../../src/core/ids.js";
import { type KeyTable, NO_PLACE, OWNER, type Owner, createKeyTable } from "../../src/core/key-table.js";
import { type Known, createKnownTable } from "../../src/core/known-table.js";
import { KEY_LENGTH_MAX, SITES_REMEMBERED_MAX } from "../../src/core/limits.js";
import { createSequenceTable } from "../../src/core/sequence-table.js";
import { keyNamed, siteNamed } from "./names.js";

const anyKey = fc.integer({ min: 0, max: 60 }).map((n) => keyNamed(`some.key.of.a.length-${n}`));

describe("a column", () => {
  it("has what was set last, and 0 elsewhere, in small places and in large ones", () => {
    const anyPlace = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 70_000 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(anyPlace, fc.integer({ min: 0, max: 2 ** 50 })), { maxLength: 60 }), anyPlace, (changes, other) => {
        const [column, model] = [createColumn(Float64Array), new Map<number, number>()];
        for (const [place, value] of changes) {
          column.set(place, value);
          model.set(place, value);
        }
        for (const place of [...model.keys(), other]) expect(column.at(place)).toBe(model.get(place) ?? 0);
      }),
    );
  });
});

describe("a table of keys", () => {
  const OWNERS = [OWNER.replica, OWNER.log];
  const placeOf = (table: KeyTable, key: Key) => Math.max(...OWNERS.map((owner) => table.find(key, owner)));
  const anyOwner = fc.constantFrom<Owner>(...OWNERS);
  const anyChange = fc.record({ key: anyKey, owner: anyOwner, claim: fc.boolean() });

  it("gives each claimed key one place of its own, as long as anybody claims it", () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 300 }), (changes) => {
        const [table, model] = [createKeyTable(), new Map<Key, Set<Owner>>()];
        for (const { key, owner, claim } of changes) {
          const owners = model.get(key) ?? new Set<Owner>();
          const before = placeOf(table, key);
          if (claim) {
            const place = table.claim(key, owner);
            if (before !== NO_PLACE) expect(place).toBe(before);
            model.set(key, owners.add(owner));
          } else if (before !== NO_PLACE) {
            table.release(before, owner);
            owners.delete(owner);
            if (owners.size === 0) {
              model.delete(key);
              expect(() => table.keyAt(before)).toThrow(RangeError);
            }
          }
        }
        const places = [...model.keys()].map((key) => placeOf(table, key));
        expect([new Set(places).size, table.size()]).toEqual([model.size, model.size]);
        expect(places.map((place) => table.keyAt(place))).toEqual([...model.keys()]);
        for (const [key, owners] of model) expect(OWNERS.filter((owner) => table.find(key, owner) !== NO_PLACE)).toEqual(OWNERS.filter((owner) => owners.has(owner)));
        for (const owner of OWNERS) {
          const expected = [...model].filter(([, owners]) => owners.has(owner)).map(([key]) => key);
          expect([...table.claimed(owner)].map((place) => table.keyAt(place)).sort()).toEqual(expected.sort());
        }
      }),
    );
  });

  it("uses places again, so that keys which come and go take no more of them", () => {
    const table = createKeyTable();
    for (let n = 0; n < 1_000; n++) {
      const place = table.claim(keyNamed(`k${n}`), OWNER.log);
      expect(place).toBe(0);
      table.release(place, OWNER.log);
    }
    expect(() => table.keyAt(7)).toThrow(RangeError);
  });
});

describe("a table of many keys", () => {
  const named = (n: number) => keyNamed(`${"x".repeat(n % 40)}${n}`);

  it("finds each of thousands, of any length, and none that it was not given", () => {
    const table = createKeyTable();
    const places = Array.from({ length: 20_000 }, (_, n) => table.claim(named(n), OWNER.replica));
    expect(new Set(places).size).toBe(places.length);
    for (const [n, place] of places.entries()) {
      expect(table.find(named(n), OWNER.replica)).toBe(place);
      expect(table.keyAt(place)).toBe(named(n));
      expect(table.hashAt(place)).toBe(hash32(named(n)));
    }
    for (let n = 20_000; n < 40_000; n++) expect(table.find(named(n), OWNER.replica)).toBe(NO_PLACE);
    for (const place of places.filter((_, n) => n % 3 > 0)) table.release(place, OWNER.replica);
    for (let n = 0; n < 20_000; n++) expect(table.find(named(n), OWNER.replica)).toBe(n % 3 > 0 ? NO_PLACE : places[n]);
  });

  it("holds the longest keys that there are", () => {
    const table = createKeyTable();
    const long = Array.from({ length: 100 }, (_, n) => keyNamed(`${"y".repeat(KEY_LENGTH_MAX - 3)}${n + 100}`));
    const places = long.map((key) => table.claim(key, OWNER.log));
    expect(places.map((place) => table.keyAt(place))).toEqual(long);
  });

  it("may be emptied while it is gone through", () => {
    const table = createKeyTable();
    for (let n = 0; n < 500; n++) table.claim(named(n), n % 2 === 0 ? OWNER.start : OWNER.log);
    for (const place of table.claimed(OWNER.start)) table.release(place, OWNER.start);
    expect([table.size(), [...table.claimed(OWNER.log)].length]).toEqual([250, 250]);
  });
});

describe("what is known of keys", () => {
  const anyVersion = fc.record({ ts: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), site: fc.constantFrom("a", "b", "c").map(siteNamed) });
  const anyKnown: fc.Arbitrary<Known> = fc
    .record({
      version: anyVersion,
      base: fc.oneof(fc.constant(undefined), fc.constant(null), anyVersion),
      kind: fc.constantFrom("put", "delete", "purge"),
      revision: fc.nat(Number.MAX_SAFE_INTEGER),
      marks: fc.constantFrom<Pick<Known, "isEnded" | "isStandIn">>({}, { isEnded: true }, { isStandIn: true }, { isEnded: true, isStandIn: true }),
    })
    .map(({ marks, ...known }) => ({ ...known, ...marks }));

  it("is given back as it was taken in", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyKey, fc.oneof(anyKnown, fc.constant(null))), { maxLength: 200 }), (changes) => {
        const [table, model] = [createKnownTable(createKeyTable()), new Map<Key, Known>()];
        for (const [key, known] of changes) {
          if (known === null) {
            table.delete(key);
            model.delete(key);
          } else {
            table.set(key, known);
            model.set(key, known);
          }
          expect(table.get(key)).toEqual(known ?? undefined);
        }
        expect(new Map(table.entries())).toEqual(model);
        expect(table.size()).toBe(model.size);
      }),
    );
  });

  it("has every site's name, however many there are", () => {
    const table = createKnownTable(createKeyTable());
    const known = (n: number): Known => ({ version: { ts: n + 1, site: siteNamed(`s${n}`) }, base: null, kind: "put", revision: n });
    const all = Array.from({ length: SITES_REMEMBERED_MAX + 20 }, (_, n) => n);
    for (const n of all) table.set(keyNamed(`k${n}`), known(n));
    for (const n of all) expect(table.get(keyNamed(`k${n}`))).toEqual(known(n));
    table.set(keyNamed(`k${all.length - 1}`), known(0));
    expect(table.get(keyNamed(`k${all.length - 1}`))).toEqual(known(0));
  });
});

describe("where the log has keys", () => {
  it("is told beside what others keep of the same keys, and forgotten without them", () => {
    const keys = createKeyTable();
    const [table, known, key] = [createSequenceTable(keys), createKnownTable(keys), keyNamed("k")];
    const value: Known = { version: { ts: 1, site: siteNamed("a") }, base: null, kind: "put", revision: 3 };
    known.set(key, value);
    expect(table.get(key)).toBeUndefined();
    table.set(key, 7);
    known.delete(key);
    expect([table.get(key), known.get(key)]).toEqual([7, undefined]);
    known.set(key, value);
    table.delete(key);
    expect([table.get(key), known.get(key)]).toEqual([undefined, value]);
    known.delete(key);
    expect(keys.size()).toBe(0);
  });
});
