/**
 * What a site keeps whatever happens to its gateways: a NATS server with its clock, buckets, logs and state. All that
 * changes in it goes into the history.
 */
import type { BucketName } from "../../../src/core/ids.js";
import type { Clock } from "../../../src/core/ports.js";
import type { Answering } from "../../memory/questions.js";
import type { Present } from "../../memory/presence.js";
import type { Beating } from "../../memory/pulse.js";
import { type MemoryStream, type StreamMessage, type StreamObserver, createMemoryStream } from "../../memory/stream.js";
import { createSkewedClock } from "../../memory/virtual-clock.js";
import type { Mix } from "../plan.js";
import type { Recorder } from "./recorder.js";

export interface SimSite extends Beating {
  readonly name: string;
  /** The server's clock. */
  readonly clock: Clock;
  /** By how much the server is wrong, and by how much more the gateway's host is. */
  skewMs: number;
  hostSkewMs: number;
  /** Whether the server runs. */
  up: boolean;
  /** It takes no writes: a full disk, a quota, a lost permission. */
  refusing: "KVGW_BUCKET_FULL" | "KVGW_DENIED" | null;
  readonly buckets: ReadonlyMap<string, SiteBucket>;
  readonly state: Map<string, string>;
  /** Which gateways of the site are there. */
  readonly present: Present;
}

export interface SiteBucket extends Answering {
  readonly bucket: MemoryStream;
  readonly log: MemoryStream;
}

/** @param onApplied hears of every entry that a gateway wrote into a bucket */
export function createSimSite(
  clock: Clock,
  name: string,
  mix: Mix,
  recorder: Recorder,
  onApplied: (bucket: string, key: string) => void,
): SimSite {
  const site: SimSite = {
    name,
    clock: createSkewedClock(clock, () => site.skewMs),
    skewMs: mix.skewMs[name] ?? 0,
    hostSkewMs: mix.hostSkewMs[name] ?? 0,
    up: true,
    refusing: null,
    pulses: new Map(),
    buckets: new Map(),
    state: createRecordedState(name, recorder),
    present: new Map(),
  };
  const buckets = site.buckets as Map<string, SiteBucket>;
  for (const { name: bucket, sites, history, messageTtl, markers, maxAgeMs } of mix.buckets) {
    if (!sites.includes(name)) continue;
    const watch = (place: "bucket" | "log") => observerOf(recorder, name, place, bucket, onApplied);
    const stream = createMemoryStream(site.clock, { history, messageTtl, markers, maxAgeMs }, watch("bucket"));
    stream.create();
    buckets.set(bucket, { bucket: stream, log: createMemoryStream(site.clock, {}, watch("log")), answering: [] });
  }
  return site;
}

export function bucketOf(site: SimSite, bucket: BucketName | string): SiteBucket {
  const found = site.buckets.get(bucket);
  if (found === undefined) throw new RangeError(`there is no bucket ${bucket} at ${site.name}`);
  return found;
}

export const textOf = (payload: Uint8Array): string =>
  payload.length === 0 ? "" : Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString("latin1");

function observerOf(
  recorder: Recorder,
  site: string,
  place: "bucket" | "log",
  bucket: string,
  onApplied: (bucket: string, key: string) => void,
): StreamObserver {
  return {
    onStored({ subject: key, sequence, timestampNs, block, payload }: StreamMessage, created) {
      const message = { site, bucket, key, created, sequence, timestampNs, block, value: textOf(payload) };
      recorder.add({ what: "stored", place, ...message, op: recorder.writing() });
      if (place === "bucket" && block.includes("Kvgw-Version")) onApplied(bucket, key);
    },
    onRemoved({ subject: key, sequence }, why) {
      recorder.count(why === "expired" ? "expiries" : "messages purged");
      recorder.add({ what: "removed", place, site, bucket, key, sequence, why });
    },
  };
}

function createRecordedState(site: string, recorder: Recorder): Map<string, string> {
  const state = new Map<string, string>();
  const set = state.set.bind(state);
  state.set = (key, text) => {
    recorder.add({ what: "saved", site, key, text });
    return set(key, text);
  };
  return state;
}
