/**
 * What happened in one run, as plain data in the order in which it happened: all that the checker gets to see. Nothing
 * in here comes from the product; messages stand as they stood on the wire.
 */

export type WriteKind = "put" | "delete" | "purge";

/** `unknown`: no answer came, so the write may have landed. */
export type ClientOutcome = "acknowledged" | "refused" | "failed" | "unknown";

/** A message of a bucket or of an operation log. */
export interface Message {
  readonly site: string;
  readonly bucket: string;
  readonly key: string;
  /** Creation time of the stream: which of its lives it is. */
  readonly created: string;
  readonly sequence: number;
  readonly timestampNs: string;
  /** Header block as on the wire, empty without headers. */
  readonly block: string;
  /** The payload, one character per byte. */
  readonly value: string;
}

interface Moment {
  /** Virtual milliseconds since the run began. */
  readonly ms: number;
}

export interface Called extends Moment {
  readonly what: "called";
  readonly op: number;
  readonly site: string;
  readonly bucket: string;
  readonly key: string;
  readonly kind: WriteKind;
  readonly value: string;
  /** The revision that a client's update or create names. */
  readonly expected: number | null;
}

export interface Answered extends Moment {
  readonly what: "answered";
  readonly op: number;
  readonly outcome: ClientOutcome;
  readonly revision: number;
}

export interface Stored extends Moment, Message {
  readonly what: "stored";
  readonly place: "bucket" | "log";
  /** The client's write that this is, 0 if it is somebody's who has no business there, null if a gateway or the server
   *  wrote it. */
  readonly op: number | null;
}

export interface Removed extends Moment {
  readonly what: "removed";
  readonly place: "bucket" | "log";
  readonly site: string;
  readonly bucket: string;
  readonly key: string;
  readonly sequence: number;
  /** `forgotten`: by a gateway. */
  readonly why: "expired" | "purged" | "forgotten";
}

/** A stream was put back to an older copy, or made anew: whatever came after `sequence` is gone. */
export interface Lost extends Moment {
  readonly what: "lost";
  readonly place: "bucket" | "log";
  readonly site: string;
  readonly bucket: string;
  readonly sequence: number;
  /** Of a log: what had been removed from it, and stands there again. */
  readonly back?: readonly number[];
}

/** A gateway made something durable in its site's state. */
export interface Saved extends Moment {
  readonly what: "saved";
  readonly site: string;
  readonly key: string;
  readonly text: string;
}

/** A site's configuration leaves these keys out from here on, beside those that the setup leaves out. */
export interface Excluding extends Moment {
  readonly what: "excluding";
  readonly site: string;
  readonly keys: readonly string[];
}

export interface FaultStruck extends Moment {
  readonly what: "fault";
  readonly name: string;
  /** Null where it concerns all sites, or all buckets of a site. */
  readonly site: string | null;
  readonly bucket: string | null;
  readonly note: string;
}

export interface GatewayTold extends Moment {
  readonly what: "gateway";
  readonly site: string;
  readonly life: number;
  readonly bucket: string | null;
  /** The bucket's state where it changed. */
  readonly state: string | null;
  readonly code: string | null;
  readonly note: string;
}

/** A gateway's process has ended, in whatever way. */
export interface GatewayGone extends Moment {
  readonly what: "gone";
  readonly site: string;
  readonly life: number;
}

/** `healed`: no more faults, no more writes. `idle`: from here on nothing has a reason to be written. */
export interface PhaseBegan extends Moment {
  readonly what: "phase";
  readonly phase: "healed" | "idle" | "over";
}

/** What a bucket holds at the end: the last message of one of its keys. */
export interface Final extends Moment, Message {
  readonly what: "final";
}

export type Happening =
  | Called
  | Answered
  | Stored
  | Removed
  | Lost
  | Saved
  | Excluding
  | FaultStruck
  | GatewayTold
  | GatewayGone
  | PhaseBegan
  | Final;

/** What was meant to run, as far as it decides what is right. */
export interface Setup {
  readonly buckets: readonly {
    readonly name: string;
    readonly sites: readonly string[];
    readonly format: "raw" | "json";
    readonly include: readonly string[];
    readonly exclude: readonly string[];
  }[];
  /** When the run began, milliseconds since the epoch. */
  readonly beganMs: number;
  /** Every fault concerns one bucket only: the others must not notice. */
  readonly onlyBucketFaults: boolean;
}

export interface Violation {
  /** The property's name; shrinking keeps to it. */
  readonly property: string;
  readonly site: string | null;
  readonly bucket: string | null;
  readonly key: string | null;
  readonly message: string;
}
