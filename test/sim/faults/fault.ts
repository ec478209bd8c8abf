/** What a kind of fault is: a row of the table. To add one, add a row; the rest follows. */
import type { Feature } from "../not-yet.js";
import type { PlannedFault } from "../plan.js";
import type { World } from "../world/world.js";

export interface FaultKind {
  readonly name: string;
  /** What must be built before the product survives it. */
  readonly needs: Feature;
  /** Pipelines start afresh after it, or stand still, so that an entry may come and expire unseen. */
  readonly blinds: boolean;
  /** It concerns one bucket only. */
  readonly onBucket: boolean;
  /** How often in one run. */
  readonly atMost: number;
  /** The shortest and the longest; short ones are more frequent. */
  readonly lastsMs: readonly [number, number];
  /** The range of `amount`, which means something else to every kind. */
  readonly amount: readonly [number, number];
  /** Does it; says what it did, null if there was nothing to do. */
  strike(world: World, fault: PlannedFault): string | null;
}

/** What most kinds have in common. */
export const FAULT = {
  needs: "nothing",
  blinds: true,
  onBucket: false,
  atMost: 3,
  lastsMs: [0, 0],
  amount: [0, 0],
} as const satisfies Partial<FaultKind>;

export function strike(world: World, kind: FaultKind, fault: PlannedFault): void {
  const note = kind.strike(world, fault);
  if (note === null) return;
  const { name, onBucket } = kind;
  world.recorder.count(`fault ${name}`);
  world.recorder.add({ what: "fault", name, site: fault.site, bucket: onBucket ? fault.bucket : null, note });
}
