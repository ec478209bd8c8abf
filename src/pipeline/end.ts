/** When work that goes on by callbacks is over: stopped from outside, or broken. Whatever comes first counts. */
import { toGatewayError } from "../core/errors.js";

export interface End {
  /** Resolves when the signal says stop, rejects with the first failure. */
  readonly reached: Promise<void>;
  readonly fail: (thrown: unknown) => void;
}

export function createEnd(signal: AbortSignal): End {
  let fail: (thrown: unknown) => void = () => undefined;
  const reached = new Promise<void>((resolve, reject) => {
    const stop = () => resolve();
    fail = (thrown) => {
      signal.removeEventListener("abort", stop);
      reject(toGatewayError(thrown));
    };
    if (signal.aborted) resolve();
    signal.addEventListener("abort", stop, { once: true });
  });
  // A failure after the end has nobody to tell; it is not an unhandled one.
  reached.catch(() => undefined);
  return { reached, fail };
}
