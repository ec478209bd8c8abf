/** What a kind of fault is: a row of the table. To add one, add a row; the rest follows. */
import type { Link } from "../links.js";
import type { Stage } from "../stage.js";

/** A fault of some kind, with all that any kind may want to know. */
export interface PlannedFault {
  readonly kind: string;
  readonly atMs: number;
  readonly site: string;
  readonly other: string;
  readonly lastsMs: number;
  /** Uniform in [0, 1), for whatever the kind has to choose. */
  readonly choice: number;
}

export interface FaultKind {
  readonly name: string;
  /** The shortest and the longest; short ones are more frequent. */
  readonly lastsMs: readonly [number, number];
  /** How often it is drawn beside the others. */
  readonly weight: number;
  /** The gateways, servers and links that it concerns; nothing else strikes them meanwhile. */
  concerns(fault: PlannedFault): readonly string[];
  begin(stage: Stage, fault: PlannedFault): Promise<Struck>;
}

export interface Struck {
  readonly note: string;
  /** Makes it good again. */
  end(): Promise<void>;
}

/** What most kinds have in common. */
export const FAULT = { weight: 1 } as const;

export const gatewayOf = (site: string): string => `gateway ${site}`;
export const serverOf = (site: string): string => `server ${site}`;
export const linkOf = ({ from, to }: Link): string => `link ${from} → ${to}`;
export const CONFIG = "config";
