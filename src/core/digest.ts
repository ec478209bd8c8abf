/**
 * Digests of everything that a site knows of a bucket: equal if and only if the maps from key to version and kind are
 * equal. A tree over a hash of the key, sixteen ways at each level, where each node has the sum of the hashes of the
 * entries below it. Two sites that differ walk down where their sums differ, so what they exchange is proportional to
 * the differences.
 *
 * A change marks one leaf and hashes nothing; leaves are summed when somebody asks. A node is named by its prefix: the
 * first hexadecimal digits of the key's hash. Both sites may have split their trees differently: a prefix means the same
 * keys everywhere. Bounded by the number of keys, of which each takes 4 bytes here, and some 5 more for its part of the nodes.
 */
import { type Column, createColumn } from "./column.js";
import { addHash128, hash32 } from "./hash.js";
import type { Key } from "./ids.js";
import { type KeyTable, OWNER, type Place } from "./key-table.js";
import { DIGEST_LEAF_KEYS_MAX, DIGEST_PREFIX_LENGTH_MAX } from "./limits.js";

/** Hexadecimal digits; empty for everything. */
export type Prefix = string;

/** Of all entries below a prefix: how many, and 32 hexadecimal digits that are equal only if the entries are. */
export interface Digest {
  readonly count: number;
  readonly sum: string;
}

