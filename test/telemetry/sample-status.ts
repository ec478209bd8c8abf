/** A gateway's status with one live bucket and one peer; tests change what they are about. */
import type { BucketName, SiteId } from "../../src/core/ids.js";
import type { BucketStatus, GatewayStatus, PeerStatus } from "../../src/gateway/status.js";

export const SITE_A = "site-a" as SiteId;
export const SITE_B = "site-b" as SiteId;
export const ORDERS = "orders" as BucketName;

export function samplePeer(changes: Partial<PeerStatus> = {}): PeerStatus {
  return {
    state: "live",
    reason: null,
    lagOperations: 3,
    lagSeconds: 1.5,
    checkpoint: 42,
    sweepBlocked: 5,
    lastHeardAt: "2030-01-01T00:05:00.000Z",
    lastReconcileAt: "2030-01-01T00:01:00.000Z",
    lastEqualAt: "2030-01-01T00:00:00.500Z",
    reconcile: { rounds: { equal: 3, different: 1, failed: 2 }, repaired: 7, durationSeconds: 0.25, reason: null },
    ...changes,
  };
}

export function sampleBucket(changes: Partial<BucketStatus> = {}): BucketStatus {
  return {
    state: "live",
    reason: null,
    lease: null,
    pausedBy: [],
    startedAt: "2030-01-01T00:00:00.000Z",
    keys: 10,
    tombstones: 1,
    swept: 6,
    conflicts: 0,
    setAside: 0,
    peers: { [SITE_B]: samplePeer() },
    ...changes,
  };
}

export function sampleStatus(changes: Partial<GatewayStatus> = {}): GatewayStatus {
  return {
    site: SITE_A,
    version: "1.2.3",
    startedAt: "2030-01-01T00:00:00.000Z",
    now: "2030-01-01T00:05:00.500Z",
    ready: true,
    notReady: [],
    role: "active",
    lease: { held: true, holder: "process 7 on host-a", since: "2030-01-01T00:00:01.000Z", reason: null },
    members: null,
    config: { path: "gateway.yaml", hash: "c0ffee", loadedAt: "2030-01-01T00:00:02.000Z", lastError: null },
    sites: { [SITE_B]: { connected: true, rttMs: 1.2, clockSkewMs: 250 } },
    buckets: { [ORDERS]: sampleBucket() },
    ...changes,
  };
}
