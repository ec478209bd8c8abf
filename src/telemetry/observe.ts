/**
 * The one place where events become log lines and counts. The level says what the operator must do: `error` means
 * that someone must act, `warn` that it goes away by itself, `info` that nothing is wrong.
 *
 * Which codes count as errors is decided in `readings.ts`; a line carries the code that was counted, so the log and
 * `kvgw_errors_total` agree.
 */
import { type ErrorCode, ERROR_REMEDY } from "../core/errors.js";
import type { GatewayEvent, Observe, Reason } from "../core/events.js";
import type { LogField, LogLevel, Logger } from "./log.js";
import type { Metrics } from "./metrics.js";
import { errorCodeOf } from "./readings.js";

interface Line {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, LogField>>;
}

export function createObserver(deps: {
  readonly logger: Pick<Logger, "log">;
  readonly metrics: Pick<Metrics, "observe">;
}): Observe {
  return (event) => {
    deps.metrics.observe(event);
    const code = errorCodeOf(event);
    const line = describe(event);
    deps.logger.log(line.level, line.message, code === null ? line.fields : { ...line.fields, code });
  };
}

function describe(event: GatewayEvent): Line {
  switch (event.type) {
    case "gateway-started":
    case "gateway-stopping":
    case "gateway-stopped":
    case "process-held":
      return describeLife(event);
    case "lease":
      return describeLease(event);
    case "sharing":
      return describeSharing(event);
    case "config-applied":
    case "config-unchanged":
    case "config-rejected":
      return describeReload(event);
    case "site-connected":
      return info("site connected", { peer: event.peer, server: event.server });
    case "site-disconnected":
      return { level: "warn", message: "site disconnected", fields: { peer: event.peer, reason: event.message } };
    case "bucket-state": {
      // A parked bucket stays so until someone acts, whatever put it there.
      const level = event.state === "parked" ? "error" : levelOf(event.reason?.code);
      return { level, message: `bucket ${event.state}`, fields: { bucket: event.bucket, ...because(event.reason) } };
    }
    case "bucket-retry": {
      const fields = { bucket: event.bucket, delayMs: event.delayMs, ...because(event.reason) };
      return { level: levelOf(event.reason.code), message: "bucket will be tried again", fields };
    }
    case "bucket-removed":
      return info("bucket removed", { bucket: event.bucket });
    case "peer-state": {
      const fields = { bucket: event.bucket, peer: event.peer, ...because(event.reason) };
      return { level: levelOf(event.reason?.code), message: `peer ${event.state}`, fields };
    }
    case "few-replicas": {
      const { bucket, of, replicas, wanted } = event;
      return { level: "warn", message: `the servers refuse the ${of} as many replicas as its bucket has`, fields: { bucket, replicas, wanted } };
    }
    case "log-resumed":
      return info("operation log resumed", { bucket: event.bucket, sequence: event.sequence, resent: event.resent });
    case "checkpoint-reset": {
      const fields = { bucket: event.bucket, peer: event.peer, reason: event.why };
      return { level: "warn", message: "checkpoint reset", fields };
    }
    case "rejoining":
    case "rejoined":
    case "vanished":
    case "restored":
    case "relogged":
    case "clock-skew":
    case "reconciled":
    case "sweep":
      return describeUpkeep(event);
    case "bug":
      return { level: "error", message: "mistake of this program, please report it", fields: because(event.reason) };
    case "set-aside":
      return describeSetAside(event);
  }
}

type UpkeepType = "rejoining" | "rejoined" | "vanished" | "restored" | "relogged" | "clock-skew" | "reconciled" | "sweep";
type UpkeepEvent = Extract<GatewayEvent, { type: UpkeepType }>;

