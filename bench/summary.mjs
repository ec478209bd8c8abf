/**
 * From single results to what is said: per workload and size, each figure as median with its extremes for every subject,
 * and how kvgw compares with the yardstick of that workload. Pure.
 */
import { ratio, rounded, spread } from "./figures.mjs";
import { PRODUCT, SUBJECTS } from "./plan.mjs";

/** @import { Spread } from "./figures.mjs" */
/** @import { Loop } from "./loop-watch.mjs" */
/** @import { Result } from "./once.mjs" */

const MIB = 1024 * 1024;
/** Who carries the data; the rest of the processes are servers and load. */
const CARRIERS = ["gateway-a", "gateway-b", "copy-loop", "peer-a", "peer-b"];
/** Stands by, so that a stall can be told from one of the machine. */
const IDLE = ["idle"];
const SERVERS = ["server-a", "server-b"];

/**
 * @typedef {{ id: string, label: string, digits: number, of: (result: Result) => number | undefined }} Figure
 * @typedef {{ id: string, label: string, digits: number, values: Readonly<Record<string, readonly number[]>>,
 *   bySubject: Readonly<Record<string, Spread>>, ratio: Spread | null }} Row
 * @typedef {{ type: "summary", workload: string, valueBytes: number, size: number, server: string, subjects: readonly string[],
 *   base: string, rows: readonly Row[] }} Summary
 */

/** What the product is compared with: throughput with the simplest copier, latency with what NATS has built in. */
const BASES = /** @type {Readonly<Record<string, string>>} */ ({ W1: "copy-loop", W2: "copy-loop", W3: "mirror" });

/** @type {readonly Figure[]} */
const STALLS = [
  { id: "longestStallMs", label: "longest stall ms, carriers", digits: 0, of: ({ loops }) => most(loops, CARRIERS, ({ longestStallMs }) => longestStallMs) },
  { id: "idleStallMs", label: "longest stall ms, an idle process", digits: 0, of: ({ loops }) => most(loops, IDLE, ({ longestStallMs }) => longestStallMs) },
  { id: "gcPercent", label: "GC, % of the work of a carrier", digits: 1, of: ({ loops }) => most(loops, CARRIERS, ({ gcMs, busyMs }) => (100 * gcMs) / busyMs) },
];

/** @type {readonly Figure[]} */
const COSTS = [
  { id: "carrierCpuMicros", label: "CPU µs/op, carriers", digits: 1, of: (r) => sum(r.cpuMicrosPerOperation, CARRIERS) },
  { id: "serverCpuMicros", label: "CPU µs/op, servers", digits: 1, of: (r) => sum(r.cpuMicrosPerOperation, SERVERS) },
  { id: "carrierRssMiB", label: "RSS MiB, carriers", digits: 0, of: (r) => inMib(sum(r.rssBytes, CARRIERS)) },
  ...STALLS,
];

const LATENCIES = /** @type {const} */ (["p50", "p99", "max"]);

/** @type {Readonly<Record<string, readonly Figure[]>>} */
const FIGURES = {
  W1: [rate("keys/s"), figure("ms", "ms"), figure("firstAtBMs", "ms to the first key"), ...COSTS],
  W2: [rate("writes/s"), figure("ms", "ms"), figure("behindWriterMs", "ms behind the writer"), ...COSTS],
  W3: [
    ...LATENCIES.map((at) => latency("fromCall", at, "put call → visible")),
    ...LATENCIES.map((at) => latency("fromAck", at, "put ack → visible")),
    ...COSTS,
  ],
  W4: [
    alone("equalBytes", "bytes of a round that proves both equal"),
    alone("equalMessages", "messages of it"),
    alone("equalMs", "ms of it, as asked for and seen in the status", 1),
    alone("repairedMs", "ms until B has ten keys that it lacked", 1),
    alone("repairedBytes", "bytes of that"),
    alone("repairedMessages", "messages of that"),
    ...STALLS,
  ],
  W5: [
    alone("originStartMs", "ms until live, where they were written"),
    alone("copyStartMs", "ms until live, at the other site"),
    alone("emptyStartMs", "ms until live, with an empty bucket"),
    alone("originBytesPerKey", "bytes of memory a key, where they were written", 1),
    alone("copyBytesPerKey", "bytes of memory a key, at the other site", 1),
    alone("originPeakBytesPerKey", "bytes of memory a key at the peak of the start", 1),
    alone("emptyMiB", "RSS MiB with an empty bucket", 1),
    ...STALLS,
  ],
  W6: [
    alone("startMs", "ms until all are live at both sites"),
    alone("idleCpuPercent", "% of one core at rest, the busier gateway", 2),
    alone("idleMiB", "RSS MiB at rest, the larger gateway", 1),
    alone("addedMs", "ms from a save that adds one to its first value at B"),
    alone("changedMs", "ms from a save that removes and adds 100 until all are live"),
    ...STALLS,
  ],
  W7: [
    alone("aloneP50", "put call → visible, p50 ms, neighbour at rest", 2),
    alone("besideP50", "put call → visible, p50 ms, neighbour written", 2),
    alone("aloneP99", "put call → visible, p99 ms, neighbour at rest", 2),
    alone("besideP99", "put call → visible, p99 ms, neighbour written", 2),
    alone("p99Ratio", "p99 beside / alone", 2),
    alone("hotWritesPerSecond", "writes/s of the neighbour"),
    ...COSTS,
  ],
};

