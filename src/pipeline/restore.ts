/**
 * Puts back what the bucket has lost of this site's own writes, from the own log. Deletes and passed deadlines at once:
 * nobody can have undone them with an older write. Values only after every peer has been asked, since one of them may
 * have a later write, or a delete; and only where none had (I8). A log that was put back to an older copy may also have
 * values that were deleted, and whose deletes have been swept everywhere: such a one is set aside.
 */
import type { Observe } from "../core/events.js";
import type { BucketName } from "../core/ids.js";
import type { KeyFilter } from "../core/key-filter.js";
import { type Operation, asOfNow } from "../core/operation.js";
import type { Clock, OperationLog } from "../core/ports.js";
import type { Replica } from "../core/replica.js";
import { compareVersions } from "../core/version.js";
import type { Applier } from "./apply.js";
import type { Ghosts } from "./ghosts.js";

export interface RestoreDeps {
  readonly bucket: BucketName;
  readonly log: OperationLog;
  readonly logCreated: string;
  /** Whether the log came back wrong, and the value may be of a time before it was deleted everywhere. */
  readonly isGhost: (operation: Operation) => boolean;
  readonly ghosts: Pick<Ghosts, "setLoggedAside">;
  readonly replica: Replica;
  readonly applier: Applier;
  readonly includes: KeyFilter;
  readonly clock: Clock;
  readonly observe: Observe;
  readonly signal: AbortSignal;
}

/**
 * @param found what the bucket has lost; of values only key and version count
 * @param asked resolves when every peer has been asked once. KVGW_UNREACHABLE, KVGW_TIMEOUT of the own log.
 */
export async function restoreLost(deps: RestoreDeps, found: readonly Operation[], asked: Promise<void>): Promise<void> {
  const { replica, applier, clock, signal } = deps;
  const nowUs = clock.nowMs() * 1_000;
  const lost = found.filter(({ key }) => deps.includes(key));
  const tombstones = lost.map((operation) => asOfNow(operation, nowUs)).filter(({ kind }) => kind !== "put");
  await Promise.all(tombstones.map((tombstone) => applier.restore(tombstone)));
  await asked;
  let restored = tombstones.length;
  for (const operation of lost) {
    if (signal.aborted) return;
    if (await bringBack(deps, operation)) restored++;
    replica.acceptStandIn(operation.key);
  }
  if (restored > 0) deps.observe({ type: "restored", bucket: deps.bucket, keys: restored });
}

/** A value, as the log has it now. False where that is not to be. */
async function bringBack({ log, replica, ghosts, applier, isGhost, logCreated }: RestoreDeps, lost: Operation): Promise<boolean> {
  if (!isMissing(replica, lost)) return false;
  const logged = await log.read(lost.key);
  if (logged === null || !isMissing(replica, logged.operation)) return false;
  if (isGhost(logged.operation)) {
    await ghosts.setLoggedAside(logged.operation, { created: logCreated, position: logged.sequence });
    return false;
  }
  await applier.restore(logged.operation);
  return true;
}

function isMissing(replica: Replica, { key, version }: Operation): boolean {
  const known = replica.get(key);
  return known === undefined || compareVersions(known.version, version) < 0;
}