/** What keeps sites equal beside the flow of operations. */
function describeUpkeep(event: UpkeepEvent): Line {
  switch (event.type) {
    case "rejoining": {
      const message = "the bucket has come back as it was before, or another one, comparing with all peers before it is believed";
      return { level: "warn", message, fields: { bucket: event.bucket, by: event.by } };
    }
    case "rejoined": {
      const message = "the bucket has been compared with all peers, what had been deleted everywhere is set aside";
      return { level: "warn", message, fields: { bucket: event.bucket, ghosts: event.ghosts } };
    }
    case "vanished": {
      const { bucket, keys } = event;
      return { level: "warn", message: "values have gone from the bucket without a delete, will be restored", fields: { bucket, keys } };
    }
    case "restored": {
      const { bucket, keys } = event;
      return { level: "warn", message: "the bucket had lost own writes, restored from the operation log", fields: { bucket, keys } };
    }
    case "relogged": {
      const { bucket, keys } = event;
      return { level: "warn", message: "own writes far in the future were logged again as of now", fields: { bucket, keys } };
    }
    case "clock-skew":
      return describeSkew(event);
    case "reconciled": {
      const { bucket, peer, repaired, reason } = event;
      const message = reason === null ? "reconciled" : "reconcile failed, will be tried again";
      return { level: levelOf(reason?.code), message, fields: { bucket, peer, repaired, ...because(reason) } };
    }
    case "sweep": {
      const message = event.reason === null ? "sweeping again" : "tombstones cannot be swept, will be tried again";
      return { level: levelOf(event.reason?.code), message, fields: { bucket: event.bucket, ...because(event.reason) } };
    }
  }
}

function describeSkew({ bucket, peer, skewMs, isWrong }: Extract<GatewayEvent, { type: "clock-skew" }>): Line {
  const message = isWrong ? "the clocks of the two sites disagree, mend the wrong one" : "the clocks of the two sites agree again";
  return { level: isWrong ? "warn" : "info", message, fields: { bucket, peer, skewMs: Math.round(skewMs) } };
}

function describeSetAside({ bucket, setAside }: Extract<GatewayEvent, { type: "set-aside" }>): Line {
  const { key, origin, reason, detail, at } = setAside;
  const fields = { bucket, origin, key, reason, detail, position: at.position };
  // What is far in the future is tried again by itself, as time passes.
  return { level: reason === "far_future" ? "warn" : "error", message: "operation set aside", fields };
}

const LEASE_MESSAGE: Readonly<Record<LeaseEvent["state"], string>> = {
  held: "this gateway is the active one of its site",
  waiting: "another gateway of this site is active, waiting as its standby",
  lost: "another gateway of this site has taken over, waiting as its standby",
  unknown: "the site's state does not say which gateway is active, going on as before",
};

type LeaseEvent = Extract<GatewayEvent, { type: "lease" }>;

type LifeEvent = Extract<GatewayEvent, { type: "gateway-started" | "gateway-stopping" | "gateway-stopped" | "process-held" }>;

function describeLife(event: LifeEvent): Line {
  switch (event.type) {
    case "gateway-started":
      return info("gateway started", { version: event.version, buckets: event.buckets });
    case "gateway-stopping":
      return info("gateway stopping", { signal: event.signal });
    case "gateway-stopped":
      return info("gateway stopped", {});
    case "process-held":
      return { level: "warn", message: "the gateway has stopped, and something holds its process, which ends now", fields: { by: event.by.join(", ") } };
  }
}

function describeLease({ state, holder, reason }: LeaseEvent): Line {
  return { level: levelOf(reason?.code), message: LEASE_MESSAGE[state], fields: { holder, ...because(reason) } };
}

function describeSharing({ state, members, reason }: Extract<GatewayEvent, { type: "sharing" }>): Line {
  if (state === "known") return info("gateways that share the buckets of this site", { members });
  const message = "it cannot be seen which gateways share the buckets of this site, going on as before";
  return { level: levelOf(reason?.code), message, fields: { members, ...because(reason) } };
}

type ReloadEvent = Extract<GatewayEvent, { type: `config-${string}` }>;

function describeReload(event: ReloadEvent): Line {
  switch (event.type) {
    case "config-applied": {
      const { hash, started, stopped, restarted, updated, kept } = event;
      const counts = `${started.length} started, ${stopped.length} stopped, ${restarted.length} restarted`;
      const message = `config applied: ${counts}, ${updated.length} updated, ${kept} kept`;
      return info(message, { hash, started, stopped, restarted, updated });
    }
    case "config-unchanged":
      return info("config unchanged", { hash: event.hash });
    case "config-rejected":
      return { level: "error", message: "config rejected, nothing was changed", fields: { problems: event.problems } };
  }
}

function info(message: string, fields: Line["fields"]): Line {
  return { level: "info", message, fields };
}

function levelOf(code: ErrorCode | undefined): LogLevel {
  // That another gateway of the site works a bucket is as it should be.
  if (code === undefined || code === "KVGW_WORKED_ELSEWHERE") return "info";
  return ERROR_REMEDY[code] === "retry" ? "warn" : "error";
}

function because(reason: Reason | null): { readonly reason?: string } {
  return reason === null ? {} : { reason: reason.message };
}
