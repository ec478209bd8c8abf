/**
 * Whether this gateway may work: the site lease as the buckets see it. They begin as soon as it is known that no other
 * gateway of the site works, and without the lease at once.
 */
import { GatewayError } from "../core/errors.js";
import type { Observe } from "../core/events.js";
import type { Clock } from "../core/ports.js";
import type { LeasedSitePorts } from "./build.js";
import { type Holder, type SiteLease, createSiteLease } from "./lease.js";
import { standbySentence } from "./snapshot.js";
import type { LeaseStatus, Role } from "./status.js";

export interface AdmissionDeps {
  /** Null: it works at once, whoever else does. */
  readonly holder: Holder | null;
  readonly clock: Clock;
  readonly observe: Observe;
  /** Called when it is known, with null before, and whenever it changes. */
  readonly onRole: (role: Role, before: Role | null) => void;
}

export interface Admission {
  /** Looks for the lease there from now on. */
  follow(build: () => LeasedSitePorts): void;
  /** Null while it is not known yet. */
  role(): Role | null;
  /** Why this gateway must not work now, null if it may or that is not known yet. */
  standby(): GatewayError | null;
  /** Resolves when it may work, once that is known. KVGW_STANDBY. */
  admitted(): Promise<void>;
  /** Null where there is none. */
  lease(): LeaseStatus | null;
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
    async release() {
      await lease?.release();
      ports?.release();
    },
  };
}
