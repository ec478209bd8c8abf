/**
 * When had everything arrived at B? While the work runs, only the end of B's stream is sampled, which costs the machine
 * next to nothing. Once it stands still, both buckets are compared in full, and the samples tell when the newest of the
 * entries that were then found equal had arrived. So the answer is as fine as the samples, the same for every subject,
 * and given only where the contents are proven equal.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { rounded } from "./figures.mjs";
import { countDifferences } from "./sites.mjs";
import { nowMs, until } from "./wait.mjs";

const SAMPLE_EVERY_MS = 10;
const STILL_MS = 150;
/** A comparison that fails is repeated; this much later, so that comparing does not become the load. */
const COMPARE_AGAIN_AFTER_MS = 500;

/** @import { Usage } from "./measure.mjs" */
/** @import { Site, Sites } from "./sites.mjs" */
/** @import { Stage } from "./stage.mjs" */
/** @typedef {{ atMs: number, lastRevision: number, messages: number }} Sample */

/**
 * @param {Site} site
 * @param {AbortSignal} signal
 */
export function startSampling(site, signal) {
  /** Only those that differ from the one before. @type {Sample[]} */
  const changes = [];
  void sample();

  async function sample() {
    while (!signal.aborted) {
      try {
        const { lastRevision, messages } = await site.progress();
        if (lastRevision !== changes.at(-1)?.lastRevision) changes.push({ atMs: nowMs(), lastRevision, messages });
      } catch {
        // A mirror's stream comes into being only when it starts; that nothing ever arrives is seen by who waits.
      }
      await sleep(SAMPLE_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  return {
    newest: () => changes.at(-1),
    /** @param {number} revision */
    whenReached: (revision) => changes.find(({ lastRevision }) => lastRevision >= revision)?.atMs,
  };
}

/**
 * @typedef {object} Arrival
 * @property {number} firstAtMs
 * @property {number} completeAtMs
 * @property {number} storedAtB how many writes B's stream took in; fewer than were written where some were superseded
 * @property {Usage} usage
 */

/**
 * Waits until B holds what A holds and both hold what was written.
 * @param {Sites} sites
 * @param {{ sampling: ReturnType<typeof startSampling>, expected: Map<string, Buffer>, stage: Stage, withinMs: number,
 *   readUsage: () => Promise<Usage> }} options
 * @returns {Promise<Arrival>}
 */
export async function untilArrived(sites, { sampling, expected, stage, withinMs, readUsage }) {
  const deadline = nowMs() + withinMs;
  for (;;) {
    const remainingMs = Math.max(1, rounded(deadline - nowMs(), 0));
    await untilStill(sampling, { keys: expected.size, withinMs: remainingMs, signal: stage.signal });
    const usage = await readUsage();
    const { differences, lastRevision } = await compare(sites, expected);
    if (differences === 0) {
      const [firstAtMs, completeAtMs] = [sampling.whenReached(1), sampling.whenReached(lastRevision)];
      if (firstAtMs === undefined || completeAtMs === undefined) throw new Error("B's stream was not sampled to its end");
      return { firstAtMs, completeAtMs, storedAtB: sampling.newest()?.lastRevision ?? 0, usage };
    }
    if (nowMs() >= deadline) throw new Error(`B stands still with ${differences} of ${expected.size} keys not as at A`);
    await sleep(COMPARE_AGAIN_AFTER_MS, undefined, { signal: stage.signal });
  }
}

/**
 * @param {ReturnType<typeof startSampling>} sampling
 * @param {{ keys: number, withinMs: number, signal: AbortSignal }} options
 */
async function untilStill(sampling, { keys, withinMs, signal }) {
  await until(
    () => {
      const newest = sampling.newest();
      if (newest === undefined || newest.messages < keys) throw new Error(`${newest?.messages ?? 0} keys at B`);
      return nowMs() - newest.atMs >= STILL_MS;
    },
    { what: `B holds ${keys} keys and stands still`, withinMs, everyMs: SAMPLE_EVERY_MS, signal },
  );
}

/**
 * @param {Sites} sites
 * @param {Map<string, Buffer>} expected
 */
async function compare({ a, b }, expected) {
  const atA = await a.contents();
  const lost = countDifferences(expected, atA.values);
  if (lost > 0) throw new Error(`A itself does not hold what was written: ${lost} of ${expected.size} keys differ`);
  const atB = await b.contents();
  return { differences: countDifferences(atA.values, atB.values), lastRevision: atB.lastRevision };
}
