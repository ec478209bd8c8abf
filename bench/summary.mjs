/**
 * From single results to what is said: per workload and size, each figure as median with its extremes for every subject,
 * and how kvgw compares with the yardstick of that workload. Pure.
 */
import { ratio, rounded, spread } from "./figures.mjs";
import { SUBJECTS } from "./plan.mjs";

/** @import { Spread } from "./figures.mjs" */
/** @import { Result } from "./once.mjs" */

const PRODUCT = "kvgw";
const MIB = 1024 * 1024;
/** Who carries the data; the rest of the processes are servers and load. */
const CARRIERS = ["gateway-a", "gateway-b", "copy-loop"];
const SERVERS = ["server-a", "server-b"];

/**
 * @typedef {{ id: string, label: string, digits: number, of: (result: Result) => number | undefined }} Figure
 * @typedef {{ id: string, label: string, digits: number, values: Readonly<Record<string, readonly number[]>>,
 *   bySubject: Readonly<Record<string, Spread>>, ratio: Spread | null }} Row
 * @typedef {{ type: "summary", workload: string, valueBytes: number, server: string, subjects: readonly string[],
 *   base: string, rows: readonly Row[] }} Summary
 */

/** What the product is compared with: throughput with the simplest copier, latency with what NATS has built in. */
const BASES = /** @type {Readonly<Record<string, string>>} */ ({ W1: "copy-loop", W2: "copy-loop", W3: "mirror" });

/** @type {readonly Figure[]} */
const COSTS = [
  { id: "carrierCpuMicros", label: "CPU µs/op, carriers", digits: 1, of: (r) => sum(r.cpuMicrosPerOperation, CARRIERS) },
  { id: "serverCpuMicros", label: "CPU µs/op, servers", digits: 1, of: (r) => sum(r.cpuMicrosPerOperation, SERVERS) },
  { id: "carrierRssMiB", label: "RSS MiB, carriers", digits: 0, of: (r) => inMib(sum(r.rssBytes, CARRIERS)) },
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
};

/**
 * @param {readonly Result[]} results of all repetitions
 * @returns {Summary[]}
 */
export function summarize(results) {
  const kindOf = (/** @type {Result} */ { workload, valueBytes }) => `${workload} ${valueBytes}`;
  return [...new Map(results.map((result) => [kindOf(result), result])).values()].map((sample) => {
    const { workload, valueBytes, server } = sample;
    const group = results.filter((result) => kindOf(result) === kindOf(sample));
    const base = BASES[workload] ?? "";
    const subjects = SUBJECTS.filter((subject) => group.some((result) => result.subject === subject));
    const rows = (FIGURES[workload] ?? []).map((each) => rowOf(each, group, { subjects, base }));
    return { type: "summary", workload, valueBytes, server, subjects, base, rows };
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

/** @param {number | undefined} bytes */
function inMib(bytes) {
  return bytes === undefined ? undefined : rounded(bytes / MIB, 1);
}
