/**
 * A number for each key that anything is kept of, so that facts about keys can stand in columns (`column.ts`). Several owners
 * share one table; a key has its number as long as one of them claims it, and numbers are used again. Bounded by what the
 * owners keep. No string is kept of any key, and so the heap, and the garbage collector's work, do not grow with the keys.
 */
import { type Column, createColumn } from "./column.js";
import { hash32 } from "./hash.js";
import type { Key } from "./ids.js";
import { createKeyTexts } from "./key-texts.js";
import { NONE, createPlaceIndex } from "./place-index.js";

/** Where a key's facts stand. */
export type Place = number;

/** Of keys that have none, or none that the asking owner claims. */
export const NO_PLACE: Place = NONE;

/** Who keeps something of a key: bits, since several may. */
export const OWNER = Object.freeze({ replica: 1, log: 2, start: 4 });
export type Owner = (typeof OWNER)[keyof typeof OWNER];

export interface KeyTable {
  /** The key's place, where the owner claims it. */
  find(key: Key, owner: Owner): Place;
  isClaimed(place: Place, owner: Owner): boolean;
  keyAt(place: Place): Key;
  /** `hash32` of the key that stands there. */
  hashAt(place: Place): number;
  /** The key's place, which it keeps until the owner releases it. */
  claim(key: Key, owner: Owner): Place;
  release(place: Place, owner: Owner): void;
  /** The places that an owner claims, in no order that means anything. Those may be released meanwhile. */
  claimed(owner: Owner): Iterable<Place>;
  size(): number;
}

export function createKeyTable(): KeyTable {
  const texts = createKeyTexts();
  const index = createPlaceIndex();
  const owners: Column = createColumn(Uint8Array);
  const free: Place[] = [];
  let top = 0;
  // One after the other asks about the same key, and among millions each look misses every cache.
  let last: { readonly key: Key | null; readonly hash: number; readonly place: Place } = { key: null, hash: 0, place: NO_PLACE };

  const has = (owner: Owner, place: Place) => (owners.at(place) & owner) !== 0;

  function look(key: Key): typeof last {
    if (key === last.key) return last;
    const hash = hash32(key) | 0;
    let place = index.first(hash);
    while (place !== NO_PLACE && !(index.hashAt(place) === hash && texts.is(place, key))) place = index.next(place);
    return (last = { key, hash, place });
  }

  function add(key: Key, hash: number): Place {
    const place = free.pop() ?? top++;
    texts.put(place, key);
    index.add(hash, place);
    last = { key, hash, place };
    return place;
  }

  return {
    find(key, owner) {
      const { place } = look(key);
      return place !== NO_PLACE && has(owner, place) ? place : NO_PLACE;
    },
    isClaimed: (place, owner) => has(owner, place),
    keyAt: (place) => texts.at(place),
    hashAt: (place) => index.hashAt(place) >>> 0,
    claim(key, owner) {
      const { hash, place: found } = look(key);
      const place = found === NO_PLACE ? add(key, hash) : found;
      owners.set(place, owners.at(place) | owner);
      return place;
    },
    release(place, owner) {
      const before = owners.at(place);
      const left = before & ~owner;
      owners.set(place, left);
      if (left !== 0 || before === 0) return;
      index.remove(place);
      texts.remove(place);
      free.push(place);
      last = { key: null, hash: 0, place: NO_PLACE };
    },
    *claimed(owner) {
      for (let place = 0; place < top; place++) if (has(owner, place)) yield place;
    },
    size: () => index.size(),
  };
}
