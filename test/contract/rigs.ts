/**
 * What a contract suite needs around a port: an application beside the gateway, a server that can lose things and die,
 * and a way to wait. Each is made once for memory and once for real servers; the suites cannot tell which they run on.
 */
import type { BucketName, Revision, Sequence, SiteId } from "../../src/core/ids.js";
import type { BucketStore, OperationLog, PeerLink, PeerService, Presence, Questions, SiteState } from "../../src/core/ports.js";
import { siteNamed } from "../core/names.js";

/** The site under test, and another one. */
export const SITE: SiteId = siteNamed("site-a");
export const PEER: SiteId = siteNamed("site-b");

export type Headers = Readonly<Record<string, string>>;

export interface Rig {
  /** Long enough for what must not come to have come. */
  readonly quiet: () => Promise<void>;
  /** The server dies; it is back for the next rig. */
  readonly kill: () => Promise<void>;
  readonly dispose: () => Promise<void>;
}

/** A stream as applications and operators handle it; `key` is what follows the stream's prefix in the subject. */
export interface StreamActions {
  publish(key: string, value: Uint8Array | string, headers?: Headers): Promise<Sequence>;
  /** All messages of the key, without a trace. */
  purge(key: string): Promise<void>;
  messages(): Promise<number>;
  destroy(): Promise<void>;
  /** Deleted, and at once another one in its place. */
  remake(): Promise<void>;
}

export interface BucketOptions {
  readonly history?: number;
  /** Largest message in bytes. */
  readonly messageBytesMax?: number;
  /** Messages may carry a time to live, and an expired entry leaves a marker for this long. */
  readonly markersMs?: number;
  /** How long an entry lives, by the bucket's own setting; NATS counts it in nanoseconds. */
  readonly maxAgeNs?: number;
  /** There is no bucket yet, and the store may or may not make one. */
  readonly missing?: "made" | "awaited";
}

export interface Found {
  readonly value: Uint8Array;
  readonly operation: string;
  readonly revision: Revision;
}

export interface BucketRig extends Rig {
  readonly store: BucketStore;
  readonly stream: StreamActions;
  /** The last value of a key and whether it is a delete, as a KV client finds it. */
  readonly find: (key: string) => Promise<Found | undefined>;
}

export interface LogRig extends Rig {
  readonly log: OperationLog;
  /** Another gateway of the same site. */
  readonly other: OperationLog;
  readonly stream: StreamActions;
}

export interface PeerRig extends Rig {
  readonly link: PeerLink;
  /** The peer's own hand on its log. */
  readonly log: OperationLog;
  readonly stream: StreamActions;
}

export interface StateRig extends Rig {
  readonly state: SiteState;
  /** The same site's state, seen by its next process. */
  readonly next: SiteState;
  /** An operator removes a record, as a KV client deletes or purges a key. */
  readonly remove: (key: string, how: "delete" | "purge") => Promise<void>;
}

/** Two gateways of one site, each over a connection of its own. */
export interface PresenceRig extends Rig {
  readonly one: Presence;
  readonly other: Presence;
  /** The first one's process is gone, as after `kill -9`. */
  readonly end: () => Promise<void>;
  /** The server is back after it was killed, and both gateways are connected again. */
  readonly revive: () => Promise<void>;
}

/** Who asks and who answers, each over a connection of its own. */
export interface QuestionsRig extends Rig {
  /** Both ends for one bucket of one site. */
  readonly ends: (site: SiteId, bucket: BucketName) => QuestionEnds;
  /** The server is back after it was killed. */
  readonly revive: () => Promise<void>;
}

export interface QuestionEnds {
  readonly asked: Questions;
  readonly service: PeerService;
}
