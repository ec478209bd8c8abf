/**
 * `/api/v1`: what the gateway knows and can be told. Snapshots are passed on as they are, so that the API says nothing
 * that the gateway does not.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type ErrorCode, GatewayError } from "../core/errors.js";
import type { GatewayStatus, PauseOutcome, ReconcileRequest, ReloadOutcome } from "../gateway/status.js";

export interface ApiDeps {
  status(): GatewayStatus;
  /** The config in force, secrets blanked. */
  effectiveConfig(): unknown;
  /** Reads the config file again; resolves when what it asks for is applied or refused. */
  reload(): Promise<ReloadOutcome>;
  /** KVGW_USAGE for an unknown bucket, KVGW_BUCKET_NOT_RUNNING. */
  reconcile(bucket: string): ReconcileRequest;
  /** KVGW_USAGE for an unknown bucket, KVGW_UNREACHABLE, KVGW_STATE_UNAVAILABLE. */
  pause(bucket: string): Promise<PauseOutcome>;
  resume(bucket: string): Promise<PauseOutcome>;
}

export function registerApi(app: FastifyInstance, deps: ApiDeps): void {
  app.get("/api/v1/status", (_request, reply) => reply.send(deps.status()));
  app.get("/api/v1/config", (_request, reply) => reply.send(deps.effectiveConfig()));
  app.post("/api/v1/reload", async (_request, reply) => {
    const outcome = await deps.reload();
    if (outcome.result !== "rejected") return reply.send(outcome);
    const code: ErrorCode = "KVGW_CONFIG_INVALID";
    const message = "config refused, nothing was changed; mend the problems listed";
    return reply.code(422).send({ code, message, ...outcome });
  });
  // The rounds come later; a bucket is paused or resumed when the answer comes.
  app.post("/api/v1/buckets/:bucket/reconcile", actOnBucket(202, (bucket) => deps.reconcile(bucket)));
  app.post("/api/v1/buckets/:bucket/pause", actOnBucket(200, (bucket) => deps.pause(bucket)));
  app.post("/api/v1/buckets/:bucket/resume", actOnBucket(200, (bucket) => deps.resume(bucket)));
}

/** What these answer when the gateway refuses; any other failure is told as everywhere. */
const STATUS_BY_CODE: Partial<Record<ErrorCode, number>> = {
  KVGW_USAGE: 404,
  KVGW_BUCKET_NOT_RUNNING: 409,
  KVGW_STANDBY: 409,
  KVGW_WORKED_ELSEWHERE: 409,
  KVGW_UNREACHABLE: 503,
  KVGW_TIMEOUT: 503,
  KVGW_STATE_UNAVAILABLE: 503,
};

export function actOnBucket(status: number, act: (bucket: string) => unknown) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { bucket } = request.params as { readonly bucket: string };
    try {
      return await reply.code(status).send(await act(bucket));
    } catch (thrown) {
      const refusal = thrown instanceof GatewayError ? STATUS_BY_CODE[thrown.code] : undefined;
      if (!(thrown instanceof GatewayError) || refusal === undefined) throw thrown;
      const { code, message } = thrown;
      return reply.code(refusal).send({ code, message });
    }
  };
}
