/**
 * `/api/v1`: what the gateway knows and can be told. Snapshots are passed on as they are, so that the API says nothing
 * that the gateway does not.
 */
import type { FastifyInstance } from "fastify";
import type { ErrorCode } from "../core/errors.js";
import type { GatewayStatus, ReloadOutcome } from "../gateway/status.js";

export interface ApiDeps {
  status(): GatewayStatus;
  /** The config in force, secrets blanked. */
  effectiveConfig(): unknown;
  /** Reads the config file again; resolves when what it asks for is applied or refused. */
  reload(): Promise<ReloadOutcome>;
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
}
