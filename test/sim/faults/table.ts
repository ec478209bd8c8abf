/** Every kind of fault, also those that the product does not survive yet (`not-yet.ts`). */
import { CONFIG_FAULTS } from "./config.js";
import type { FaultKind } from "./fault.js";
import { LOSS_FAULTS } from "./loss.js";
import { NETWORK_FAULTS } from "./network.js";
import { PROCESS_FAULTS } from "./process.js";
import { MARKER_FAULTS, POISON_FAULTS, SERVER_FAULTS } from "./server.js";

export const FAULT_KINDS: readonly FaultKind[] = [
  ...NETWORK_FAULTS,
  ...PROCESS_FAULTS,
  ...SERVER_FAULTS,
  ...MARKER_FAULTS,
  ...POISON_FAULTS,
  ...CONFIG_FAULTS,
  ...LOSS_FAULTS,
];

export function faultKind(name: string): FaultKind {
  const kind = FAULT_KINDS.find((each) => each.name === name);
  if (kind === undefined) throw new RangeError(`there is no fault ${name}`);
  return kind;
}
