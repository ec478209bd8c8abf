/** Puts the status together out of what runs. Pure: the same parts give the same snapshot. */
import type { GatewayConfig } from "../config/config.js";
import { type BucketCounters, type ReconcileCounters, peerCounters } from "../core/counters.js";
import type { Reason } from "../core/events.js";
import type { BucketName, SiteId } from "../core/ids.js";
import type { SweepSnapshot } from "../pipeline/peers.js";
import type { PeerSnapshot } from "../pipeline/replicate.js";
import type { BucketLeaseStatus, BucketStatus, GatewayStatus, LeaseStatus, PeerStatus, Role, SiteStatus } from "./status.js";
import type { Supervisor } from "./supervisor.js";

export interface LoadedConfig {
  readonly config: GatewayConfig;
  readonly loadedMs: number;
}

export interface StatusParts {
  readonly loaded: LoadedConfig | null;
  readonly lastError: string | null;
  /** Whether this site's own NATS is reached, also where no bucket runs here. */
  readonly localConnected: boolean;
  /** Null while it is not known yet. */
  readonly role: Role | null;
  readonly lease: LeaseStatus | null;
  readonly members: readonly string[] | null;
  readonly bucketLease: (bucket: BucketName) => BucketLeaseStatus | null;
  readonly startedMs: number;
  readonly nowMs: number;
  readonly version: string;
  readonly configPath: string;
}

export const iso = (ms: number): string => new Date(ms).toISOString();

export function createStatus(parts: StatusParts, supervisors: readonly Supervisor[]): GatewayStatus {
  const { loaded } = parts;
  const site = loaded?.config.site ?? ("" as SiteId);
  const notReady = missing(parts, supervisors);
  return {
    site,
    version: parts.version,
    startedAt: iso(parts.startedMs),
    now: iso(parts.nowMs),
    ready: notReady.length === 0,
    notReady,
    role: parts.role ?? "standby",
    lease: parts.lease,
    members: parts.members,
    config: {
      path: parts.configPath,
      hash: loaded?.config.hash ?? "",
      loadedAt: loaded === null ? "" : iso(loaded.loadedMs),
      lastError: parts.lastError,
    },
    sites: record<SiteId, SiteStatus>(
      [...(loaded?.config.sites.keys() ?? [])].filter((peer) => peer !== site).map((peer) => [peer, siteStatus(peer, supervisors)]),
    ),
    buckets: record<BucketName, BucketStatus>(
      supervisors.map((supervisor) => {
        const { name } = supervisor.config();
        return [name, bucketStatus(supervisor, site, parts.bucketLease(name))];
      }),
    ),
  };
}

/** Remote sites do not matter: a partition is normal life, and a rollout during one must not hang. */
function missing({ loaded, localConnected, role, lease, bucketLease }: StatusParts, supervisors: readonly Supervisor[]): string[] {
  if (loaded === null) return ["no config has been loaded"];
  const sentences: string[] = [];
  if (!localConnected) sentences.push("the local NATS is not reachable");
  // Said once, and not of every bucket.
  if (role === "standby") return [...sentences, standbySentence(lease?.holder ?? null)];
  for (const supervisor of supervisors) {
    const state = supervisor.state();
    if (state === "live" || state === "paused") continue;
    // Another gateway of the site answers for it.
    if (bucketLease(supervisor.config().name)?.due === false) continue;
    const because = supervisor.reason()?.message;
    sentences.push(`bucket ${supervisor.config().name} is ${state}${because === undefined ? "" : `: ${because}`}`);
  }
  return sentences;
}

export const standbySentence = (holder: string | null): string =>
  `this gateway is a standby: another one of this site is active (${holder ?? "unknown"}); it takes over when that one is gone`;

function siteStatus(peer: SiteId, supervisors: readonly Supervisor[]): SiteStatus {
  const clockSkewMs = skewOf(peer, supervisors);
  for (const supervisor of supervisors) {
    const lease = supervisor.ports().peer(peer);
    if (lease !== undefined) return { connected: lease.connected(), rttMs: lease.rttMs(), clockSkewMs };
  }
  return { connected: false, rttMs: null, clockSkewMs };
}

/** As the latest round of any bucket has measured it; every bucket measures the same two clocks. */
function skewOf(peer: SiteId, supervisors: readonly Supervisor[]): number | null {
  let latest: ReconcileCounters | null = null;
  for (const supervisor of supervisors) {
    const measured = supervisor.counters().peers.get(peer)?.reconcile;
    if (measured !== undefined && measured.lastMs > (latest?.lastMs ?? 0)) latest = measured;
  }
  return latest?.clockSkewMs ?? null;
}

function bucketStatus(supervisor: Supervisor, site: SiteId, lease: BucketLeaseStatus | null): BucketStatus {
  const { keys, tombstones, setAside, peers } = supervisor.snapshot();
  return {
    state: supervisor.state(),
    reason: supervisor.reason(),
    lease,
    pausedBy: supervisor.pausedBy(),
    startedAt: iso(supervisor.startedMs()),
    keys,
    tombstones,
    swept: supervisor.counters().swept,
    conflicts: conflicts(supervisor.counters()),
    setAside,
    peers: record<SiteId, PeerStatus>(
      peersOf(supervisor, site).map((peer) => {
        const { reconcile } = peerCounters(supervisor.counters(), peer);
        return [peer, peerStatus(peers.get(peer), reconcile, supervisor.roundFailure(peer))];
      }),
    ),
  };
}

/** Every other site of the bucket. */
export const peersOf = (supervisor: Supervisor, site: SiteId): readonly SiteId[] =>
  [...supervisor.config().sites.keys()].filter((peer) => peer !== site);

function peerStatus(snapshot: (PeerSnapshot & SweepSnapshot) | undefined, counted: ReconcileCounters, reason: Reason | null): PeerStatus {
  const { rounds, repairs, lastDurationS, lastMs, lastEqualMs } = counted;
  const { lastHeardMs, ...shown } = snapshot ?? NOTHING_YET;
  return {
    ...shown,
    lastHeardAt: isoOrNull(lastHeardMs),
    lastReconcileAt: isoOrNull(lastMs),
    lastEqualAt: isoOrNull(lastEqualMs),
    reconcile: { rounds: { ...rounds }, repaired: repairs, durationSeconds: lastDurationS, reason },
  };
}

const NOTHING_YET: PeerSnapshot & SweepSnapshot = {
  ...{ state: "starting", reason: null, lagOperations: 0, lagSeconds: 0, checkpoint: 0, lastHeardMs: 0, sweepBlocked: 0 },
};

export const isoOrNull = (ms: number): string | null => (ms === 0 ? null : iso(ms));

function conflicts(counters: BucketCounters): number {
  let sum = 0;
  for (const peer of counters.peers.values()) sum += peer.conflicts.local_won + peer.conflicts.peer_won;
  return sum;
}

const record = <K extends string, V>(entries: [K, V][]): Record<K, V> => Object.fromEntries(entries) as Record<K, V>;
