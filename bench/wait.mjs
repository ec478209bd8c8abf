/**
 * Time and waiting. Every wait has an end, and its failure says what was waited for and what was seen last.
 */
import { setTimeout as sleep } from "node:timers/promises";

/** Monotonic and, unlike `performance.now()`, the same for all processes of a machine. */
export function nowMs() {
  return Number(process.hrtime.bigint()) / 1e6;
}

/**
 * Repeats the check until it answers something else than `undefined` or `false`; a check that throws says "not yet".
 * @template T
 * @param {() => Promise<T | undefined | false> | T | undefined | false} check
 * @param {{ what: string, withinMs: number, everyMs?: number, signal: AbortSignal }} options
 * @returns {Promise<T>}
 */
export async function until(check, { what, withinMs, everyMs = 10, signal }) {
  const deadline = nowMs() + withinMs;
  let seen = "";
  for (;;) {
    try {
      const answer = await within(Promise.resolve(check()), { what, withinMs: Math.max(1, deadline - nowMs()) });
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      seen = `; last seen: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (nowMs() >= deadline) throw new Error(`not within ${withinMs} ms: ${what}${seen}`);
    await sleep(everyMs, undefined, { signal });
  }
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {{ what: string, withinMs: number }} options
 * @returns {Promise<T>}
 */
export async function within(promise, { what, withinMs }) {
  const timer = new AbortController();
  const late = sleep(withinMs, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`not within ${Math.round(withinMs)} ms: ${what}`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
    late.catch(() => undefined);
  }
}
