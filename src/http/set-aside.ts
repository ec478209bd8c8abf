/**
 * `/api/v1/buckets/{bucket}/set-aside`: what could not be applied or logged, and what can be done about it. Which records
 * are meant stands in the query: `key=…`, or `all=true`; with `origin=…` only those of that site.
 */
import type { FastifyInstance, FastifyReply } from "fastify";
import type { ErrorCode } from "../core/errors.js";
import type { BucketSetAsides, SetAsideSelection } from "../gateway/status.js";
import { actOnBucket } from "./api.js";

export interface SetAsideDeps {
  /** KVGW_USAGE for an unknown bucket, KVGW_BUCKET_NOT_RUNNING. */
  setAsides(bucket: string): BucketSetAsides;
}

const PATH = "/api/v1/buckets/:bucket/set-aside";

export function registerSetAside(app: FastifyInstance, deps: SetAsideDeps): void {
  app.get(PATH, actOnBucket(200, (bucket) => deps.setAsides(bucket).list()));
  for (const what of ["release", "drop"] as const) {
    app.post(`${PATH}/${what}`, async (request, reply) => {
      const selection = selectionOf(request.query);
      if (selection === null) return refuseQuery(reply);
      return actOnBucket(200, (bucket) => deps.setAsides(bucket)[what](selection))(request, reply);
    });
  }
}

/** Null where it is not said clearly which records are meant: nothing is everything by mistake. */
function selectionOf(query: unknown): SetAsideSelection | null {
  const { key, origin, all } = query as Readonly<Record<string, unknown>>;
  const isAll = all === "true";
  if (isAll === (key !== undefined) || (all !== undefined && !isAll)) return null;
  if ((key !== undefined && typeof key !== "string") || (origin !== undefined && typeof origin !== "string")) return null;
  return { key: key ?? null, origin: origin ?? null };
}

function refuseQuery(reply: FastifyReply): FastifyReply {
  const code: ErrorCode = "KVGW_USAGE";
  const message = "name one key (?key=…), or all (?all=true); with ?origin=… only what that site wrote";
  return reply.code(400).send({ code, message });
}
