/**
 * Hash functions. Equality rests on 128 bits of SHA-256, far beyond accidental collisions (96 would do); the 32 bits of the other
 * only spread keys.
 */
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

/** 32 bits of a key: FNV-1a with a final mix, since nearby keys must not come to stand together. The same at every site: where a key
 *  stands in the digests' tree follows from it. */
export function hash32(key: string): number {
  let sum = 0x811c9dc5;
  for (let at = 0; at < key.length; at++) sum = Math.imul(sum ^ key.charCodeAt(at), 0x01000193);
  sum = Math.imul(sum ^ (sum >>> 16), 0x85ebca6b);
  sum = Math.imul(sum ^ (sum >>> 13), 0xc2b2ae35);
  return (sum ^ (sum >>> 16)) >>> 0;
}
