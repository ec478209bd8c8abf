/**
 * Why operations fail now, told once per reason and not once per attempt. Many operations may fail at once and for
 * different reasons; what is told is the latest reason that any of them still has, so it is never one that is over.
 */
import type { GatewayError } from "../core/errors.js";

export interface Failures {
  /** One operation has another reason than before; null where it does not fail. */
  change(before: GatewayError | null, now: GatewayError | null): void;
}

/** @param tell null when nothing fails any more */
export function createFailures(tell: (error: GatewayError | null) => void): Failures {
  // By code, the latest last, with the number of operations that have it.
  const failureByCode = new Map<string, { readonly error: GatewayError; operations: number }>();
  let told: GatewayError | null = null;

  function add(error: GatewayError): void {
    const failure = failureByCode.get(error.code);
    if (failure === undefined) failureByCode.set(error.code, { error, operations: 1 });
    else failure.operations++;
  }

  function remove({ code }: GatewayError): void {
    const failure = failureByCode.get(code);
    if (failure !== undefined && --failure.operations === 0) failureByCode.delete(code);
  }

  return {
    change(before, now) {
      if (before?.code === now?.code) return;
      if (now !== null) add(now);
      if (before !== null) remove(before);
      const latest = [...failureByCode.values()].at(-1)?.error ?? null;
      if (latest?.code === told?.code) return;
      told = latest;
      tell(latest);
    },
  };
}
