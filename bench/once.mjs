/**
 * One measurement from nothing to nothing: new servers, one subject, one workload, one result; everything gone after it.
 */
import { loadavg } from "node:os";
import { rounded } from "./figures.mjs";
import { createStage } from "./stage.mjs";
import { copyLoop } from "./subjects/copy-loop.mjs";
import { gun } from "./subjects/gun.mjs";
import { kvgw } from "./subjects/kvgw.mjs";
import { mirror } from "./subjects/mirror.mjs";
import { pouchdb } from "./subjects/pouchdb.mjs";
import { within } from "./wait.mjs";
import { w1 } from "./workloads/w1.mjs";
import { w2 } from "./workloads/w2.mjs";
import { w3 } from "./workloads/w3.mjs";
import { w4 } from "./workloads/w4.mjs";
import { w5 } from "./workloads/w5.mjs";
import { w6 } from "./workloads/w6.mjs";
import { w7 } from "./workloads/w7.mjs";

/** More than all waits of a measurement together on any machine worth measuring; ends even what nobody foresaw. */
const OVER_WITHIN_MS = 600_000;
/** Does nothing, and so shows for how long the machine itself lets a process stand still. */
const IDLE = "setInterval(() => undefined, 60_000)";

/** @import { Measurement, Scale } from "./plan.mjs" */
/** @import { Stage } from "./stage.mjs" */
/** @import { Subject } from "./subjects/subject.mjs" */
/** @import { Outcome, Workload } from "./workloads/workload.mjs" */

/** @type {ReadonlyMap<string, Subject>} */
export const subjects = new Map([kvgw, copyLoop, mirror, pouchdb, gun].map((subject) => [subject.name, subject]));
/** @type {ReadonlyMap<string, Workload>} */
export const workloads = new Map([w1, w2, w3, w4, w5, w6, w7].map((workload) => [workload.name, workload]));

/**
 * @typedef {{ type: "measurement", server: string, at: string, loadAverage: number, node: string,
 *   cpuMicrosPerOperation: Readonly<Record<string, number>> }} Circumstances
 * @typedef {Measurement & Omit<Outcome, "usage"> & Outcome["usage"] & Circumstances} Result
 */

/**
 * @param {Measurement} measurement
 * @param {{ binary: string, version: string, scale: Scale }} options
 * @returns {Promise<Result>}
 */
export async function measureOnce(measurement, { binary, version, scale }) {
  const at = new Date().toISOString();
  const stage = await createStage();
  try {
    const work = measure(stage, measurement, { binary, scale });
    const over = { what: "the measurement is over", withinMs: OVER_WITHIN_MS };
    const { usage, ...outcome } = await within(Promise.race([stage.broken, work]), over);
    return {
      ...{ type: "measurement", ...measurement, server: version, at },
      ...outcome,
      ...usage,
      cpuMicrosPerOperation: perOperation(usage.cpuSeconds, outcome.operations),
      loadAverage: rounded(loadavg()[0] ?? 0, 2),
      node: process.version,
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error([reason, ...stage.logTails()].join("\n"), { cause: error });
  } finally {
    await stage.dispose();
  }
}

/**
 * @param {Stage} stage
 * @param {Measurement} measurement
 * @param {{ binary: string, scale: Scale }} options
 * @returns {Promise<Outcome>}
 */
async function measure(stage, measurement, { binary, scale }) {
  const subject = known(subjects, measurement.subject);
  const workload = known(workloads, measurement.workload);
  stage.start("idle", process.execPath, ["-e", IDLE], { watched: true });
  const sites = await subject.openSites(stage, { binary });
  const prepared = await subject.prepare(stage, sites);
  const { valueBytes, size } = measurement;
  return workload.measure({ stage, sites, prepared, scale, valueBytes, size });
}

/**
 * @template T
 * @param {ReadonlyMap<string, T>} all
 * @param {string} name
 */
function known(all, name) {
  const found = all.get(name);
  if (found === undefined) throw new Error(`there is no ${name}: choose from ${[...all.keys()].join(", ")}`);
  return found;
}

/**
 * @param {Readonly<Record<string, number>>} cpuSeconds
 * @param {number} operations
 */
function perOperation(cpuSeconds, operations) {
  const entries = Object.entries(cpuSeconds).map(([role, seconds]) => [role, rounded((seconds / operations) * 1e6, 1)]);
  return Object.fromEntries(entries);
}