export interface DigestTree {
  /** The key is known now, or what is known of it has changed. It has its place. */
  touch(key: Key, isNew: boolean): void;
  /** Nothing is known of the key any more. It has its place still. */
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
const LANES = 4;
const ROOT = 0;

/** Nodes by number, the children of one in a row. */
interface Nodes {
  readonly counts: Column;
  readonly parents: Column;
  /** The first of sixteen, 0 for a leaf. */
  readonly children: Column;
  /** Of a leaf, the place of its first key and one more, 0 for none. */
  readonly heads: Column;
  /** Four numbers for each. */
  readonly sums: Column;
}

/** @param keys where every known key has its place
 *  @param describe version and kind of a known key as text; what it answers may only change with a `touch` */
export function createDigestTree(keys: Pick<KeyTable, "find" | "keyAt" | "hashAt">, describe: (place: Place) => string): DigestTree {
  const { counts, parents, children, heads, sums } = createNodes();
  // Of each key, the one that comes after it in its leaf, and one more.
  const nexts = createColumn(Int32Array);
  let nodes = 1;
  const changed = new Set<number>();
  const lanes = new Int32Array(LANES);

  /** The leaf that the key belongs into, with every count on the way changed. */
  function leafOf(hash: number, by: number): { readonly leaf: number; readonly depth: number } {
    let node = ROOT;
    for (let depth = 0; ; depth++) {
      if (by !== 0) counts.set(node, counts.at(node) + by);
      const first = children.at(node);
      if (first === 0) return { leaf: node, depth };
      node = first + digit(hash, depth);
    }
  }

  function put(leaf: number, place: Place): void {
    nexts.set(place, heads.at(leaf));
    heads.set(leaf, place + 1);
  }

  function* placesOf(leaf: number): Generator<Place> {
    for (let next = heads.at(leaf); next !== 0; ) {
      const place = next - 1;
      next = nexts.at(place);
      yield place;
    }
  }

  function take(leaf: number, place: Place): void {
    let before = -1;
    for (const each of placesOf(leaf)) {
      if (each !== place) before = each;
      else if (before < 0) return heads.set(leaf, nexts.at(place));
      else return nexts.set(before, nexts.at(place));
    }
  }

  function split(leaf: number, depth: number): void {
    changed.delete(leaf);
    addToAll(parents.at(leaf), leaf, -1);
    const places = [...placesOf(leaf)];
    heads.set(leaf, 0);
    children.set(leaf, nodes);
    for (let child = nodes; child < nodes + FANOUT; child++) parents.set(child, leaf + 1);
    for (const place of places) {
      const child = nodes + digit(keys.hashAt(place), depth);
      put(child, place);
      counts.set(child, counts.at(child) + 1);
      changed.add(child);
    }
    nodes += FANOUT;
    for (let lane = 0; lane < LANES; lane++) sums.set(leaf * LANES + lane, 0);
  }

  function sumUp(leaf: number): void {
    addToAll(parents.at(leaf), leaf, -1);
    lanes.fill(0);
    for (const place of placesOf(leaf)) addEntry(lanes, place);
    for (let lane = 0; lane < LANES; lane++) sums.set(leaf * LANES + lane, lanes[lane] ?? 0);
    addToAll(parents.at(leaf), leaf, 1);
  }

  /** The node's sum, to all from a parent up. @param parent and one more */
  function addToAll(parent: number, node: number, sign: 1 | -1): void {
    for (let each = parent; each !== 0; each = parents.at(each - 1)) {
      for (let lane = 0; lane < LANES; lane++) {
        const at = (each - 1) * LANES + lane;
        sums.set(at, (sums.at(at) + sign * sums.at(node * LANES + lane)) | 0);
      }
    }
  }

  const addEntry = (sum: Int32Array, place: Place) => addHash128(sum, `${keys.keyAt(place)}\0${describe(place)}`);

  /** The node with exactly this prefix, or the leaf that has its keys among others. */
  function find(prefix: Prefix): { readonly node: number; readonly exact: boolean } {
    let node = ROOT;
    for (let depth = 0; depth < prefix.length; depth++) {
      const first = children.at(node);
      if (first === 0) return { node, exact: false };
      node = first + Number.parseInt(prefix.charAt(depth), FANOUT);
    }
    return { node, exact: true };
  }

  function* leavesBelow(node: number): Generator<number> {
    const first = children.at(node);
    if (first === 0) yield node;
    else for (let child = first; child < first + FANOUT; child++) yield* leavesBelow(child);
  }

  function placesBelow(prefix: Prefix): Place[] {
    const found: Place[] = [];
    for (const leaf of leavesBelow(find(prefix).node)) {
      for (const place of placesOf(leaf)) if (hasPrefix(keys.hashAt(place), prefix)) found.push(place);
    }
    return found;
  }

  function digestOf(all: readonly Place[]): Digest {
    const sum = new Int32Array(LANES);
    for (const place of all) addEntry(sum, place);
    return { count: all.length, sum: toHex(sum) };
  }

  function digest(prefix: Prefix): Digest {
    const { node, exact } = find(prefix);
    if (!exact) return digestOf(placesBelow(prefix));
    return { count: counts.at(node), sum: toHex(Int32Array.from({ length: LANES }, (_, lane) => sums.at(node * LANES + lane))) };
  }

  return {
    touch(key, isNew) {
      const place = keys.find(key, OWNER.replica);
      const { leaf, depth } = leafOf(keys.hashAt(place), isNew ? 1 : 0);
      changed.add(leaf);
      if (!isNew) return;
      put(leaf, place);
      if (counts.at(leaf) > DIGEST_LEAF_KEYS_MAX && depth < DIGEST_PREFIX_LENGTH_MAX) split(leaf, depth);
    },
    forget(key) {
      const place = keys.find(key, OWNER.replica);
      const { leaf } = leafOf(keys.hashAt(place), -1);
      take(leaf, place);
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
    keys: (prefix) =>
      placesBelow(prefix)
        .map((place) => keys.keyAt(place))
        .sort((a, b) => hash32(a) - hash32(b) || (a < b ? -1 : 1)),
  };
}

const createNodes = (): Nodes => ({
  counts: createColumn(Int32Array),
  parents: createColumn(Int32Array),
  children: createColumn(Int32Array),
  heads: createColumn(Int32Array),
  sums: createColumn(Int32Array),
});

const DIGITS = [..."0123456789abcdef"];
const toHex = (sum: Int32Array): string => [...sum].map((lane) => (lane >>> 0).toString(16).padStart(8, "0")).join("");

const digit = (hash: number, depth: number): number => (hash >>> (28 - 4 * depth)) & 15;

const hasPrefix = (hash: number, prefix: Prefix): boolean => hash.toString(16).padStart(8, "0").startsWith(prefix);
