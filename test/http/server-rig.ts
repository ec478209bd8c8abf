/** An HTTP server over functions that a test can replace; nothing listens unless the test asks for it. */
import type { ReloadOutcome } from "../../src/gateway/status.js";
import { type HttpAddress, type HttpDeps, createHttpServer } from "../../src/http/server.js";
import { sampleStatus } from "../telemetry/sample-status.js";

export const LOOPBACK: HttpAddress = { host: "127.0.0.1", port: 0 };

export function sampleOutcome(changes: Partial<ReloadOutcome> = {}): ReloadOutcome {
  const lists = { problems: [], started: ["orders"], stopped: [], restarted: [], updated: [] };
  return { result: "applied", hash: "c0ffee", kept: 2, ...lists, ...changes };
}

export function serverWith(deps: Partial<HttpDeps> = {}, address: HttpAddress = LOOPBACK) {
  const defaults: HttpDeps = {
    status: () => sampleStatus(),
    effectiveConfig: () => ({}),
    reload: () => Promise.resolve(sampleOutcome()),
    metrics: () => Promise.resolve({ contentType: "text/plain; version=0.0.4; charset=utf-8", text: "up 1\n" }),
    alive: () => true,
  };
  return createHttpServer({ ...defaults, ...deps }, address);
}
