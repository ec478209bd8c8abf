/**
 * The texts of keys as bytes, packed: keys of one length stand side by side, and a place that is free is used again. A key takes
 * its own length and 6 bytes more, where a string takes 24 and the garbage collector's time. Bounded by the most keys that
 * were kept at one time.
 */
import { type Column, createColumn } from "./column.js";
import type { Key } from "./ids.js";

export interface KeyTexts {
  /** @param place where no text stands */
  put(place: number, key: Key): void;
  at(place: number): Key;
  /** Whether just this text stands there; makes no string. */
  is(place: number, key: Key): boolean;
  remove(place: number): void;
}

/** So many bytes are had at once: of long keys a few, of short ones thousands. */
const PART_BYTES = 64 * 1024;

export function createKeyTexts(): KeyTexts {
  // 0 where no text stands: a key has at least one character.
  const lengths: Column = createColumn(Uint16Array);
  const slots: Column = createColumn(Int32Array);
  const shelves: (Shelf | undefined)[] = [];

  function shelfOf(length: number): Shelf {
    const found = shelves[length];
    if (found !== undefined) return found;
    const shelf = createShelf(length);
    shelves[length] = shelf;
    return shelf;
  }

  return {
    put(place, key) {
      lengths.set(place, key.length);
      slots.set(place, shelfOf(key.length).put(key));
    },
    at(place) {
      const length = lengths.at(place);
      if (length === 0) throw new RangeError(`no key stands at ${place}`);
      return shelfOf(length).at(slots.at(place));
    },
    is: (place, key) => lengths.at(place) === key.length && shelfOf(key.length).is(slots.at(place), key),
    remove(place) {
      shelves[lengths.at(place)]?.remove(slots.at(place));
      lengths.set(place, 0);
    },
  };
}

interface Shelf {
  /** Returns its slot. */
  put(key: Key): number;
  at(slot: number): Key;
  is(slot: number, key: Key): boolean;
  remove(slot: number): void;
}

/** Of texts of one length. The first part grows by doubling, so that few keys take little; then parts are added. */
function createShelf(length: number): Shelf {
  const slotsPerPart = Math.max(1, Math.floor(PART_BYTES / length));
  const parts: Buffer[] = [];
  const free: number[] = [];
  let top = 0;

  const offsetOf = (slot: number) => (slot % slotsPerPart) * length;

  function partOf(slot: number): Buffer {
    const part = parts[Math.floor(slot / slotsPerPart)];
    if (part === undefined) throw new RangeError(`no text stands at ${slot}`);
    return part;
  }

  function makeRoom(slot: number): void {
    const index = Math.floor(slot / slotsPerPart);
    const before = parts[index];
    const needed = offsetOf(slot) + length;
    if (before !== undefined && before.length >= needed) return;
    const bytes = index === 0 ? Math.min(slotsPerPart * length, Math.max(needed, 2 * (before?.length ?? 0))) : slotsPerPart * length;
    const part = Buffer.alloc(bytes);
    before?.copy(part);
    parts[index] = part;
  }

  return {
    put(key) {
      const slot = free.pop() ?? top++;
      makeRoom(slot);
      partOf(slot).write(key, offsetOf(slot), "latin1");
      return slot;
    },
    at(slot) {
      const from = offsetOf(slot);
      return partOf(slot).toString("latin1", from, from + length) as Key;
    },
    is(slot, key) {
      const part = partOf(slot);
      const from = offsetOf(slot);
      // From the end: keys that are alike are mostly so at their beginning.
      for (let at = length - 1; at >= 0; at--) if (part[from + at] !== key.charCodeAt(at)) return false;
      return true;
    },
    remove(slot) {
      free.push(slot);
    },
  };
}
