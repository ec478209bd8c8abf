/**
 * Waits for a condition of the real world. A check holds when it returns without throwing and its answer is not
 * `false`; so `expect` works inside it, and a bare comparison does not pass by accident. The wait always ends, even when
 * a check never does, and its failure tells what was last seen.
 */
import { setTimeout as sleep } from "node:timers/promises";

export interface EventuallyOptions {
  /** Names the condition in the failure, such as "both sites hold 10 keys". */
  readonly what: string;
  readonly withinMs?: number;
  readonly everyMs?: number;
}

export async function eventually<T>(check: () => T | Promise<T>, options: EventuallyOptions): Promise<Exclude<T, false>> {
  const { what, withinMs = 15_000, everyMs = 25 } = options;
  const deadline = performance.now() + withinMs;
  let seen: unknown = new Error("the check did not return");
  do {
    try {
      const value = await within(Promise.resolve().then(check), deadline - performance.now());
      if (value !== false) return value as Exclude<T, false>;
      seen = new Error("the check returned false");
    } catch (error) {
      if (!(error instanceof Unanswered)) seen = error;
    }
    await sleep(Math.min(everyMs, Math.max(0, deadline - performance.now())));
  } while (performance.now() < deadline);
  const reason = seen instanceof Error ? seen.message : String(seen);
  throw new Error(`not within ${withinMs} ms: ${what}. Last seen: ${reason}`, { cause: seen });
}

/** The check is still under way: what an earlier one saw says more. */
class Unanswered extends Error {}

async function within<T>(answer: Promise<T>, ms: number): Promise<T> {
  const timer = new AbortController();
  const late = sleep(Math.max(1, ms), undefined, { signal: timer.signal }).then(() => {
    throw new Unanswered();
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    timer.abort();
    late.catch(() => undefined);
  }
}
