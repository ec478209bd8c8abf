/**
 * Holds back work on a key while one of our applies of it is with the server (I5, case a): a local write seen meanwhile
 * cannot be stamped before it is known whether it overwrote that apply. Other keys pass.
 */
import type { Key } from "../core/ids.js";

export interface KeyGate {
  /** An apply of the key has been sent. */
  close(key: Key): void;
  /** Its outcome is known: what waited runs now, in order. */
  open(key: Key): void;
  isClosed(key: Key): boolean;
  /** Runs `work` at once, or when the key opens. Bounded by the tail's window, since what waits holds its credit. */
  pass(key: Key, work: () => void): void;
}

export function createKeyGate(): KeyGate {
  // The usual key is closed with nothing waiting: it shares one empty list.
  const waitingByKey = new Map<Key, (() => void)[]>();
  return {
    close: (key) => void waitingByKey.set(key, NOTHING),
    open(key) {
      const waiting = waitingByKey.get(key);
      waitingByKey.delete(key);
      for (const work of waiting ?? NOTHING) work();
    },
    isClosed: (key) => waitingByKey.has(key),
    pass(key, work) {
      const waiting = waitingByKey.get(key);
      if (waiting === undefined) work();
      else if (waiting === NOTHING) waitingByKey.set(key, [work]);
      else waiting.push(work);
    },
  };
}

const NOTHING: (() => void)[] = [];
Object.freeze(NOTHING);
