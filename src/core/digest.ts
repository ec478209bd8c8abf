/**
 * Digests of everything that a site knows of a bucket: equal if and only if the maps from key to version and kind are
 * equal. A tree over a hash of the key, sixteen ways at each level, where each node has the sum of the hashes of the
 * entries below it. Two sites that differ walk down where their sums differ, so what they exchange is proportional to
 * the differences.
 *
 * A change marks one leaf and hashes nothing; leaves are summed when somebody asks. A node is named by its prefix: the
 * first hexadecimal digits of the key's hash. Both sites may have split their trees differently: a prefix means the same
 * keys everywhere. Bounded by the number of keys.
 */
import { addHash128 } from "./hash.js";
import type { Key } from "./ids.js";
import { DIGEST_LEAF_KEYS_MAX, DIGEST_PREFIX_LENGTH_MAX } from "./limits.js";

/** Hexadecimal digits; empty for everything. */
export type Prefix = string;

/** Of all entries below a prefix: how many, and 32 hexadecimal digits that are equal only if the entries are. */
export interface Digest {
  readonly count: number;
  readonly sum: string;
}

export interface DigestTree {
  /** The key is known now, or what is known of it has changed. */
  touch(key: Key, isNew: boolean): void;
  /** Nothing is known of the key any more. */
  forget(key: Key): void;
  /** Sums up at most so many changed leaves; whether all are summed up. The others' answers hold only then. */
  refresh(leavesMax: number): boolean;
  digest(prefix: Prefix): Digest;
  /** Of the sixteen prefixes that are one digit longer, in order. */
  children(prefix: Prefix): readonly Digest[];
  /** In an order that is the same at every site. */
  keys(prefix: Prefix): readonly Key[];
}

const FANOUT = 16;

interface Node {
  count: number;
  readonly sum: Int32Array;
  readonly parent: Node | null;
  /** Of a leaf; null for a branch. */
  keys: Key[] | null;
  /** Of a branch; empty for a leaf. */
  children: (Node | undefined)[];
}

/** @param describe version and kind of a known key as text; what it answers may only change with a `touch` */
export function createDigestTree(describe: (key: Key) => string): DigestTree {
  const root = createNode(null);
  const changed = new Set<Node>();

  /** The leaf that the key is in, or belongs into. */
  function leafOf(hash: number, visit: (node: Node) => void): Node {
    let node = root;
    for (let depth = 0; ; depth++) {
      visit(node);
      if (node.keys !== null) return node;
      const at = digit(hash, depth);
      node = node.children[at] ??= createNode(node);
    }
  }

  function split(leaf: Node, depth: number): void {
    const keys = leaf.keys ?? [];
    changed.delete(leaf);
    addToAll(leaf, leaf.sum, -1);
    leaf.keys = null;
    leaf.children = new Array<Node | undefined>(FANOUT);
    for (const key of keys) {
      const at = digit(hashOf(key), depth);
      const child = (leaf.children[at] ??= createNode(leaf));
      child.keys?.push(key);
      child.count++;
      changed.add(child);
    }
  }

  function sumUp(leaf: Node): void {
    addToAll(leaf.parent, leaf.sum, -1);
    leaf.sum.fill(0);
    for (const key of leaf.keys ?? []) addEntry(leaf.sum, key);
    addToAll(leaf.parent, leaf.sum, 1);
  }

  const addEntry = (sum: Int32Array, key: Key) => addHash128(sum, `${key}\0${describe(key)}`);

  /** The node with exactly this prefix, or the leaf that has its keys among others. */
  function find(prefix: Prefix): { readonly node: Node | undefined; readonly exact: boolean } {
    let node: Node | undefined = root;
    for (let depth = 0; depth < prefix.length; depth++) {
      if (node === undefined || node.keys !== null) return { node, exact: false };
      node = node.children[Number.parseInt(prefix.charAt(depth), FANOUT)];
    }
    return { node, exact: true };
  }

  function keysBelow(prefix: Prefix): Key[] {
    const { node } = find(prefix);
    const all = node === undefined ? [] : [...leaves(node)].flatMap(({ keys }) => keys ?? []);
    return all.filter((key) => hasPrefix(hashOf(key), prefix));
  }

  function digestOf(keys: readonly Key[]): Digest {
    const sum = new Int32Array(4);
    for (const key of keys) addEntry(sum, key);
    return { count: keys.length, sum: toHex(sum) };
  }

  function digest(prefix: Prefix): Digest {
    const { node, exact } = find(prefix);
    if (node === undefined) return { count: 0, sum: NOTHING };
    return exact ? { count: node.count, sum: toHex(node.sum) } : digestOf(keysBelow(prefix));
  }

  return {
    touch(key, isNew) {
      let depth = -1;
      const leaf = leafOf(hashOf(key), (node) => {
        depth++;
        if (isNew) node.count++;
      });
      changed.add(leaf);
      if (!isNew) return;
      leaf.keys?.push(key);
      if (leaf.count > DIGEST_LEAF_KEYS_MAX && depth < DIGEST_PREFIX_LENGTH_MAX) split(leaf, depth);
    },
    forget(key) {
      const leaf = leafOf(hashOf(key), (node) => void node.count--);
      leaf.keys = leaf.keys?.filter((other) => other !== key) ?? null;
      changed.add(leaf);
    },
    refresh(leavesMax) {
      let left = leavesMax;
      for (const leaf of changed) {
        if (left-- === 0) return false;
        changed.delete(leaf);
        sumUp(leaf);
      }
      return true;
    },
    digest,
    children: (prefix) => DIGITS.map((at) => digest(prefix + at)),
    keys: (prefix) => keysBelow(prefix).sort((a, b) => hashOf(a) - hashOf(b) || (a < b ? -1 : 1)),
  };
}

const DIGITS = [..."0123456789abcdef"];
const NOTHING = "0".repeat(32);

const createNode = (parent: Node | null): Node => ({ count: 0, sum: new Int32Array(4), parent, keys: [], children: [] });

function addToAll(from: Node | null, sum: Int32Array, sign: 1 | -1): void {
  // A copy, since the sum may be that of the first node.
  const [a = 0, b = 0, c = 0, d = 0] = sum;
  for (let node = from; node !== null; node = node.parent) {
    const own = node.sum;
    own[0] = (own[0] ?? 0) + sign * a;
    own[1] = (own[1] ?? 0) + sign * b;
    own[2] = (own[2] ?? 0) + sign * c;
    own[3] = (own[3] ?? 0) + sign * d;
  }
}

function* leaves(node: Node): Generator<Node> {
  if (node.keys !== null) yield node;
  for (const child of node.children) if (child !== undefined) yield* leaves(child);
}

const toHex = (sum: Int32Array): string => [...sum].map((lane) => (lane >>> 0).toString(16).padStart(8, "0")).join("");

const digit = (hash: number, depth: number): number => (hash >>> (28 - 4 * depth)) & 15;

const hasPrefix = (hash: number, prefix: Prefix): boolean => hash.toString(16).padStart(8, "0").startsWith(prefix);

/** Where a key stands in the tree, 32 bits: FNV-1a with a final mix, since nearby keys must not come to stand together.
 *  It only spreads; equality rests on the sums. */
export function hashOf(key: Key): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
