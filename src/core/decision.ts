/**
 * The outcome of holding an operation against what a site knows of its key. A closed set of constants: nothing is
 * allocated per operation, and the reasons are metric labels.
 */
export type IgnoreReason = "stale" | "duplicate" | "filtered";

export interface Decision {
  readonly outcome: "apply" | "stale" | "duplicate";
  /** Neither write had seen the other: the loser is an update that nobody ever saw overwritten knowingly. */
  readonly conflict: boolean;
}

export const APPLY: Decision = Object.freeze({ outcome: "apply", conflict: false });
export const APPLY_IN_CONFLICT: Decision = Object.freeze({ outcome: "apply", conflict: true });
export const STALE: Decision = Object.freeze({ outcome: "stale", conflict: false });
export const STALE_IN_CONFLICT: Decision = Object.freeze({ outcome: "stale", conflict: true });
export const DUPLICATE: Decision = Object.freeze({ outcome: "duplicate", conflict: false });
