/** Every kind of fault, also those that the product does not survive yet (`not-yet.ts`). */
import { isBuilt } from "../not-yet.js";
import { CONFIG_FAULTS } from "./config.js";
import type { FaultKind } from "./fault.js";
import { LOSS_FAULTS } from "./loss.js";
import { NETWORK_FAULTS } from "./network.js";
import { PROCESS_FAULTS } from "./process.js";

export const FAULT_KINDS: readonly FaultKind[] = [...PROCESS_FAULTS, ...NETWORK_FAULTS, ...CONFIG_FAULTS, ...LOSS_FAULTS];

export const drawnKinds = (): readonly FaultKind[] => FAULT_KINDS.filter(({ needs }) => isBuilt(needs));

export function faultKind(name: string): FaultKind {
  const kind = FAULT_KINDS.find((each) => each.name === name);
  if (kind === undefined) throw new RangeError(`there is no fault ${name}`);
  return kind;
}
