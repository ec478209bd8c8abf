/** `GET /metrics`: the exposition text, for Prometheus. What stands in it is the telemetry's business. */
import type { FastifyInstance } from "fastify";

export interface MetricsDeps {
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
}

export function registerMetrics(app: FastifyInstance, deps: MetricsDeps): void {
  app.get("/metrics", async (_request, reply) => {
    const { contentType, text } = await deps.metrics();
    return reply.type(contentType).send(text);
  });
}
