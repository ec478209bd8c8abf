/**
 * How far a peer's log has been applied here. Operations settle in any order, the checkpoint only passes those below
 * which everything has settled (I6). Log sequences have holes, because a log keeps one operation per key.
 */
import type { Sequence } from "./ids.js";

export interface Checkpoint {
  /** Creation time of the log that the sequence belongs to. */
  readonly created: string;
  readonly sequence: Sequence;
}

/** One operation on its way; opaque to the caller. */
export interface Slot {
  readonly sequence: Sequence;
  settled: boolean;
}

export interface Progress {
  /** An operation has been received and is not settled yet. Sequences must rise. */
  begin(sequence: Sequence): Slot;
  /** Applied, ignored with a reason, or set aside durably. */
  settle(slot: Slot): void;
  /** Everything at or below has settled. */
  checkpoint(): Sequence;
  outstanding(): number;
}

/** Bounded by the reader's window: no more operations are outstanding than were asked for. */
export function createProgress(from: Sequence): Progress {
  let queue: Slot[] = [];
  let head = 0;
  let checkpoint = from;
  let highest = from;
  return {
    begin(sequence) {
      if (sequence <= highest) throw new RangeError(`sequence ${sequence} after ${highest}`);
      highest = sequence;
      const slot = { sequence, settled: false };
      queue.push(slot);
      return slot;
    },
    settle(slot) {
      slot.settled = true;
      for (let next = queue[head]; next?.settled === true; next = queue[head]) {
        checkpoint = next.sequence;
        head++;
      }
      // Dropping the settled half now and then costs less than shifting on every operation.
      if (head > 1_024 && head * 2 > queue.length) {
        queue = queue.slice(head);
        head = 0;
      }
    },
    checkpoint: () => checkpoint,
    outstanding: () => queue.length - head,
  };
}

export function isCheckpoint(value: unknown): value is Checkpoint {
  if (typeof value !== "object" || value === null) return false;
  const { created, sequence } = value as Partial<Record<keyof Checkpoint, unknown>>;
  return typeof created === "string" && Number.isSafeInteger(sequence) && (sequence as number) >= 0;
}
