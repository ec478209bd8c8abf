/**
 * What a site keeps whatever happens to its gateways: its clock, its buckets, its operation logs, its state. Applications
 * write here whether a gateway runs or not.
 */
import type { BucketName, SiteId } from "../../src/core/ids.js";
import type { Clock } from "../../src/core/ports.js";
import { type Application, createApplication } from "./application.js";
import type { Beating } from "./pulse.js";
import type { Answering } from "./questions.js";
import { type MemoryStream, type StreamOptions, createMemoryStream } from "./stream.js";
import { createSkewedClock } from "./virtual-clock.js";

export interface MemorySite extends Beating {
  readonly id: SiteId;
  /** Of its server and of its gateways alike. */
  readonly clock: Clock;
  /** By how much that clock is wrong. */
  skewMs: number;
  bucket(name: BucketName): MemorySiteBucket;
  /** What the state bucket holds: key to JSON text. */
  readonly state: Map<string, string>;
}

export interface MemorySiteBucket extends Answering {
  readonly stream: MemoryStream;
  readonly log: MemoryStream;
  readonly app: Application;
}

export function createMemorySite(clock: Clock, id: SiteId, options: Partial<StreamOptions> = {}): MemorySite {
  const buckets = new Map<BucketName, MemorySiteBucket>();
  const site: MemorySite = {
    id,
    clock: createSkewedClock(clock, () => site.skewMs),
    skewMs: 0,
    pulses: new Map(),
    bucket(name) {
      const existing = buckets.get(name);
      if (existing !== undefined) return existing;
      const stream = createMemoryStream(site.clock, options);
      stream.create();
      const made = { stream, log: createMemoryStream(site.clock), app: createApplication(stream), answering: [] };
      buckets.set(name, made);
      return made;
    },
    state: new Map(),
  };
  return site;
}
