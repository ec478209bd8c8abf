/**
 * NATS errors as ours: one place decides what a failure means, so that everyone above asks for a code and not for a
 * class of the client library.
 */
import { JetStreamApiError, JetStreamError } from "@nats-io/jetstream";
import { errors } from "@nats-io/transport-node";
import { type ErrorCode, GatewayError } from "../core/errors.js";

/** JetStream API error codes that mean something to us. */
export const API_ERROR = {
  streamNotFound: 10059,
  consumerNotFound: 10014,
  messageNotFound: 10037,
  sequenceNotFound: 10043,
  messageDeleteFailed: 10057,
  wrongLastSequence: 10071,
  wrongLastSequenceInFlight: 10164,
  wrongLastSequenceTransient: 10163,
  messageTooLarge: 10054,
  bytesExceeded: 10077,
  messagesExceeded: 10076,
  headersTooLarge: 10097,
  storageExceeded: 10047,
  accountResourcesExceeded: 10002,
  insufficientResources: 10023,
  replicasNotSupported: 10074,
  noJetStreamHere: 10039,
} as const;

const FULL: readonly number[] = [
  API_ERROR.bytesExceeded,
  API_ERROR.messagesExceeded,
  API_ERROR.storageExceeded,
  API_ERROR.accountResourcesExceeded,
  API_ERROR.insufficientResources,
];

/** @param where what was being done, as the start of a sentence: `bucket config at site-a` */
export function toFailure(thrown: unknown, where: string): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  const because = thrown instanceof Error ? thrown.message : String(thrown);
  const failure = (code: ErrorCode, advice: string) => new GatewayError(code, `${where}: ${because}; ${advice}`, thrown);
  // A request that was denied fails as a request; why stands behind it.
  if (isDenial(thrown) || (thrown instanceof errors.RequestError && isDenial(thrown.cause))) {
    return failure("KVGW_DENIED", "give the gateway's NATS user this permission");
  }
  if (thrown instanceof errors.TimeoutError) return failure("KVGW_TIMEOUT", "the server did not answer; retried");
  if (thrown instanceof errors.NoRespondersError || (thrown instanceof errors.RequestError && thrown.isNoResponders())) {
    return failure("KVGW_UNREACHABLE", "JetStream does not answer there; check that it is enabled and the domain exists");
  }
  if (thrown instanceof JetStreamApiError) return apiFailure(thrown.code, because, where, undefined, thrown);
  if (thrown instanceof JetStreamError || isConnectionProblem(thrown)) {
    return failure("KVGW_UNREACHABLE", "retried until the server answers");
  }
  return failure("KVGW_UNREACHABLE", "retried");
}

/** A refusal that came as an answer to a publish or an API request. */
export function apiFailure(
  code: number,
  description: string,
  where: string,
  full: "KVGW_BUCKET_FULL" | "KVGW_LOG_FULL" = "KVGW_BUCKET_FULL",
  cause?: unknown,
): GatewayError {
  const said = `${where}: ${description} (${code})`;
  if (FULL.includes(code)) {
    return new GatewayError(full, `${said}; raise its limits or free space: retried until then`, cause);
  }
  if (code === API_ERROR.noJetStreamHere) {
    return new GatewayError("KVGW_DENIED", `${said}; enable JetStream for this account`, cause);
  }
  return new GatewayError("KVGW_UNREACHABLE", `${said}; retried`, cause);
}

/** A publish that was certainly not stored, though JetStream has said nothing about it. */
export function notStored(why: "no-stream" | "disconnected" | "denied", where: string): GatewayError {
  switch (why) {
    case "no-stream":
      return new GatewayError("KVGW_UNREACHABLE", `${where}: no stream answers; retried`);
    case "disconnected":
      return new GatewayError("KVGW_UNREACHABLE", `${where}: not connected; retried`);
    case "denied":
      return new GatewayError("KVGW_DENIED", `${where}: publish denied; give the gateway's NATS user this permission`);
  }
}

export const isApiError = (thrown: unknown, code: number): boolean =>
  thrown instanceof JetStreamApiError && thrown.code === code;

/** Nobody takes what is sent there: certainly not stored. Where there is such a stream, it has no leader now. */
export const isUnheard = (thrown: unknown): boolean =>
  thrown instanceof Error && [thrown, thrown.cause].some((each) => each instanceof errors.RequestError && each.isNoResponders());

const isDenial = (thrown: unknown): boolean =>
  thrown instanceof errors.PermissionViolationError || thrown instanceof errors.AuthorizationError;

function isConnectionProblem(thrown: unknown): boolean {
  return thrown instanceof errors.ConnectionError || thrown instanceof errors.ClosedConnectionError;
}
