/** The one use of a hash function: 128 bits of SHA-256, as hex. Far beyond accidental collisions (96 would do). */
import { createHash } from "node:crypto";

export const hash128 = (content: string | Uint8Array): string =>
  createHash("sha256").update(content).digest("hex").slice(0, 32);
