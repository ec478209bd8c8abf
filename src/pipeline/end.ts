/** When work that goes on by callbacks is over: stopped from outside, or broken. Whatever comes first counts. */
import { toGatewayError } from "../core/errors.js";

export interface End {
  /** Resolves when the signal says stop, rejects with the first failure. */
  readonly reached: Promise<void>;
  readonly fail: (thrown: unknown) => void;
  isReached(): boolean;
}

export function createEnd(signal: AbortSignal): End {
  let over = signal.aborted;
  let fail: (thrown: unknown) => void = () => undefined;
  const reached = new Promise<void>((resolve, reject) => {
    const stop = () => {
      over = true;
      resolve();
    };
    fail = (thrown) => {
      over = true;
      signal.removeEventListener("abort", stop);
      reject(toGatewayError(thrown));
    };
    if (over) resolve();
    else signal.addEventListener("abort", stop, { once: true });
  });
  // A failure after the end has nobody to tell; it is not an unhandled one.
  reached.catch(() => undefined);
  return { reached, fail, isReached: () => over };
}
