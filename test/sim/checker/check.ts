/** All properties of a history. The checker knows nothing of the product but what stands on the wire. */
import type { Happening, Setup, Violation } from "../history.js";
import { checkCalm } from "./calm.js";
import { checkDurable } from "./durable.js";
import { createLedger } from "./ledger.js";
import { checkLogs } from "./logs.js";
import { checkOutcome } from "./outcome.js";
import { checkVersions } from "./versions.js";

export function check(history: readonly Happening[], setup: Setup): Violation[] {
  const ledger = createLedger(history, setup);
  return [checkLogs, checkVersions, checkDurable, checkOutcome, checkCalm].flatMap((property) => property(ledger));
}
