/**
 * What a workload is: a load, and what is measured of it.
 *
 * @typedef {object} Workload
 * @property {string} name
 * @property {(of: { scale: Scale, valueBytes: number, size: number }) => string} title
 * @property {(context: Context) => Promise<Outcome>} measure
 *
 * @typedef {{ stage: Stage, sites: any, prepared: Prepared, scale: Scale, valueBytes: number,
 *   size: number }} Context
 * @typedef {object} Outcome
 * @property {number} operations
 * @property {Usage} usage
 * @property {number} [operationsPerSecond]
 * @property {number} [ms]
 * @property {number} [firstAtBMs]
 * @property {number} [writerMs]
 * @property {number} [behindWriterMs] from the last acknowledgement at A until B was complete
 * @property {number} [storedAtB]
 * @property {Latencies} [fromCall]
 * @property {Latencies} [fromAck]
 * @property {Latencies} [callToAck]
 * @property {number} [writerLateMaxMs]
 * @property {Readonly<Record<string, number>>} [figures] what this workload alone has
 */
import { setTimeout as sleep } from "node:timers/promises";

/** What a start stirs up (files, first compilations) is over by then. */
const SETTLE_MS = 1_000;

/** @import { Latencies } from "../figures.mjs" */
/** @import { Usage } from "../measure.mjs" */
/** @import { Scale } from "../plan.mjs" */
/** @import { Stage } from "../stage.mjs" */
/** @import { Prepared } from "../subjects/subject.mjs" */

/** @param {Stage} stage */
export function settle({ signal }) {
  return sleep(SETTLE_MS, undefined, { signal });
}
