/** An HTTP server over functions that a test can replace; nothing listens unless the test asks for it. */
import type { BucketName, SiteId } from "../../src/core/ids.js";
import type { BucketSetAsides, PauseOutcome, ReloadOutcome, SetAsideItem } from "../../src/gateway/status.js";
import { type HttpAddress, type HttpDeps, createHttpServer } from "../../src/http/server.js";
import { sampleStatus } from "../telemetry/sample-status.js";

export const LOOPBACK: HttpAddress = { host: "127.0.0.1", port: 0 };

export function sampleOutcome(changes: Partial<ReloadOutcome> = {}): ReloadOutcome {
  const lists = { problems: [], started: ["orders"], stopped: [], restarted: [], updated: [] };
  return { result: "applied", hash: "c0ffee", kept: 2, ...lists, ...changes };
}

export function samplePause(bucket: string, changes: Partial<PauseOutcome> = {}): PauseOutcome {
  return { bucket: bucket as BucketName, state: "starting", pausedBy: [], message: "as asked", ...changes };
}

export const sampleSetAside = (changes: Partial<SetAsideItem> = {}): SetAsideItem => ({
  ...{ key: "k", origin: "site-b", reason: "far_future", kind: "put", detail: "its version is 2 d ahead of the clock here" },
  ...{ version: "1893628800000000 site-b", versionAt: "2030-01-03T00:00:00.000Z", since: "2030-01-01T00:04:00.000Z" },
  ...changes,
});

export function sampleSetAsides(bucket: string, changes: Partial<BucketSetAsides> = {}): BucketSetAsides {
  const done = { bucket: bucket as BucketName, done: [sampleSetAside()], refused: [] };
  return {
    list: () => ({ bucket: bucket as BucketName, count: 1, operations: [sampleSetAside()] }),
    release: () => Promise.resolve(done),
    drop: () => Promise.resolve(done),
    ...changes,
  };
}

export function serverWith(deps: Partial<HttpDeps> = {}, address: HttpAddress = LOOPBACK) {
  const defaults: HttpDeps = {
    status: () => sampleStatus(),
    effectiveConfig: () => ({}),
    reload: () => Promise.resolve(sampleOutcome()),
    reconcile: (bucket) => ({ bucket: bucket as BucketName, requestedAt: "2030-01-01T00:05:00.000Z", peers: ["site-b" as SiteId] }),
    pause: (bucket) => Promise.resolve(samplePause(bucket, { state: "paused", pausedBy: ["request"] })),
    resume: (bucket) => Promise.resolve(samplePause(bucket)),
    setAsides: (bucket) => sampleSetAsides(bucket),
    metrics: () => Promise.resolve({ contentType: "text/plain; version=0.0.4; charset=utf-8", text: "up 1\n" }),
    alive: () => true,
  };
  return createHttpServer({ ...defaults, ...deps }, address);
}
