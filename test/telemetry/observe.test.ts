/** Every event of the union becomes one log line and is counted where it tells of an error. */
import { describe, expect, test } from "vitest";
import type { ErrorCode } from "../../src/core/errors.js";
import type { GatewayEvent } from "../../src/core/events.js";
import type { LogLevel } from "../../src/telemetry/log.js";
import { createLogger } from "../../src/telemetry/log.js";
import { createMetrics } from "../../src/telemetry/metrics.js";
import { createObserver } from "../../src/telemetry/observe.js";
import { parseExposition } from "./exposition.js";
import { ORDERS, SITE_A, SITE_B, sampleStatus } from "./sample-status.js";

function rig() {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const logger = createLogger({ site: SITE_A, level: "trace", destination: { write } });
  const metrics = createMetrics({ status: () => sampleStatus(), counters: () => new Map() });
  const observe = createObserver({ logger, metrics });
  const countedErrors = async () => {
    const samples = parseExposition(await metrics.text()).get("kvgw_errors_total")?.samples ?? [];
    const counted = samples.filter(({ value }) => value > 0).map(({ labels, value }) => [labels["code"], value]);
    return Object.fromEntries(counted) as Record<string, number>;
  };
  return { lines, observe, countedErrors };
}

const reasonOf = (code: ErrorCode) => ({ code, message: "it does not work" });
const RETRY = reasonOf("KVGW_TIMEOUT");
const OPERATOR = reasonOf("KVGW_BUCKET_UNSUITABLE");

interface Case<Type> {
  readonly event: Extract<GatewayEvent, { type: Type }>;
  readonly level: LogLevel;
  /** What the line must hold beside level and message. */
  readonly fields: Readonly<Record<string, unknown>>;
}

const CASES: { readonly [Type in GatewayEvent["type"]]: Case<Type> } = {
  "gateway-started": {
    event: { type: "gateway-started", site: SITE_A, version: "1.2.3", buckets: 2 },
    level: "info",
    fields: { site: SITE_A, version: "1.2.3", buckets: 2 },
  },
  "gateway-stopping": {
    event: { type: "gateway-stopping", signal: "SIGTERM" },
    level: "info",
    fields: { signal: "SIGTERM" },
  },
  "gateway-stopped": { event: { type: "gateway-stopped" }, level: "info", fields: {} },
  "process-held": { event: { type: "process-held", by: ["Timeout", "TCPSocketWrap"] }, level: "warn", fields: { by: "Timeout, TCPSocketWrap" } },
  lease: {
    event: { type: "lease", state: "lost", holder: "process 8 on host-b", reason: reasonOf("KVGW_STANDBY") },
    level: "warn",
    fields: { holder: "process 8 on host-b", code: "KVGW_STANDBY", reason: "it does not work" },
  },
  sharing: {
    event: { type: "sharing", state: "unknown", members: ["process 8 on host-b"], reason: reasonOf("KVGW_STATE_UNAVAILABLE") },
    level: "warn",
    fields: { members: ["process 8 on host-b"], code: "KVGW_STATE_UNAVAILABLE", reason: "it does not work" },
  },
  "config-applied": {
    event: {
      type: "config-applied", hash: "c0ffee", started: [ORDERS], stopped: [], restarted: [], updated: [], kept: 4,
    },
    level: "info",
    fields: { hash: "c0ffee", started: [ORDERS], stopped: [], restarted: [], updated: [] },
  },
  "config-unchanged": {
    event: { type: "config-unchanged", hash: "c0ffee" },
    level: "info",
    fields: { hash: "c0ffee" },
  },
  "config-rejected": {
    event: { type: "config-rejected", problems: ["gateway.yaml:1:1 site: missing", "second"] },
    level: "error",
    fields: { problems: ["gateway.yaml:1:1 site: missing", "second"], code: "KVGW_CONFIG_INVALID" },
  },
  "site-connected": {
    event: { type: "site-connected", peer: SITE_B, server: "127.0.0.1:4222" },
    level: "info",
    fields: { peer: SITE_B, server: "127.0.0.1:4222" },
  },
  "site-disconnected": {
    event: { type: "site-disconnected", peer: SITE_B, message: "connection reset" },
    level: "warn",
    fields: { peer: SITE_B, reason: "connection reset", code: "KVGW_UNREACHABLE" },
  },
  "bucket-state": {
    event: { type: "bucket-state", bucket: ORDERS, state: "degraded", reason: RETRY },
    level: "warn",
    fields: { bucket: ORDERS, code: RETRY.code, reason: RETRY.message },
  },
  "bucket-retry": {
    event: { type: "bucket-retry", bucket: ORDERS, reason: OPERATOR, delayMs: 250 },
    level: "error",
    fields: { bucket: ORDERS, delayMs: 250, code: OPERATOR.code, reason: OPERATOR.message },
  },
  "bucket-removed": { event: { type: "bucket-removed", bucket: ORDERS }, level: "info", fields: { bucket: ORDERS } },
  "peer-state": {
    event: { type: "peer-state", bucket: ORDERS, peer: SITE_B, state: "degraded", reason: RETRY },
    level: "warn",
    fields: { bucket: ORDERS, peer: SITE_B, code: RETRY.code, reason: RETRY.message },
  },
  "few-replicas": {
    event: { type: "few-replicas", bucket: ORDERS, of: "site state", replicas: 1, wanted: 3 },
    level: "warn",
    fields: { bucket: ORDERS, replicas: 1, wanted: 3 },
  },
  "log-resumed": {
    event: { type: "log-resumed", bucket: ORDERS, sequence: 42, resent: 3 },
    level: "info",
    fields: { bucket: ORDERS, sequence: 42, resent: 3 },
  },
  "checkpoint-reset": {
    event: { type: "checkpoint-reset", bucket: ORDERS, peer: SITE_B, why: "the log was made anew" },
    level: "warn",
    fields: { bucket: ORDERS, peer: SITE_B, reason: "the log was made anew" },
  },
  restored: {
    event: { type: "restored", bucket: ORDERS, keys: 3 },
    level: "warn",
    fields: { bucket: ORDERS, keys: 3 },
  },
  relogged: {
    event: { type: "relogged", bucket: ORDERS, keys: 3 },
    level: "warn",
    fields: { bucket: ORDERS, keys: 3 },
  },
  "clock-skew": {
    event: { type: "clock-skew", bucket: ORDERS, peer: SITE_B, skewMs: 7_000.4, isWrong: true },
    level: "warn",
    fields: { bucket: ORDERS, peer: SITE_B, skewMs: 7_000 },
  },
  reconciled: {
    event: { type: "reconciled", bucket: ORDERS, peer: SITE_B, reason: RETRY, repaired: 0 },
    level: "warn",
    fields: { bucket: ORDERS, peer: SITE_B, repaired: 0, code: RETRY.code, reason: RETRY.message },
  },
  rejoining: {
    event: { type: "rejoining", bucket: ORDERS, by: SITE_B },
    level: "warn",
    fields: { bucket: ORDERS, by: SITE_B },
  },
  rejoined: {
    event: { type: "rejoined", bucket: ORDERS, ghosts: 2 },
    level: "warn",
    fields: { bucket: ORDERS, ghosts: 2 },
  },
  vanished: {
    event: { type: "vanished", bucket: ORDERS, keys: 3 },
    level: "warn",
    fields: { bucket: ORDERS, keys: 3 },
  },
  sweep: {
    event: { type: "sweep", bucket: ORDERS, reason: OPERATOR },
    level: "error",
    fields: { bucket: ORDERS, code: OPERATOR.code, reason: OPERATOR.message },
  },
  bug: {
    event: { type: "bug", reason: { code: "KVGW_INTERNAL", message: "unexpected" } },
    level: "error",
    fields: { code: "KVGW_INTERNAL", reason: "unexpected" },
  },
  "set-aside": {
    event: {
      type: "set-aside",
      bucket: ORDERS,
      setAside: {
        key: "k".repeat(3_000), origin: SITE_B, reason: "too_large", detail: "2 MiB", kind: "put", version: null,
        at: { created: "1", position: 7 },
      },
    },
    level: "error",
    fields: { bucket: ORDERS, origin: SITE_B, reason: "too_large", position: 7, key: `${"k".repeat(255)}…` },
  },
};

