/**
 * How far a peer's log has been applied here. Operations settle in any order, the checkpoint stays below the first that
 * has not settled (I6). Log sequences have holes, because a log keeps one operation per key.
 */
import type { Sequence } from "./ids.js";

export interface Checkpoint {
  /** Creation time of the log that the sequence belongs to. */
  readonly created: string;
  readonly sequence: Sequence;
}

export interface Progress {
  /** An operation has been received and is not settled yet. Sequences must rise. */
  begin(sequence: Sequence): void;
  /** Applied, ignored with a reason, or set aside durably. */
  settle(sequence: Sequence): void;
  /** Everything at or below has settled. */
  checkpoint(): Sequence;
  /** Received and not settled. */
  outstanding(): number;
}

/** Keeps what is unsettled and nothing else, however much passes one operation that waits: bounded by the reader's window,
 *  since no more operations are outstanding than were asked for. */
export function createProgress(from: Sequence): Progress {
  // In the order in which they began, hence the lowest first.
  const unsettled = new Set<Sequence>();
  let highest = from;
  return {
    begin(sequence) {
      if (sequence <= highest) throw new RangeError(`sequence ${sequence} after ${highest}`);
      highest = sequence;
      unsettled.add(sequence);
    },
    settle: (sequence) => void unsettled.delete(sequence),
    checkpoint() {
      for (const lowest of unsettled) return lowest - 1;
      return highest;
    },
    outstanding: () => unsettled.size,
  };
}

export function isCheckpoint(value: unknown): value is Checkpoint {
  if (typeof value !== "object" || value === null) return false;
  const { created, sequence } = value as Partial<Record<keyof Checkpoint, unknown>>;
  return typeof created === "string" && Number.isSafeInteger(sequence) && (sequence as number) >= 0;
}
