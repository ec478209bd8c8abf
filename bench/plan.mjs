/**
 * What is measured and what is written: the order of the measurements, and the load of each. Pure and seeded, so the
 * writer and the process that checks the outcome work out the same writes, each on its own.
 */

/** @import { Load, Measurement, Scale } from "./plan.mjs" */

export const WORKLOADS = Object.freeze(["W1", "W2", "W3", "W4", "W5", "W6", "W7"]);
export const PRODUCT = "kvgw";
/** What also merges the writes of both sites, on something else than NATS. Installed on its own: see README.md. */
export const PEERS = Object.freeze(["pouchdb", "gun"]);
export const SUBJECTS = Object.freeze([PRODUCT, "copy-loop", "mirror", ...PEERS]);

/** @type {Readonly<Record<"full" | "quick", Scale>>} */
export const SCALES = Object.freeze({
  full: {
    ...{ backlogKeys: 50_000, streamWrites: 50_000, streamKeys: 10_000, latencySeconds: 15, repetitions: 3 },
    ...{ reconciledKeys: [100_000, 1_000_000], startKeys: [1_000_000], idleBuckets: [1_000], idleSeconds: 20 },
  },
  quick: {
    ...{ backlogKeys: 10_000, streamWrites: 10_000, streamKeys: 2_000, latencySeconds: 5, repetitions: 1 },
    ...{ reconciledKeys: [10_000], startKeys: [10_000], idleBuckets: [100], idleSeconds: 5 },
  },
});

/** What only the product is measured in: none of the others does it. */
const ALONE = Object.freeze(["W4", "W5", "W6", "W7"]);

const SMALL_VALUE_BYTES = 128;
const LARGE_VALUE_BYTES = 1024;
const SEED = 20_231_109;
/** The first bytes of a value say which write it is, so no two values are equal and a watcher knows what it sees. */
const NUMBER_BYTES = 4;

/**
 * All measurements in the order in which they run: subjects take turns within each workload, and each repetition begins
 * with another one, so that none always has the machine at its coolest.
 * @param {{ workloads: readonly string[], subjects: readonly string[], repetitions: number, scale: Scale }} choice
 * @returns {Measurement[]}
 */
export function measurements({ workloads, subjects, repetitions, scale }) {
  const all = [];
  for (let repetition = 1; repetition <= repetitions; repetition++) {
    for (const workload of workloads) {
      const among = ALONE.includes(workload) ? subjects.filter((subject) => subject === PRODUCT) : rotated(subjects, repetition - 1);
      for (const variant of variantsOf(workload, scale)) {
        for (const subject of among) all.push({ workload, ...variant, subject, repetition });
      }
    }
  }
  return all;
}

/**
 * @param {string} workload
 * @param {Scale} scale
 * @returns {readonly Pick<Measurement, "valueBytes" | "size">[]}
 */
function variantsOf(workload, scale) {
  const small = { valueBytes: SMALL_VALUE_BYTES, size: 0 };
  /** @type {Readonly<Record<string, readonly number[]>>} */
  const sizes = { W4: scale.reconciledKeys, W5: scale.startKeys, W6: scale.idleBuckets };
  if (workload === "W1") return [small, { ...small, valueBytes: LARGE_VALUE_BYTES }];
  return (sizes[workload] ?? [0]).map((size) => ({ ...small, size }));
}

/**
 * @param {readonly string[]} items
 * @param {number} by
 */
function rotated(items, by) {
  const first = by % Math.max(1, items.length);
  return [...items.slice(first), ...items.slice(0, first)];
}

/** @param {number} number */
export function keyOf(number) {
  return `key-${String(number).padStart(6, "0")}`;
}

/**
 * Which key each write goes to: every key equally often, in a shuffled order.
 * @param {Load} load
 */
export function keysOfWrites({ writes, keys }) {
  const order = Uint32Array.from({ length: writes }, (_, write) => write % keys);
  const random = createRandom(SEED);
  for (let last = writes - 1; last > 0; last--) {
    const other = random() % (last + 1);
    const kept = order[last] ?? 0;
    order[last] = order[other] ?? 0;
    order[other] = kept;
  }
  return order;
}

/**
 * The values of all writes: bytes that do not compress, each beginning with the number of its write.
 * @param {Load} load
 * @returns {(write: number) => Buffer}
 */
export function valuesOfWrites({ writes, valueBytes }) {
  const random = createRandom(SEED + 1);
  const words = Uint32Array.from({ length: Math.ceil((writes * valueBytes) / 4) }, random);
  const bytes = Buffer.from(words.buffer);
  return (write) => {
    const value = bytes.subarray(write * valueBytes, (write + 1) * valueBytes);
    value.writeUInt32BE(write, 0);
    return value;
  };
}

/** @param {Uint8Array} value */
export function numberOfValue(value) {
  return Buffer.from(value.buffer, value.byteOffset, NUMBER_BYTES).readUInt32BE(0);
}

/**
 * What a bucket must hold when all writes are done.
 * @param {Load} load
 * @returns {Map<string, Buffer>}
 */
export function contentsAfter(load) {
  const valueOf = valuesOfWrites(load);
  const contents = new Map();
  keysOfWrites(load).forEach((key, write) => contents.set(keyOf(key), valueOf(write)));
  return contents;
}

/**
 * Mulberry32: 32 bits at a time, good enough for shuffles and filler, and the same everywhere.
 * @param {number} seed
 */
function createRandom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}