/**
 * @param {readonly Result[]} results of all repetitions
 * @returns {Summary[]}
 */
export function summarize(results) {
  const kindOf = (/** @type {Result} */ { workload, valueBytes, size }) => `${workload} ${valueBytes} ${size}`;
  return [...new Map(results.map((result) => [kindOf(result), result])).values()].map((sample) => {
    const { workload, valueBytes, size, server } = sample;
    const group = results.filter((result) => kindOf(result) === kindOf(sample));
    const base = BASES[workload] ?? "";
    const subjects = SUBJECTS.filter((subject) => group.some((result) => result.subject === subject));
    const rows = (FIGURES[workload] ?? []).map((each) => rowOf(each, group, { subjects, base }));
    return { type: "summary", workload, valueBytes, size, server, subjects, base, rows };
  });
}

/**
 * @param {Figure} of
 * @param {readonly Result[]} results
 * @param {{ subjects: readonly string[], base: string }} options
 * @returns {Row}
 */
function rowOf({ id, label, digits, of }, results, { subjects, base }) {
  /** @type {(subject: string, from?: readonly Result[]) => number[]} */
  const valuesOf = (subject, from = results) =>
    from.filter((result) => result.subject === subject).flatMap((result) => of(result) ?? []);
  const values = Object.fromEntries(subjects.map((subject) => [subject, valuesOf(subject)]));
  const measured = Object.entries(values).filter(([, each]) => each.length > 0);
  const bySubject = Object.fromEntries(measured.map(([subject, each]) => [subject, spread(each)]));
  const pairs = results.filter(({ repetition }) =>
    [PRODUCT, base].every((name) => results.some((r) => r.subject === name && r.repetition === repetition)),
  );
  return { id, label, digits, values, bySubject, ratio: ratio(valuesOf(PRODUCT, pairs), valuesOf(base, pairs)) };
}

/** @param {string} label */
function rate(label) {
  return figure("operationsPerSecond", label);
}

/**
 * @param {"operationsPerSecond" | "ms" | "firstAtBMs" | "behindWriterMs"} id
 * @param {string} label
 * @returns {Figure}
 */
function figure(id, label) {
  return { id, label, digits: 0, of: (result) => result[id] };
}

/**
 * What one workload alone has.
 * @param {string} id
 * @param {string} label
 * @returns {Figure}
 */
function alone(id, label, digits = 0) {
  return { id, label, digits, of: (result) => result.figures?.[id] };
}

/**
 * @param {"fromCall" | "fromAck"} from
 * @param {"p50" | "p99" | "max"} at
 * @param {string} label
 * @returns {Figure}
 */
function latency(from, at, label) {
  return { id: `${from}.${at}`, label: `${label}, ${at} ms`, digits: 2, of: (result) => result[from]?.[at] };
}

/**
 * Undefined when none of the roles took part.
 * @param {Readonly<Record<string, number>>} byRole
 * @param {readonly string[]} roles
 */
function sum(byRole, roles) {
  const present = roles.flatMap((role) => byRole[role] ?? []);
  return present.length === 0 ? undefined : present.reduce((total, each) => total + each, 0);
}

/**
 * Of the role that has most of it; undefined when none took part.
 * @param {Readonly<Record<string, Loop>>} loops
 * @param {readonly string[]} roles
 * @param {(loop: Loop) => number} of
 */
function most(loops, roles, of) {
  const present = roles.flatMap((role) => (loops[role] === undefined ? [] : of(loops[role])));
  return present.length === 0 ? undefined : rounded(Math.max(...present), 1);
}

/** @param {number | undefined} bytes */
function inMib(bytes) {
  return bytes === undefined ? undefined : rounded(bytes / MIB, 1);
}
