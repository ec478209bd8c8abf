/**
 * Which keys have a deadline, the earliest first: a binary heap that knows where each key stands, so that a later write of
 * a key moves it in place and nothing outdated is kept. Bounded by the number of keys that have a deadline.
 *
 * Time is whatever the caller counts in; nothing here looks at a clock.
 */
import type { Key } from "./ids.js";

export interface Deadlines {
  /** Of a key one at most: null takes it away. */
  set(key: Key, at: number | null): void;
  /** Takes out keys whose deadline is not after `now`, the earliest first, at most so many. */
  take(now: number, keysMax: number): readonly Key[];
  at(key: Key): number | null;
  size(): number;
}

interface Node {
  readonly key: Key;
  at: number;
  index: number;
}

export function createDeadlines(): Deadlines {
  const heap: Node[] = [];
  const nodeByKey = new Map<Key, Node>();

  function place(node: Node, index: number): void {
    heap[index] = node;
    node.index = index;
  }

  function rise(node: Node): void {
    for (let index = node.index; index > 0; ) {
      const parent = heap[(index - 1) >> 1];
      if (parent === undefined || parent.at <= node.at) return;
      place(parent, index);
      index = (index - 1) >> 1;
      place(node, index);
    }
  }

  function sink(node: Node): void {
    for (;;) {
      const { index } = node;
      const [left, right] = [heap[2 * index + 1], heap[2 * index + 2]];
      const child = right !== undefined && left !== undefined && right.at < left.at ? right : left;
      if (child === undefined || child.at >= node.at) return;
      const { index: below } = child;
      place(child, index);
      place(node, below);
    }
  }

  function remove(node: Node): void {
    nodeByKey.delete(node.key);
    const last = heap.pop();
    if (last === undefined || last === node) return;
    place(last, node.index);
    rise(last);
    sink(last);
  }

  function put(key: Key, at: number): void {
    let node = nodeByKey.get(key);
    if (node === undefined) {
      node = { key, at, index: heap.length };
      nodeByKey.set(key, node);
      heap.push(node);
    }
    node.at = at;
    rise(node);
    sink(node);
  }

  return {
    set(key, at) {
      if (at !== null) return put(key, at);
      const node = nodeByKey.get(key);
      if (node !== undefined) remove(node);
    },
    take(now, keysMax) {
      const keys: Key[] = [];
      for (let first = heap[0]; first !== undefined && first.at <= now && keys.length < keysMax; first = heap[0]) {
        keys.push(first.key);
        remove(first);
      }
      return keys;
    },
    at: (key) => nodeByKey.get(key)?.at ?? null,
    size: () => heap.length,
  };
}
