/**
 * Last writer wins: the higher version stays. Two different operations on one key never carry the same version (one
 * site never stamps a key twice with one `ts`), with one exception that must still be decided alike everywhere:
 * an entry past its deadline is a tombstone of the same version, and the tombstone stands.
 */
import { APPLY, APPLY_IN_CONFLICT, DUPLICATE, STALE, STALE_IN_CONFLICT } from "../decision.js";
import { type Operation, isTombstone } from "../operation.js";
import { type Version, compareVersions } from "../version.js";
import type { ConflictPolicy, Standing } from "./policy.js";

export const lww: ConflictPolicy = {
  name: "lww",
  decide(current: Standing | undefined, operation: Operation) {
    if (current === undefined) return APPLY;
    const order = compareVersions(operation.version, current.version);
    if (order === 0) return isTombstone(operation) && !isTombstone(current) ? APPLY : DUPLICATE;
    const sameOrigin = operation.version.site === current.version.site;
    if (order > 0) return !sameOrigin && hadNotSeen(operation.base, current.version) ? APPLY_IN_CONFLICT : APPLY;
    return !sameOrigin && hadNotSeen(current.base, operation.version) ? STALE_IN_CONFLICT : STALE;
  },
};

/** Whether a winner with this base was written without knowing the loser. An unknown base counts as knowing, so the
 *  count is a lower bound and never a false alarm. */
function hadNotSeen(base: Version | null | undefined, loser: Version): boolean {
  if (base === undefined) return false;
  return base === null || compareVersions(base, loser) < 0;
}
