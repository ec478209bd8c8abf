/** Drawing from one seed: everything random in a run comes from here, each part from a stream of its own. */
import type { Random } from "../../src/core/ports.js";
import { createSeededRandom } from "../memory/seeded-random.js";

export interface Draw extends Random {
  chance(probability: number): boolean;
  /** A whole number, both ends included. */
  int(from: number, to: number): number;
  pick<T>(from: readonly T[]): T;
  /** Another stream, which depends on the seed and the name only: leaving one part of a plan out changes no other. */
  fork(name: string): Draw;
}

export function createDraw(seed: number): Draw {
  const random = createSeededRandom(seed);
  const draw: Draw = {
    next: () => random.next(),
    chance: (probability) => random.next() < probability,
    int: (from, to) => from + Math.floor(random.next() * (to - from + 1)),
    pick(from) {
      const picked = from[Math.floor(random.next() * from.length)];
      if (picked === undefined) throw new RangeError("nothing to pick from");
      return picked;
    },
    fork: (name) => createDraw(hash32(name, seed)),
  };
  return draw;
}

/** FNV-1a. */
export function hash32(text: string, start = 0): number {
  let hash = 0x811c9dc5 ^ start;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}
