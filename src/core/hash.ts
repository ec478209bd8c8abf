/** The one use of a hash function: 128 bits of SHA-256. Far beyond accidental collisions (96 would do). */
import { createHash, hash } from "node:crypto";

export const hash128 = (content: string | Uint8Array): string =>
  createHash("sha256").update(content).digest("hex").slice(0, 32);

/** Adds the 128 bits of the content's hash to `sum`, as four numbers of 32 bits, each with its own overflow. */
export function addHash128(sum: Int32Array, content: string): void {
  const hex = hash("sha256", content, "hex");
  for (let lane = 0; lane < 4; lane++) sum[lane] = (sum[lane] ?? 0) + Number.parseInt(hex.slice(lane * 8, lane * 8 + 8), 16);
}
