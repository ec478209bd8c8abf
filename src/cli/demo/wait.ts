/** Waiting for a condition of the real world: every wait has an end, names what it waits for, and can be called off. */
import { setTimeout as sleep } from "node:timers/promises";
import { DEMO_WAIT_MS } from "../../core/limits.js";

export interface WaitOptions {
  /** Ends the sentence "not within 10 s: …". */
  readonly what: string;
  readonly signal: AbortSignal;
  readonly everyMs?: number;
  /** Why there is nothing to wait for any more, null while there is. */
  readonly hopeless?: () => string | null;
}

/** What the check answers, as soon as that is not null; and how long it took. A check that throws is tried again. */
export async function waitFor<T>(
  check: () => Promise<T | null>,
  { what, signal, everyMs = 20, hopeless = () => null }: WaitOptions,
): Promise<{ readonly value: T; readonly ms: number }> {
  const began = performance.now();
  let seen = "";
  while (performance.now() - began < DEMO_WAIT_MS) {
    signal.throwIfAborted();
    const why = hopeless();
    if (why !== null) throw new Error(`no more hope that ${what}: ${why}`);
    try {
      const value = await check();
      if (value !== null) return { value, ms: performance.now() - began };
      seen = "";
    } catch (thrown) {
      seen = ` (${thrown instanceof Error ? thrown.message : String(thrown)})`;
    }
    await sleep(everyMs, undefined, { signal });
  }
  throw new Error(`not within ${DEMO_WAIT_MS / 1_000} s: ${what}${seen}`);
}

/** The same for a plain yes or no; answers how long it took. */
export async function waitUntil(check: () => Promise<boolean>, options: WaitOptions): Promise<number> {
  const { ms } = await waitFor(async () => ((await check()) ? true : null), options);
  return ms;
}
