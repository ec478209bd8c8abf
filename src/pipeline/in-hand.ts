/**
 * The operations of one peer that have been handed on and have not come to their end, whichever reader brought them.
 *
 * A reader begins at the checkpoint, so what is in hand from readers before it comes again. It is told by key and version
 * and not by its sequence alone, because a log that was rewound has other operations under the same sequences: those must
 * not count as settled when their predecessors do (I6). What is the same is not handed on a second time; else a link that
 * comes and goes would queue it once more each time (I11).
 */
import type { Progress } from "../core/checkpoint.js";
import type { Sequence } from "../core/ids.js";
import type { Reader } from "../core/ports.js";
import { type Version, compareVersions } from "../core/version.js";

/** One reader's life, as far as what it brings is concerned. */
export interface Reading {
  readonly progress: Progress;
  /** Null until it has been opened; no operation comes before that. */
  reader: Reader | null;
}

/** What a reader brought. */
export interface Brought {
  readonly sequence: Sequence;
  readonly key: string;
  /** Null where it could not be read. */
  readonly version: Version | null;
  readonly writtenMs: number;
  readonly bytes: number;
}

interface Hand {
  brought: Brought;
  /** Of the reader that brought it last. */
  reading: Reading;
}

export interface InHand {
  /** Takes in what the reader brought. The answer is to be called once, when it has settled; null if it is in hand already:
   *  then only who hears of its end changes. */
  take(reading: Reading, brought: Brought): (() => void) | null;
  operations(): number;
  bytes(): number;
  /** When the first of them was written, as far as is known; null if nothing is in hand. */
  oldestMs(): number | null;
}

/** @param current who reads now: its window grows as what is left from readers before settles or comes again */
export function createInHand(current: () => Reading | null): InHand {
  // The last that came under each sequence; what it replaced goes on, and counts until its end. Begins with the lowest of
  // what has not settled: only what had settled before and came again stands behind higher ones.
  const handBySequence = new Map<Sequence, Hand>();
  let operations = 0;
  let bytes = 0;

  /** A reader asks for more when something of its own settles; here its window has grown without that. */
  const lookForRoom = () => current()?.reader?.release(0, 0);

  function settle(hand: Hand): void {
    const { brought, reading } = hand;
    if (handBySequence.get(brought.sequence) === hand) handBySequence.delete(brought.sequence);
    operations--;
    bytes -= brought.bytes;
    reading.progress.settle(brought.sequence);
    reading.reader?.release(1, brought.bytes);
    if (reading !== current()) lookForRoom();
  }

  return {
    take(reading, brought) {
      reading.progress.begin(brought.sequence);
      const before = handBySequence.get(brought.sequence);
      if (before !== undefined && isSame(before.brought, brought)) {
        bytes += brought.bytes - before.brought.bytes;
        before.brought = brought;
        before.reading = reading;
        lookForRoom();
        return null;
      }
      operations++;
      bytes += brought.bytes;
      const hand: Hand = { brought, reading };
      handBySequence.set(brought.sequence, hand);
      return () => settle(hand);
    },
    operations: () => operations,
    bytes: () => bytes,
    oldestMs() {
      for (const { brought } of handBySequence.values()) return brought.writtenMs;
      return null;
    },
  };
}

/** Equal versions mean the same operation (I1). */
function isSame(a: Brought, b: Brought): boolean {
  if (a.key !== b.key) return false;
  return a.version === null || b.version === null ? a.version === b.version : compareVersions(a.version, b.version) === 0;
}
