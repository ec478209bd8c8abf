/**
 * What the product is to reach, and whether it does. Rates, costs and latencies are compared with what ran beside it, the
 * rest with numbers. Pure; the only place where a goal stands. Set for the full loads, and for each workload's largest.
 */
import { rounded } from "./figures.mjs";
import { PEERS, PRODUCT } from "./plan.mjs";

const COPY_LOOP = ["copy-loop"];
const MIRROR = ["mirror"];
const MB_IN_MIB = 1e6 / (1024 * 1024);
const KIB = 1024;

/** @import { Goal, Judged, JudgedSummary } from "./goals.mjs" */

/** @type {readonly Goal[]} */
export const GOALS = [
  ...[128, 1024].flatMap((valueBytes) => backlog(valueBytes)),
  { text: "W2 live stream, writes/s to the copy loop's", workload: "W2", id: "operationsPerSecond", atLeast: 0.6, timesOf: COPY_LOOP },
  { text: "W2 live stream, writes/s to the fastest peer's", workload: "W2", id: "operationsPerSecond", atLeast: 3, timesOf: PEERS },
  { text: "W2 live stream, CPU of both gateways to the copy loop's", workload: "W2", id: "carrierCpuMicros", atMost: 2.2, timesOf: COPY_LOOP },
  { text: "W2 live stream, garbage collection in a gateway's work", workload: "W2", id: "gcPercent", atMost: 10, unit: "%" },
  { text: "W3 latency from the call of put, p50 to the mirror's", workload: "W3", id: "fromCall.p50", atMost: 2, timesOf: MIRROR },
  { text: "W3 latency from the call of put, p99 to the mirror's", workload: "W3", id: "fromCall.p99", atMost: 3, timesOf: MIRROR },
  { text: "W4 reconcile, both equal", workload: "W4", id: "equalBytes", atMost: KIB, unit: "bytes" },
  { text: "W4 reconcile, ten that B lacks, time", workload: "W4", id: "repairedMs", atMost: 1_000, unit: "ms" },
  { text: "W4 reconcile, ten that B lacks, bytes", workload: "W4", id: "repairedBytes", atMost: 64 * KIB, unit: "bytes" },
  { text: "W5 start, where keys were written", workload: "W5", id: "originStartMs", atMost: 10_000, unit: "ms" },
  { text: "W5 start, at the other site", workload: "W5", id: "copyStartMs", atMost: 10_000, unit: "ms" },
  { text: "W5 memory a key, where they were written", workload: "W5", id: "originBytesPerKey", atMost: 150, unit: "bytes" },
  { text: "W5 memory a key, at the other site", workload: "W5", id: "copyBytesPerKey", atMost: 150, unit: "bytes" },
  { text: "W6 many buckets, a core at rest", workload: "W6", id: "idleCpuPercent", atMost: 3, unit: "%" },
  { text: "W6 many buckets, memory (300 MB)", workload: "W6", id: "idleMiB", atMost: rounded(300 * MB_IN_MIB, 1), unit: "MiB" },
  { text: "W6 many buckets, one is added", workload: "W6", id: "addedMs", atMost: 500, unit: "ms" },
  { text: "W6 many buckets, 100 are removed and added", workload: "W6", id: "changedMs", atMost: 5_000, unit: "ms" },
  { text: "W7 hot neighbour, p99 to that without it", workload: "W7", id: "p99Ratio", atMost: 2, unit: "×" },
  { text: "longest stall of a gateway anywhere", id: "longestStallMs", atMost: 50, unit: "ms", machineId: "idleStallMs" },
];

/**
 * @param {number} valueBytes
 * @returns {readonly Goal[]}
 */
function backlog(valueBytes) {
  const of = `W1 backlog, ${valueBytes === KIB ? "1 KiB" : `${valueBytes} B`}`;
  const rate = /** @type {const} */ ({ workload: "W1", valueBytes, id: "operationsPerSecond" });
  return [
    { text: `${of}, keys/s to the copy loop's`, ...rate, atLeast: 0.5, timesOf: COPY_LOOP },
    { text: `${of}, keys/s to the fastest peer's`, ...rate, atLeast: 3, timesOf: PEERS },
    { text: `${of}, CPU of both gateways to the copy loop's`, ...rate, id: "carrierCpuMicros", atMost: 2.2, timesOf: COPY_LOOP },
  ];
}

/**
 * The goals of what was measured of the product. A figure is null where what it is compared with was not measured.
 * @param {readonly JudgedSummary[]} summaries
 * @param {readonly Goal[]} [goals]
 * @returns {Judged[]}
 */
export function judge(summaries, goals = GOALS) {
  return goals.flatMap((goal) => {
    const measured = of(goal, summaries);
    return measured === undefined ? [] : [judged(goal, measured)];
  });
}

/**
 * Of all workloads a goal speaks of the worst value that was seen in any; of one workload, of the median.
 * @param {Goal} goal
 * @param {readonly JudgedSummary[]} summaries
 */
function of({ workload, valueBytes, id }, summaries) {
  const found = summaries.flatMap((summary) => {
    const row = summary.rows.find((each) => each.id === id);
    const ours = row?.bySubject[PRODUCT];
    if (row === undefined || ours === undefined) return [];
    return [{ summary, row, value: workload === undefined ? ours.max : ours.median }];
  });
  if (workload === undefined) return found.sort((one, other) => other.value - one.value)[0];
  return found
    .filter(({ summary }) => summary.workload === workload && (valueBytes === undefined || summary.valueBytes === valueBytes))
    .sort((one, other) => other.summary.size - one.summary.size)[0];
}

/**
 * @param {Goal} goal
 * @param {NonNullable<ReturnType<typeof of>>} measured
 * @returns {Judged}
 */
function judged(goal, { summary, row, value }) {
  const { text, id, unit = "×", timesOf, machineId } = goal;
  const atLeast = goal.atLeast !== undefined;
  const limit = goal.atLeast ?? goal.atMost ?? 0;
  const others = (timesOf ?? []).flatMap((subject) => row.bySubject[subject]?.median ?? []);
  // The best of them: the highest rate, the lowest cost.
  const base = timesOf === undefined ? 1 : others.length === 0 ? 0 : atLeast ? Math.max(...others) : Math.min(...others);
  const figure = base === 0 ? null : rounded(value / base, 3);
  const met = figure !== null && (atLeast ? figure >= limit : figure <= limit);
  return {
    ...{ text, unit, limit, atLeast, figure, met },
    missedByPercent: figure === null || met ? 0 : Math.max(1, Math.round(Math.abs(figure / limit - 1) * 100)),
    // In the measure of the figure itself, for charts.
    at: { workload: summary.workload, valueBytes: summary.valueBytes, size: summary.size, id },
    threshold: base === 0 ? null : limit * base,
    machine: summary.rows.find((each) => each.id === machineId)?.bySubject[PRODUCT]?.max ?? null,
  };
}
