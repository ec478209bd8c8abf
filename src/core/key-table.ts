/**
 * A number for each key that anything is kept of, so that facts about keys can stand in columns (`column.ts`). Several owners
 * share one table; a key has its number as long as one of them claims it, and numbers are used again. Bounded by what the
 * owners keep.
 */
import { type Column, createColumn } from "./column.js";
import type { Key } from "./ids.js";

/** Where a key's facts stand. */
export type Place = number;

/** Of keys that have none, or none that the asking owner claims. */
export const NO_PLACE: Place = -1;

/** Who keeps something of a key: bits, since several may. */
export const OWNER = Object.freeze({ replica: 1, log: 2, start: 4 });
export type Owner = (typeof OWNER)[keyof typeof OWNER];

export interface KeyTable {
  /** The key's place, where the owner claims it. */
  find(key: Key, owner: Owner): Place;
  keyAt(place: Place): Key;
  /** The key's place, which it keeps until the owner releases it. */
  claim(key: Key, owner: Owner): Place;
  release(place: Place, owner: Owner): void;
  /** The places that an owner claims, in no order that means anything. */
  claimed(owner: Owner): Iterable<Place>;
  size(): number;
}

export function createKeyTable(): KeyTable {
  const placeByKey = new Map<Key, Place>();
  const keys: (Key | undefined)[] = [];
  const free: Place[] = [];
  const owners: Column = createColumn(Uint8Array);
  // One after the other asks about the same key, and among millions each look misses every cache.
  let [lastKey, lastPlace]: [Key | null, Place] = [null, NO_PLACE];

  const has = (owner: Owner, place: Place) => (owners.at(place) & owner) !== 0;

  function placeOf(key: Key): Place {
    if (key === lastKey) return lastPlace;
    lastPlace = placeByKey.get(key) ?? NO_PLACE;
    lastKey = key;
    return lastPlace;
  }

  function add(key: Key): Place {
    const place = free.pop() ?? keys.length;
    const own = ownText(key);
    keys[place] = own;
    placeByKey.set(own, place);
    lastKey = null;
    return place;
  }

  return {
    find(key, owner) {
      const place = placeOf(key);
      return place !== NO_PLACE && has(owner, place) ? place : NO_PLACE;
    },
    keyAt(place) {
      const key = keys[place];
      if (key === undefined) throw new RangeError(`no key stands at ${place}`);
      return key;
    },
    claim(key, owner) {
      const found = placeOf(key);
      const place = found === NO_PLACE ? add(key) : found;
      owners.set(place, owners.at(place) | owner);
      return place;
    },
    release(place, owner) {
      const left = owners.at(place) & ~owner;
      owners.set(place, left);
      const key = keys[place];
      if (left !== 0 || key === undefined) return;
      placeByKey.delete(key);
      keys[place] = undefined;
      free.push(place);
      lastKey = null;
    },
    *claimed(owner) {
      for (const place of placeByKey.values()) if (has(owner, place)) yield place;
    },
    size: () => placeByKey.size,
  };
}

/** The key by itself: a part of a longer text keeps all of that in memory. */
const ownText = (key: Key): Key => Buffer.from(key, "latin1").toString("latin1") as Key;
