/**
 * Who of several takes what, agreed upon without a word: each taker has a weight for each thing, and the heaviest has it.
 * Whoever knows the same takers comes to the same end; when one comes or goes, only what it takes or had is moved.
 */
import { hash128 } from "./hash.js";

/** Null where there is nobody. */
export function takerOf<Taker extends { readonly id: string }>(thing: string, takers: readonly Taker[]): Taker | null {
  let taker: Taker | null = null;
  let heaviest = "";
  for (const each of takers) {
    // Hashes are of one length, so that they compare as the numbers that they are.
    const weight = hash128(`${each.id} ${thing}`);
    if (weight > heaviest) [taker, heaviest] = [each, weight];
  }
  return taker;
}
