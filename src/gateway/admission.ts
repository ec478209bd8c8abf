/**
 * Whether this gateway may work: the lease as the buckets see it. Here it is that of the site, under which one gateway works
 * all buckets: they begin as soon as it is known that no other one works, and without a lease at once. Where all gateways
 * of the site work, `sharing.ts` says of each bucket whether it may.
 */
import { GatewayError } from "../core/errors.js";
import type { Observe } from "../core/events.js";
import type { BucketName } from "../core/ids.js";
import type { Clock } from "../core/ports.js";
import type { LeasedSitePorts } from "./build.js";
import type { Holder } from "./lease-record.js";
import { type SiteLease, createSiteLease } from "./lease.js";
import { standbySentence } from "./snapshot.js";
import type { BucketLeaseStatus, LeaseStatus, Role } from "./status.js";

export interface AdmissionDeps {
  /** Null: it works at once, whoever else does. */
  readonly holder: Holder | null;
  readonly clock: Clock;
  readonly observe: Observe;
  /** Called when it is known, with null before, and whenever it changes. */
  readonly onRole: (role: Role, before: Role | null) => void;
}

export interface Admission {
  /** Looks for the lease there from now on. @param buckets all that this site has, by name */
  follow(build: () => LeasedSitePorts, buckets: readonly BucketName[]): void;
  /** Null while it is not known yet. */
  role(): Role | null;
  /** Why this gateway must not work the bucket now, null if it may, or may as soon as it is known that it may. */
  standby(bucket: BucketName): GatewayError | null;
  /** Resolves when it may work the bucket, once that is known. KVGW_STANDBY, KVGW_WORKED_ELSEWHERE. */
  admitted(bucket: BucketName): Promise<void>;
  /** Null where there is none. */
  lease(): LeaseStatus | null;
  /** Null where one gateway works all buckets. */
  bucketLease(bucket: BucketName): BucketLeaseStatus | null;
  /** All gateways that share the site's buckets, this one among them. Null where one works them all. */
  members(): readonly Holder[] | null;
  /** To be called when nothing runs any more. Never rejects. */
  release(): Promise<void>;
}

export function createAdmission({ holder, clock, observe, onRole }: AdmissionDeps): Admission {
  let ports: LeasedSitePorts | null = null;
  let lease: SiteLease | null = null;
  // Buckets that would begin.
  const waiting = new Set<() => void>();

  const role = (): Role | null => (holder === null ? "active" : (lease?.role() ?? null));

  function standby(): GatewayError | null {
    if (role() !== "standby") return null;
    return new GatewayError("KVGW_STANDBY", standbySentence(lease?.status().holder ?? null));
  }

  function decide(now: Role, before: Role | null): void {
    onRole(now, before);
    for (const resolve of waiting) resolve();
    waiting.clear();
  }

  return {
    follow(build) {
      if (holder === null) return;
      const before = ports;
      const next = build();
      ports = next;
      lease ??= createSiteLease({ ports: () => ports ?? next, holder, clock, observe, onRole: decide });
      before?.release();
    },
    role,
    standby,
    async admitted() {
      if (role() === null) await new Promise<void>((resolve) => void waiting.add(resolve));
      const why = standby();
      if (why !== null) throw why;
    },
    lease: () => lease?.status() ?? null,
    bucketLease: () => null,
    members: () => null,
    async release() {
      await lease?.release();
      ports?.release();
    },
  };
}
