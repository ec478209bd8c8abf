/**
 * What waits for the own log, or is on its way there. Of one key never more than one operation is on its way, because only
 * a sequence that has been seen can be named as the one to follow: a foretold one may be taken by another gateway's
 * operation of the same key, and servers in a cluster refuse it (seen on 2.9 and 2.15). What comes meanwhile waits for the
 * answer, behind it also what is of other keys: a write does not overtake those before it. Of a key that waits already only
 * the newest operation is kept, in the place of the oldest: the log has room for one per key, and a later local write is
 * above all before it (I5).
 */
import type { Key } from "../core/ids.js";
import { APPEND_WINDOW_OPERATIONS } from "../core/limits.js";
import type { EntryIdentity, Operation } from "../core/operation.js";

export interface Pending {
  /** The newest of those that wait together. */
  readonly operation: Operation;
  readonly identity: EntryIdentity;
}

export interface AppendQueue {
  /** `done` is called when the operation, or a later one of its key, is finished. */
  add(operation: Operation, identity: EntryIdentity, done: () => void): void;
  /** The next one goes on its way; null while it may not, or none is left.
   *  @param may asked of that one only, and only when nothing else keeps it */
  send(may: (pending: Pending) => boolean): Pending | null;
  inFlight(): number;
  /** Whether it is the one whose answer comes next. */
  isFirst(pending: Pending): boolean;
  /** The first one is in the log. */
  finishFirst(): void;
  /** Nothing counts as being on its way any more: all of it will be sent again, in the same order. Only `held`, if any, is
   *  not joined with what waits behind it, until it is removed. */
  goBack(held: Pending | null): void;
  /** What comes first of the key. */
  find(key: Key): Pending | undefined;
  /** Calls back once, when it is finished. */
  whenFinished(pending: Pending, then: () => void): void;
  /** Finished without being sent again, while nothing is on its way. */
  remove(pending: Pending): void;
  /** Operations that wait, together or alone. */
  size(): number;
  /** Resolves when all that waits now is finished. */
  settled(): Promise<void>;
}

interface Waiting {
  operation: Operation;
  identity: EntryIdentity;
  /** Nothing joins it any more. */
  closed: boolean;
  readonly finished: (() => void)[];
  /** What came of the key while this one was closed. It has a place of its own. */
  next: Waiting | null;
  /** Whether it is the next one of another. */
  isNext: boolean;
}

export function createAppendQueue(): AppendQueue {
  // Those on their way stand first, each key once among them.
  let queue: Waiting[] = [];
  const waitingByKey = new Map<Key, Waiting>();
  let inFlight = 0;

  function finish({ operation: { key }, next, finished }: Waiting): void {
    if (next === null) waitingByKey.delete(key);
    else {
      next.isNext = false;
      waitingByKey.set(key, next);
    }
    for (const then of finished) then();
  }

  return {
    add(operation, identity, done) {
      const same = waitingByKey.get(operation.key);
      const waiting: Waiting = { operation, identity, closed: false, finished: [done], next: null, isNext: same !== undefined };
      const open = same?.closed === true ? same.next : same;
      if (open) return join(open, waiting);
      queue.push(waiting);
      if (same === undefined) waitingByKey.set(operation.key, waiting);
      else same.next = waiting;
    },
    send(may) {
      const next = inFlight < APPEND_WINDOW_OPERATIONS ? queue[inFlight] : undefined;
      if (next === undefined || next.isNext || !may(next)) return null;
      next.closed = true;
      inFlight++;
      return next;
    },
    inFlight: () => inFlight,
    isFirst: (pending) => pending === queue[0],
    finishFirst() {
      const first = queue.shift();
      if (first === undefined) return;
      inFlight--;
      finish(first);
    },
    goBack(held) {
      inFlight = 0;
      for (const waiting of queue) {
        waiting.closed = waiting === held;
        if (waiting.closed || waiting.next === null) continue;
        join(waiting, waiting.next);
        waiting.next = null;
      }
      queue = queue.filter((waiting) => !waiting.isNext || waitingByKey.get(waiting.operation.key)?.closed === true);
    },
    find: (key) => waitingByKey.get(key),
    whenFinished: ({ operation: { key } }, then) => void waitingByKey.get(key)?.finished.push(then),
    remove(pending) {
      const removed = queue.find((waiting) => waiting === pending);
      if (removed === undefined) return;
      queue = queue.filter((waiting) => waiting !== removed);
      finish(removed);
    },
    size: () => queue.length,
    async settled() {
      await Promise.all(queue.map(({ finished }) => new Promise<void>((resolve) => finished.push(resolve))));
    },
  };
}

function join(into: Waiting, { operation, identity, finished }: Waiting): void {
  into.operation = operation;
  into.identity = identity;
  into.finished.push(...finished);
}
