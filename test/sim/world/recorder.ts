/** Writes the history of a run, and counts what really happened. */
import { hash32 } from "../draw.js";
import type { Happening } from "../history.js";

/** A happening before its time is put on it. */
export type Unstamped<H extends Happening = Happening> = H extends Happening ? Omit<H, "ms"> : never;

export interface Recorder {
  readonly history: readonly Happening[];
  readonly counts: ReadonlyMap<string, number>;
  add(happening: Unstamped): void;
  count(name: string, by?: number): void;
  /** Runs `work` as the client's write `op`: what it stores is known to be that. */
  as<T>(op: number, work: () => T): T;
  /** The write that is being stored, null if it is a gateway's or the server's. */
  writing(): number | null;
  /** A hash over all of the history. */
  trace(): string;
}

export function createRecorder(nowMs: () => number): Recorder {
  const history: Happening[] = [];
  const counts = new Map<string, number>();
  let current: number | null = null;
  return {
    history,
    counts,
    add: (happening) => void history.push({ ms: nowMs(), ...happening }),
    count: (name, by = 1) => void counts.set(name, (counts.get(name) ?? 0) + by),
    as(op, work) {
      current = op;
      try {
        return work();
      } finally {
        current = null;
      }
    },
    writing: () => current,
    trace() {
      let [low, high] = [1, 2];
      for (const happening of history) {
        const text = JSON.stringify(happening);
        low = hash32(text, low);
        high = hash32(text, high + low);
      }
      return `${low.toString(16)}${high.toString(16)}-${history.length}`;
    },
  };
}
