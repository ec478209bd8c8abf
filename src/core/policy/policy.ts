/**
 * The rule that settles concurrent writes of one key. A policy is pure and keeps three laws, so that all sites end
 * equal whatever order operations arrive in (I2): commutative, associative, idempotent. `test/laws` holds every
 * policy against them.
 */
import type { Decision } from "../decision.js";
import type { Operation, OperationKind } from "../operation.js";
import type { Version } from "../version.js";

/** What a site knows of a key, as far as a policy needs it. */
export interface Standing {
  readonly version: Version;
  readonly kind: OperationKind;
  /** As in `Operation.base`; undefined where it is no longer known (an entry applied before a restart). */
  readonly base: Version | null | undefined;
}

export interface ConflictPolicy {
  readonly name: string;
  /** What to do with `operation` where `current` is what the site has, undefined for a key never seen. */
  decide(current: Standing | undefined, operation: Operation): Decision;
}
