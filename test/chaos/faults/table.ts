/** Every kind of fault. */
import { CONFIG_FAULTS } from "./config.js";
import type { FaultKind } from "./fault.js";
import { LOSS_FAULTS } from "./loss.js";
import { NETWORK_FAULTS } from "./network.js";
import { PROCESS_FAULTS } from "./process.js";

export const FAULT_KINDS: readonly FaultKind[] = [...PROCESS_FAULTS, ...NETWORK_FAULTS, ...CONFIG_FAULTS, ...LOSS_FAULTS];

export function faultKind(name: string): FaultKind {
  const kind = FAULT_KINDS.find((each) => each.name === name);
  if (kind === undefined) throw new RangeError(`there is no fault ${name}`);
  return kind;
}
