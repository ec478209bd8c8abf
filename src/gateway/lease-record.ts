/** Who works: the record of a lease in the site's state, that of the site and that of one bucket. */
import type { Clock } from "../core/ports.js";
import { iso } from "./snapshot.js";

/** One process. The id is random; the name is for people. */
export interface Holder {
  readonly id: string;
  readonly name: string;
}

export interface LeaseRecord {
  /** Null: nobody's. */
  readonly holder: string | null;
  readonly name: string;
  /** By the holder's own clock, for people. */
  readonly since: string;
  /** Whether the holder has found that questions reach it. */
  readonly answers: boolean;
}

/** Given back. */
export const FREE: LeaseRecord = { holder: null, name: "", since: "", answers: false };

export const heldBy = ({ id, name }: Holder, clock: Clock, answers: boolean): LeaseRecord => ({
  ...{ holder: id, name, since: iso(clock.nowMs()), answers },
});

/** Null where it is nobody's, or nothing that this program has written. */
export function readLease(value: unknown): LeaseRecord | null {
  if (typeof value !== "object" || value === null) return null;
  const { holder, name, since, answers } = value as Partial<Record<keyof LeaseRecord, unknown>>;
  if (typeof holder !== "string" || typeof name !== "string" || typeof since !== "string") return null;
  return { holder, name, since, answers: answers === true };
}
