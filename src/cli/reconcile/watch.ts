/**
 * What `kvgw reconcile` waits for: of every bucket that was asked for, a round with each peer that began since. Rounds go
 * on by themselves whatever happens here; this only looks at the gateway's status until it says how they ended.
 */
import type { RoundResult } from "../../core/counters.js";
import type { Reason } from "../../core/events.js";
import type { BucketName, SiteId } from "../../core/ids.js";
import { RECONCILE_POLL_MS, RECONCILE_WAIT_MS } from "../../core/limits.js";
import type { Clock } from "../../core/ports.js";
import type { BucketStatus, GatewayStatus, PeerStatus, ReconcileRequest } from "../../gateway/status.js";
import { wait } from "../../pipeline/retry.js";
import type { GatewayClient } from "../gateway-client.js";

/** `none`: no round came to its end while somebody waited. */
export type PeerResult = RoundResult | "none";

export interface PeerReport {
  readonly peer: SiteId;
  readonly result: PeerResult;
  /** Keys taken from the peer since it was asked for. */
  readonly repaired: number;
  readonly lastEqualAt: string | null;
  readonly reason: Reason | null;
}

export interface BucketReport {
  readonly bucket: BucketName;
  /** Why no round can be expected, null otherwise. */
  readonly reason: Reason | null;
  readonly peers: readonly PeerReport[];
}

/** A request, and what the status had said before it. */
export interface Asked {
  readonly request: ReconcileRequest;
  readonly before: BucketStatus | undefined;
}

export interface Watched {
  readonly reports: readonly BucketReport[];
  /** The gateway's time of it. */
  readonly now: string;
}

export interface WatchDeps {
  readonly client: Pick<GatewayClient, "status" | "reconcile">;
  readonly clock: Clock;
  readonly onProgress: (reports: readonly BucketReport[]) => void;
}

/** Looks until every peer has a result, at most for RECONCILE_WAIT_MS. */
export async function watchRounds(deps: WatchDeps, asked: readonly Asked[]): Promise<Watched> {
  const { client, clock } = deps;
  const never = new AbortController().signal;
  const endMs = clock.elapsedMs() + RECONCILE_WAIT_MS;
  let open: readonly Open[] = asked.map((first) => ({ first, latest: first }));
  for (;;) {
    const status = await client.status();
    const reports = open.map(({ first, latest }) => reportOf(first, latest, status));
    deps.onProgress(reports);
    const isLate = clock.elapsedMs() >= endMs;
    const again = isLate ? null : await askAgain(client, open, status);
    if (isLate || (again === null && reports.every(isOver))) return { reports, now: status.now };
    open = again ?? open;
    await wait(clock, RECONCILE_POLL_MS, never);
  }
}

interface Open {
  readonly first: Asked;
  readonly latest: Asked;
}

/** Null where nothing is to be asked again. */
async function askAgain(
  client: WatchDeps["client"],
  open: readonly Open[],
  status: GatewayStatus,
): Promise<readonly Open[] | null> {
  let asked = false;
  const next: Open[] = [];
  for (const watched of open) {
    const { bucket } = watched.latest.request;
    if (isProgress(reportOf(watched.latest, watched.latest, status))) {
      next.push({ ...watched, latest: { request: await client.reconcile(bucket), before: status.buckets[bucket] } });
      asked = true;
    } else {
      next.push(watched);
    }
  }
  return asked ? next : null;
}

/** A round that repaired something has not proved anything yet, and the next one may. */
const isProgress = (report: BucketReport): boolean =>
  report.reason === null &&
  isOver(report) &&
  report.peers.some(({ result, repaired }) => result === "different" && repaired > 0);

export const isOver = ({ reason, peers }: BucketReport): boolean =>
  reason !== null || peers.every(({ result }) => result !== "none");

export const isEqual = ({ reason, peers }: BucketReport): boolean =>
  reason === null && peers.every(({ result }) => result === "equal");

/** Results of the latest request; repairs since the first. */
function reportOf(first: Asked, { request, before }: Asked, status: GatewayStatus): BucketReport {
  const { bucket } = request;
  const now = status.buckets[bucket];
  if (now === undefined) return { bucket, reason: notRunning(`${bucket} was removed from the config meanwhile`), peers: [] };
  const requestedMs = Date.parse(request.requestedAt);
  const peers = request.peers.map((peer): PeerReport => {
    const peerNow = now.peers[peer];
    if (peerNow === undefined) {
      return { peer, result: "failed", repaired: 0, lastEqualAt: null, reason: notRunning(`${peer} was removed from ${bucket} meanwhile`) };
    }
    const { lastEqualAt, reconcile } = peerNow;
    const result = resultOf(before?.peers[peer], peerNow, requestedMs);
    const repaired = Math.max(0, reconcile.repaired - (first.before?.peers[peer]?.reconcile.repaired ?? 0));
    const reason = result === "failed" ? reconcile.reason : result === "none" ? now.reason : null;
    return { peer, result, repaired, lastEqualAt, reason };
  });
  const stands = now.state === "paused" || now.state === "parked" || now.state === "stopped";
  return { bucket, reason: stands ? notRunning(`${bucket} has become ${now.state} meanwhile`) : null, peers };
}

const notRunning = (message: string): Reason => ({ code: "KVGW_BUCKET_NOT_RUNNING", message });

/**
 * How the round asked for ended. One that was under way at that moment proves nothing about it, so the begin counts; a
 * round that failed has no times, and whenever it began it is not the proof that was asked for.
 */
function resultOf(before: PeerStatus | undefined, now: PeerStatus, requestedMs: number): PeerResult {
  const { lastReconcileAt, lastEqualAt, reconcile } = now;
  if (lastReconcileAt !== null) {
    const beganMs = Date.parse(lastReconcileAt) - reconcile.durationSeconds * 1_000;
    // The times of a status are whole milliseconds, rounded down.
    if (beganMs >= requestedMs - 1) return lastEqualAt === lastReconcileAt ? "equal" : "different";
  }
  return reconcile.rounds.failed > (before?.reconcile.rounds.failed ?? 0) ? "failed" : "none";
}
