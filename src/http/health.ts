/**
 * What an orchestrator asks. Alive depends on nothing outside the process: a restart mends no network. Ready is what
 * the gateway's status says; remote sites do not matter for it.
 */
import type { FastifyInstance } from "fastify";
import type { BucketState } from "../core/events.js";
import type { BucketStatus, GatewayStatus } from "../gateway/status.js";

export interface HealthDeps {
  alive(): boolean;
  status(): GatewayStatus;
}

export function registerHealth(app: FastifyInstance, deps: HealthDeps): void {
  app.get("/livez", (_request, reply) => {
    const ok = deps.alive();
    return reply.code(ok ? 200 : 503).send({ ok });
  });
  app.get("/readyz", (_request, reply) => {
    const { ready, notReady, buckets } = deps.status();
    const states = Object.entries<BucketStatus>(buckets).map(([name, { state }]) => [name, state] as const);
    const body = { ready, missing: notReady, buckets: Object.fromEntries<BucketState>(states) };
    return reply.code(ready ? 200 : 503).send(body);
  });
}
