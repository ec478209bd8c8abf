/**
 * From the hash of a key to the places where keys of that hash may stand: linear hashing, which grows by one chain for each key, so
 * that no insertion ever has to move all the others and hold the event loop. 12 bytes a key. Bounded by the most keys that were
 * kept at one time.
 */
import { type Column, createColumn } from "./column.js";

export interface PlaceIndex {
  /** The first place of those whose hash may be this one; `NONE` where there is none. */
  first(hash: number): number;
  /** The one after it, or `NONE`. */
  next(place: number): number;
  hashAt(place: number): number;
  /** @param hash 32 bits with a sign */
  add(hash: number, place: number): void;
  remove(place: number): void;
  size(): number;
}

export const NONE = -1;

export function createPlaceIndex(): PlaceIndex {
  // Places, each and one more; 0 for none.
  const heads: Column = createColumn(Int32Array);
  const nexts: Column = createColumn(Int32Array);
  const hashes: Column = createColumn(Int32Array);
  let size = 0;
  // The chains are a power of two, `round`, and those that have been split off since.
  let [chains, round] = [1, 1];

  function chainOf(hash: number): number {
    const chain = hash & (2 * round - 1);
    return chain < chains ? chain : hash & (round - 1);
  }

  function link(chain: number, place: number): void {
    nexts.set(place, heads.at(chain));
    heads.set(chain, place + 1);
  }

  function split(): void {
    let next = heads.at(chains - round);
    heads.set(chains - round, 0);
    chains++;
    while (next !== 0) {
      const place = next - 1;
      next = nexts.at(place);
      link(chainOf(hashes.at(place)), place);
    }
    if (chains === 2 * round) round = chains;
  }

  return {
    first: (hash) => heads.at(chainOf(hash)) - 1,
    next: (place) => nexts.at(place) - 1,
    hashAt: (place) => hashes.at(place),
    add(hash, place) {
      hashes.set(place, hash);
      link(chainOf(hash), place);
      if (++size > chains) split();
    },
    remove(place) {
      const chain = chainOf(hashes.at(place));
      const after = nexts.at(place);
      size--;
      if (heads.at(chain) === place + 1) return heads.set(chain, after);
      let before = heads.at(chain) - 1;
      while (before !== NONE && nexts.at(before) !== place + 1) before = nexts.at(before) - 1;
      if (before !== NONE) nexts.set(before, after);
    },
    size: () => size,
  };
}
