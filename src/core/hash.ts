/** The one use of a hash function: 128 bits of SHA-256. Far beyond accidental collisions (96 would do). */
import { hash } from "node:crypto";

export const hash128 = (content: string | Uint8Array): string => hash("sha256", content, "hex").slice(0, 32);

/** Adds the 128 bits of the content's hash to `sums`, as four numbers of 32 bits, each with its own overflow.
 *  @param at where the four numbers begin */
export function addHash128(sums: Int32Array, content: string, at = 0): void {
  const hex = hash("sha256", content, "hex");
  for (let lane = 0; lane < 4; lane++) {
    sums[at + lane] = (sums[at + lane] ?? 0) + Number.parseInt(hex.slice(lane * 8, lane * 8 + 8), 16);
  }
}
