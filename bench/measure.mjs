/**
 * What a measurement cost: CPU seconds and memory of each process by its role, how long the event loops of those that are
 * watched stood still, and how much of the machine others used meanwhile. CPU and memory are read from /proc; where there
 * is none, only this process is known and the rest is null.
 */
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { rounded } from "./figures.mjs";
import { whileThere } from "./load.mjs";
import { nowMs } from "./wait.mjs";

/** The unit of CPU times in /proc, the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const KIB = 1024;
/** Also by a process whose event loop stands still for long. */
const LOOP_ANSWERS_WITHIN_MS = 30_000;

/** @import { Loop } from "./loop-watch.mjs" */
/** @import { Child, Stage } from "./stage.mjs" */

/**
 * @typedef {object} Usage
 * @property {number} wallSeconds
 * @property {Readonly<Record<string, number>>} cpuSeconds by role; `driver` is the measuring process
 * @property {Readonly<Record<string, number>>} rssBytes at the end
 * @property {Readonly<Record<string, number>>} peakRssBytes since the start of each process
 * @property {Readonly<Record<string, Loop>>} loops of the watched processes, by role
 * @property {number | null} othersCpuShare of all cores, from 0 to 1
 * @property {number | null} stolenCpuShare taken by a hypervisor
 */

/**
 * Starts now; may be read more than once. What starts later counts from its own start.
 * @param {Stage} stage
 * @returns {{ read(): Promise<Usage> }}
 */
export function startMeter(stage) {
  const startedMs = nowMs();
  const machine = readMachine();
  const before = new Map(stage.children().map(({ role, process: { pid } }) => [role, cpuOf(pid)]));
  const driverBefore = process.cpuUsage();
  for (const child of stage.children()) if (child.watched) child.process.send({ loop: "begin" });
  return {
    async read() {
      const wallSeconds = (nowMs() - startedMs) / 1000;
      const driver = process.cpuUsage(driverBefore);
      /** @type {Record<string, number>} */
      const cpuSeconds = { driver: rounded((driver.user + driver.system) / 1e6, 2) };
      /** @type {Record<string, number>} */
      const rssBytes = {};
      /** @type {Record<string, number>} */
      const peakRssBytes = {};
      for (const { role, process: { pid } } of stage.children()) {
        const cpu = cpuOf(pid);
        const memory = memoryOf(pid);
        if (cpu !== null) cpuSeconds[role] = rounded(cpu - (before.get(role) ?? 0), 2);
        if (memory !== null) [rssBytes[role], peakRssBytes[role]] = [memory.now, memory.peak];
      }
      const shares = sharesOfOthers(machine, readMachine(), wallSeconds, cpuSeconds);
      const usage = { wallSeconds: rounded(wallSeconds, 3), cpuSeconds, rssBytes, peakRssBytes, ...shares };
      const watched = stage.children().filter((child) => child.watched);
      return { ...usage, loops: Object.fromEntries(await Promise.all(watched.map(async (child) => [child.role, await loopOf(child)]))) };
    },
  };
}

/**
 * Of measurements one after the other, with or without the same processes.
 * @param {readonly Usage[]} usages
 * @returns {Usage}
 */
export function joined(usages) {
  const sum = (/** @type {number} */ one, /** @type {number} */ other) => rounded(one + other, 3);
  const most = (/** @type {(usage: Usage) => number | null} */ of) => {
    const known = usages.flatMap((usage) => of(usage) ?? []);
    return known.length === 0 ? null : Math.max(...known);
  };
  return {
    wallSeconds: usages.map(({ wallSeconds }) => wallSeconds).reduce(sum, 0),
    cpuSeconds: byRole(usages.map(({ cpuSeconds }) => cpuSeconds), sum),
    rssBytes: byRole(usages.map(({ rssBytes }) => rssBytes), Math.max),
    peakRssBytes: byRole(usages.map(({ peakRssBytes }) => peakRssBytes), Math.max),
    loops: byRole(usages.map(({ loops }) => loops), (one, other) => (one.longestStallMs > other.longestStallMs ? one : other)),
    othersCpuShare: most(({ othersCpuShare }) => othersCpuShare),
    stolenCpuShare: most(({ stolenCpuShare }) => stolenCpuShare),
  };
}

/**
 * @template T
 * @param {readonly Readonly<Record<string, T>>[]} records
 * @param {(one: T, other: T) => T} join what one role has in both
 */
function byRole(records, join) {
  /** @type {Record<string, T>} */
  const all = {};
  for (const [role, value] of records.flatMap((record) => Object.entries(record))) {
    const known = all[role];
    all[role] = known === undefined ? value : join(known, value);
  }
  return all;
}

/**
 * @param {Child} child
 * @returns {Promise<Loop>}
 */
async function loopOf(child) {
  const answered = new Promise((resolve) => {
    const listen = (/** @type {any} */ message) => {
      if (message.loop === undefined) return;
      child.process.off("message", listen);
      resolve(message.loop);
    };
    child.process.on("message", listen);
  });
  child.process.send({ loop: "read" });
  return whileThere(child, answered, { what: `${child.role} tells of its event loop`, withinMs: LOOP_ANSWERS_WITHIN_MS });
}

/**
 * @param {Machine | null} before
 * @param {Machine | null} after
 * @param {number} wallSeconds
 * @param {Readonly<Record<string, number>>} cpuSeconds
 */
function sharesOfOthers(before, after, wallSeconds, cpuSeconds) {
  if (before === null || after === null) return { othersCpuShare: null, stolenCpuShare: null };
  const available = wallSeconds * cpus().length;
  const own = Object.values(cpuSeconds).reduce((sum, seconds) => sum + seconds, 0);
  const others = Math.max(0, after.busySeconds - before.busySeconds - own);
  return {
    othersCpuShare: rounded(others / available, 3),
    stolenCpuShare: rounded((after.stolenSeconds - before.stolenSeconds) / available, 3),
  };
}

/** @typedef {{ busySeconds: number, stolenSeconds: number }} Machine */

/** @returns {Machine | null} */
function readMachine() {
  const line = readText("/proc/stat")?.split("\n")[0];
  if (line === undefined) return null;
  const ticks = line.trim().split(/\s+/).slice(1).map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = ticks;
  const busy = user + nice + system + irq + softirq;
  return { busySeconds: busy / TICKS_PER_SECOND, stolenSeconds: steal / TICKS_PER_SECOND };
}

/**
 * CPU seconds, user and system. The name of the program may hold spaces; the fields count from its closing bracket.
 * @param {number | undefined} pid
 */
function cpuOf(pid) {
  const text = readText(`/proc/${pid}/stat`);
  if (text === null) return null;
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** @param {number | undefined} pid */
function memoryOf(pid) {
  const text = readText(`/proc/${pid}/status`);
  if (text === null) return null;
  const kib = (/** @type {string} */ name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0);
  return { now: kib("VmRSS") * KIB, peak: kib("VmHWM") * KIB };
}

/** @param {string} path */
function readText(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
