/** Writes down what a reader brings, in order, and whether it came when it may. */
import type { GatewayError } from "../../src/core/errors.js";
import type { Entry, LoggedOperation } from "../../src/core/operation.js";
import type { BucketStore, PeerLink, Reader, Unreadable } from "../../src/core/ports.js";

/** Entries as `kind key@revision`, `caught up` and `lost <code>` among them. */
export interface Tailed {
  readonly reader: Reader;
  readonly entries: Entry[];
  readonly story: string[];
  /** Whether anything came before the promise of the reader had resolved. */
  cameEarly(): boolean;
}

export async function tailOf(store: BucketStore, release: "at once" | "never" = "at once"): Promise<Tailed> {
  const entries: Entry[] = [];
  const story: string[] = [];
  const opening: { reader: Reader | null; early: boolean } = { reader: null, early: false };
  const reader = await store.tail({
    onEntry(entry, bytes) {
      opening.early ||= opening.reader === null;
      entries.push(entry);
      story.push(`${entry.kind} ${entry.key}@${entry.revision}`);
      if (release === "at once") opening.reader?.release(1, bytes);
    },
    onCaughtUp: () => void story.push("caught up"),
    onLost: ({ code }) => void story.push(`lost ${code}`),
  });
  opening.reader = reader;
  return { reader, entries, story, cameEarly: () => opening.early };
}

export interface Read {
  readonly reader: Reader;
  readonly operations: LoggedOperation[];
  readonly unreadable: Unreadable[];
  /** Sequences of both kinds, in order. */
  readonly sequences: number[];
  readonly bytes: number[];
  readonly lost: GatewayError[];
  cameEarly(): boolean;
}

export async function readOf(
  link: PeerLink,
  from: number,
  window: number,
  release: "at once" | "never" = "at once",
): Promise<Read> {
  const operations: LoggedOperation[] = [];
  const unreadable: Unreadable[] = [];
  const sequences: number[] = [];
  const bytes: number[] = [];
  const lost: GatewayError[] = [];
  const opening: { reader: Reader | null; early: boolean } = { reader: null, early: false };
  const note = (sequence: number, size: number) => {
    opening.early ||= opening.reader === null;
    sequences.push(sequence);
    bytes.push(size);
    if (release === "at once") opening.reader?.release(1, size);
  };
  const reader = await link.read(from, () => window, {
    onOperation(logged, size) {
      operations.push(logged);
      note(logged.sequence, size);
    },
    onUnreadable(refused, size) {
      unreadable.push(refused);
      note(refused.sequence, size);
    },
    onLost: (error) => void lost.push(error),
  });
  opening.reader = reader;
  return { reader, operations, unreadable, sequences, bytes, lost, cameEarly: () => opening.early };
}
