/** Digests are equal if and only if what two sites know is equal, whatever the way there. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type DigestTree, createDigestTree } from "../../src/core/digest.js";
import { hash32 } from "../../src/core/hash.js";
import type { Key } from "../../src/core/ids.js";
import { OWNER, createKeyTable } from "../../src/core/key-table.js";
import { keyNamed } from "./names.js";

/** A site's knowledge in miniature: key to version text. */
function site() {
  const known = new Map<Key, string>();
  const keys = createKeyTable();
  const tree = createDigestTree(keys, (place) => known.get(keys.keyAt(place)) ?? "unknown");
  return {
    known,
    tree,
    set(key: string, version: string) {
      const named = keyNamed(key);
      const isNew = !known.has(named);
      known.set(named, version);
      keys.claim(named, OWNER.replica);
      tree.touch(named, isNew);
    },
    drop(key: string) {
      const named = keyNamed(key);
      if (!known.delete(named)) return;
      tree.forget(named);
      keys.release(keys.find(named, OWNER.replica), OWNER.replica);
    },
  };
}

const root = (tree: DigestTree) => {
  while (!tree.refresh(7));
  return tree.digest("");
};

const anyKey = fc.integer({ min: 0, max: 400 }).map((n) => `k${n}`);
const anyChange = fc.record({ key: anyKey, version: fc.oneof(fc.constant(null), fc.constantFrom("1 a", "2 b", "3 c")) });

describe("a digest", () => {
  it("is the same for the same knowledge, however it came about", () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 600 }), fc.infiniteStream(fc.nat(50)), (changes, pauses) => {
        const [grown, fresh] = [site(), site()];
        for (const { key, version } of changes) {
          if (version === null) grown.drop(key);
          else grown.set(key, version);
          // Summed up at any moment in between, or not.
          if (pauses.next().value === 0) grown.tree.refresh(3);
        }
        for (const [key, version] of [...grown.known].reverse()) fresh.set(key, version);
        expect(root(grown.tree)).toEqual(root(fresh.tree));
        expect(root(grown.tree).count).toBe(grown.known.size);
      }),
      { numRuns: 60 },
    );
  });

  it("differs as soon as one key, one version or one kind does", () => {
    const one = site();
    for (let n = 0; n < 500; n++) one.set(`k${n}`, "1 a put");
    const before = root(one.tree);
    one.set("k250", "1 a tombstone");
    expect(root(one.tree)).not.toEqual(before);
    one.set("k250", "1 a put");
    expect(root(one.tree)).toEqual(before);
    one.drop("k250");
    expect(root(one.tree).count).toBe(499);
    one.set("k501", "1 a put");
    expect(root(one.tree).count).toBe(500);
    expect(root(one.tree).sum).not.toBe(before.sum);
  });

  it("does not mistake a key's end for its version's beginning", () => {
    const [one, other] = [site(), site()];
    one.set("k1", "1 a");
    other.set("k", "11 a");
    expect(root(one.tree).sum).not.toBe(root(other.tree).sum);
  });
});

describe("narrowing", () => {
  it("finds exactly the keys that differ, also where the trees were split differently", () => {
    const [one, other] = [site(), site()];
    for (let n = 0; n < 3_000; n++) one.set(`k${n}`, "1 a");
    for (let n = 2_999; n >= 0; n--) other.set(`k${n}`, "1 a");
    // A tree that was larger once keeps its splits.
    for (let n = 3_000; n < 20_000; n++) other.set(`k${n}`, "1 a");
    for (let n = 3_000; n < 20_000; n++) other.drop(`k${n}`);
    one.set("k7", "2 a");
    other.set("k2000", "2 b");
    one.drop("k11");
    root(one.tree);
    root(other.tree);
    const differing = (prefix: string): Set<string> => {
      if (one.tree.digest(prefix).sum === other.tree.digest(prefix).sum) return new Set();
      if (prefix.length === 8) return new Set([...one.tree.keys(prefix), ...other.tree.keys(prefix)]);
      const [ours, theirs] = [one.tree.children(prefix), other.tree.children(prefix)];
      const differ = [..."0123456789abcdef"].filter((_, at) => ours[at]?.sum !== theirs[at]?.sum);
      return new Set(differ.flatMap((digit) => [...differing(prefix + digit)]));
    };
    expect([...differing("")].sort()).toEqual(["k11", "k2000", "k7"]);
  });

  it("has every key below the prefixes of its hash, in one order, and below no other", () => {
    const one = site();
    for (let n = 0; n < 1_000; n++) one.set(`k${n}`, "1 a");
    expect(new Set(one.tree.keys(""))).toEqual(new Set(one.known.keys()));
    const hash = hash32(keyNamed("k5")).toString(16).padStart(8, "0");
    for (let length = 0; length <= 8; length++) {
      expect(one.tree.keys(hash.slice(0, length))).toContain("k5");
      expect(one.tree.keys(hash.slice(0, length)).map(hash32)).toEqual(one.tree.keys(hash.slice(0, length)).map(hash32).sort((a, b) => a - b));
    }
    const elsewhere = hash.startsWith("0") ? "1" : "0";
    expect(one.tree.keys(elsewhere)).not.toContain("k5");
  });

  it("has children that make up their parent", () => {
    const one = site();
    for (let n = 0; n < 1_000; n++) one.set(`k${n}`, "1 a");
    root(one.tree);
    for (const prefix of ["", "a", "a0", "a0f"]) {
      const counts = one.tree.children(prefix).map(({ count }) => count);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(one.tree.digest(prefix).count);
    }
  });
});

describe("a change", () => {
  it("is summed up in as many steps as asked for", () => {
    const one = site();
    for (let n = 0; n < 1_000; n++) one.set(`k${n}`, "1 a");
    let steps = 1;
    while (!one.tree.refresh(5)) steps++;
    expect(steps).toBeGreaterThan(5);
    one.set("k3", "2 a");
    expect(one.tree.refresh(5)).toBe(true);
  });
});
