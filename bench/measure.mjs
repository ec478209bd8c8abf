/**
 * What a measurement cost: CPU seconds and memory of each process by its role, and how much of the machine others used
 * meanwhile. Read from /proc; where there is none, only this process is known and the rest is null.
 */
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { rounded } from "./figures.mjs";
import { nowMs } from "./wait.mjs";

/** The unit of CPU times in /proc, the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const KIB = 1024;

/** @import { Stage } from "./stage.mjs" */

/**
 * @typedef {object} Usage
 * @property {number} wallSeconds
 * @property {Readonly<Record<string, number>>} cpuSeconds by role; `driver` is the measuring process
 * @property {Readonly<Record<string, number>>} rssBytes at the end
 * @property {Readonly<Record<string, number>>} peakRssBytes since the start of each process
 * @property {number | null} othersCpuShare of all cores, from 0 to 1
 * @property {number | null} stolenCpuShare taken by a hypervisor
 */

/**
 * Starts now; may be read more than once. What starts later counts from its own start.
 * @param {Stage} stage
 * @returns {{ read(): Usage }}
 */
export function startMeter(stage) {
  const startedMs = nowMs();
  const machine = readMachine();
  const before = new Map(stage.children().map(({ role, process: { pid } }) => [role, cpuOf(pid)]));
  const driverBefore = process.cpuUsage();
  return {
    read() {
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
      return { wallSeconds: rounded(wallSeconds, 3), cpuSeconds, rssBytes, peakRssBytes, ...shares };
    },
  };
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