describe.each(Object.values(CASES))("the event $event.type", ({ event, level, fields }) => {
  test("gives one log line with its level and all that the event tells", () => {
    const { lines, observe } = rig();
    observe(event);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ level, site: SITE_A, ...fields });
    expect(lines[0]?.["msg"]).toMatch(/^[a-z][a-z0-9 ,:]+$/);
  });

  test("counts as an error exactly when its line carries a code", async () => {
    const { lines, observe, countedErrors } = rig();
    observe(event);
    const code = lines[0]?.["code"];
    expect(await countedErrors()).toEqual(code === undefined ? {} : { [code as string]: 1 });
  });
});

describe("the level of a bucket's state", () => {
  const levelOf = (state: "live" | "degraded" | "parked", reason: typeof RETRY | null) => {
    const { lines, observe } = rig();
    observe({ type: "bucket-state", bucket: ORDERS, state, reason });
    return lines[0]?.["level"];
  };

  test("is info while nothing is wrong", () => expect(levelOf("live", null)).toBe("info"));
  test("is warn for what goes away by itself", () => expect(levelOf("degraded", RETRY)).toBe("warn"));
  test("is error for what an operator must mend", () => expect(levelOf("degraded", OPERATOR)).toBe("error"));
  test("is error for a bug", () => expect(levelOf("degraded", reasonOf("KVGW_INTERNAL"))).toBe("error"));
  test("is error once the bucket is given up, whatever for", () => expect(levelOf("parked", RETRY)).toBe("error"));
});

test("a message names the state that a bucket or peer is in now", () => {
  const { lines, observe } = rig();
  observe({ type: "bucket-state", bucket: ORDERS, state: "paused", reason: null });
  observe({ type: "peer-state", bucket: ORDERS, peer: SITE_B, state: "live", reason: null });
  expect(lines.map(({ msg }) => msg)).toEqual(["bucket paused", "peer live"]);
});
