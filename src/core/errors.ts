/**
 * The catalogue of errors. A code is stable and never reused: scripts, alerts and the runbook name it. The message
 * says what is wrong and what to do about it.
 */

/** `retry`: goes away by itself · `operator`: someone must change something · `bug`: ours. */
export type Remedy = "retry" | "operator" | "bug";

export const ERROR_REMEDY = {
  KVGW_CONFIG_INVALID: "operator",
  KVGW_CONFIG_UNREADABLE: "operator",
  KVGW_USAGE: "operator",
  KVGW_UNREACHABLE: "retry",
  KVGW_TIMEOUT: "retry",
  KVGW_DENIED: "operator",
  KVGW_BUCKET_MISSING: "operator",
  KVGW_BUCKET_UNSUITABLE: "operator",
  KVGW_BUCKET_FULL: "operator",
  KVGW_BUCKET_NOT_RUNNING: "operator",
  KVGW_LOG_MISSING: "retry",
  KVGW_LOG_UNSUITABLE: "operator",
  KVGW_LOG_FULL: "operator",
  KVGW_STREAM_CHANGED: "retry",
  KVGW_READER_LOST: "retry",
  KVGW_APPLY_STUCK: "retry",
  KVGW_PEER_UNSUITABLE: "operator",
  KVGW_PEER_SILENT: "retry",
  KVGW_PEER_NOT_LIVE: "retry",
  KVGW_ANSWER_UNREADABLE: "retry",
  KVGW_SET_ASIDE_FULL: "operator",
  KVGW_STATE_UNAVAILABLE: "retry",
  KVGW_STATE_CHANGED: "retry",
  KVGW_STANDBY: "retry",
  KVGW_WORKED_ELSEWHERE: "retry",
  KVGW_SECRET_UNREADABLE: "operator",
  KVGW_SERVER_UNSUITABLE: "operator",
  KVGW_INTERNAL: "bug",
} as const satisfies Record<string, Remedy>;

export type ErrorCode = keyof typeof ERROR_REMEDY;

export class GatewayError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "GatewayError";
    this.code = code;
  }

  get remedy(): Remedy {
    return ERROR_REMEDY[this.code];
  }
}

/** Whatever was thrown, as one of ours: an unknown kind is a bug of this program and says so. */
export function toGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new GatewayError("KVGW_INTERNAL", `unexpected: ${message}; please report it with the log around it`, thrown);
}
