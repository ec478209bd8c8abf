/**
 * The HTTP server: what every route has in common. It knows the gateway only as functions. Every answer, also a
 * refusal, carries the security headers; every refused request that could be read is answered `{code, message}`.
 */
import { METHODS } from "node:http";
import type { AddressInfo } from "node:net";
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type InjectOptions, type LightMyRequestResponse, fastify } from "fastify";
import { type ErrorCode, GatewayError, toGatewayError } from "../core/errors.js";
import { HTTP_BODY_BYTES_MAX } from "../core/limits.js";
import { type ApiDeps, registerApi } from "./api.js";
import { SECURITY_HEADERS, isHostAllowed, isOriginAllowed } from "./guard.js";
import { type HealthDeps, registerHealth } from "./health.js";
import { type MetricsDeps, registerMetrics } from "./metrics.js";
import { type PageDeps, registerPage } from "./page.js";
import { type SetAsideDeps, registerSetAside } from "./set-aside.js";

export type HttpDeps = ApiDeps & SetAsideDeps & HealthDeps & MetricsDeps & PageDeps;

export interface HttpAddress {
  readonly host: string;
  readonly port: number;
}

export interface HttpServer {
  /** The address in use; port 0 becomes a free one. KVGW_USAGE when it cannot be had. */
  listen(): Promise<HttpAddress>;
  /** Open connections are cut: a scraper that keeps its own alive must not hold up the end. */
  close(): Promise<void>;
  /** Answers a request without a socket. */
  inject(request: InjectOptions): Promise<LightMyRequestResponse>;
}

/** A client that takes longer to send its request is not one of ours; it would hold a socket for ever. */
const REQUEST_MS_MAX = 10_000;
/** Longer than any bucket's name with every character encoded. */
const NAME_LENGTH_MAX = 1_024;

export function createHttpServer(deps: HttpDeps, address: HttpAddress): HttpServer {
  const app = fastify({
    bodyLimit: HTTP_BODY_BYTES_MAX,
    requestTimeout: REQUEST_MS_MAX,
    forceCloseConnections: true,
    // A bucket's name in a path.
    routerOptions: { maxParamLength: NAME_LENGTH_MAX },
    frameworkErrors: (error, _request, reply) => {
      sendError(error, reply.headers(SECURITY_HEADERS));
    },
  });
  app.addHook("onRequest", async (request, reply) => {
    reply.headers(SECURITY_HEADERS);
    return guard(address.host, request, reply);
  });
  app.setErrorHandler<FastifyError>((error, _request, reply) => sendError(error, reply));
  app.setNotFoundHandler((_request, reply) => refuse(reply, 404, "no such page; GET / lists them"));
  ignoreBodies(app);
  registerRoutes(app, deps);
  return {
    listen: () => listen(app, address),
    close: () => app.close(),
    inject: (request) => app.inject(request),
  };
}

/** Sends the refusal itself, which ends the request; otherwise lets it pass. */
function guard(boundTo: string, request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
  const { host, origin } = request.headers;
  if (!isHostAllowed(boundTo, host)) {
    return refuse(reply, 403, "unknown Host; bound to loopback, this server answers to localhost, 127.0.0.1, [::1]");
  }
  const reads = request.method === "GET" || request.method === "HEAD";
  if (!reads && !isOriginAllowed(host, origin)) {
    return refuse(reply, 403, "pages of another origin may not change anything here");
  }
  return undefined;
}

/** No route reads a body yet. Whatever comes is taken up to the limit and dropped, whatever it claims to be. */
function ignoreBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, _body, done) => done(null));
}

/** Registers every route, and for its path a 405 for all methods that it does not take. */
function registerRoutes(app: FastifyInstance, deps: HttpDeps): void {
  const methodsByPath = new Map<string, Set<string>>();
  app.addHook("onRoute", ({ url, method }) => {
    const methods = methodsByPath.get(url) ?? new Set();
    methodsByPath.set(url, methods);
    for (const each of [method].flat()) methods.add(each);
  });
  registerHealth(app, deps);
  registerMetrics(app, deps);
  registerApi(app, deps);
  registerSetAside(app, deps);
  registerPage(app, deps);
  refuseOtherMethods(app, new Map(methodsByPath));
}

function refuseOtherMethods(app: FastifyInstance, methodsByPath: ReadonlyMap<string, ReadonlySet<string>>): void {
  for (const method of METHODS) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method);
  for (const [url, allowed] of methodsByPath) {
    const allow = [...allowed].join(", ");
    const others = app.supportedMethods.filter((method) => !allowed.has(method));
    const answer = (_request: FastifyRequest, reply: FastifyReply) =>
      refuse(reply.header("allow", allow), 405, `this path takes ${allow} only`);
    // Before the body is read: nobody wants it.
    app.route({ method: others, url, onRequest: async (request, reply) => answer(request, reply), handler: answer });
  }
}

function refuse(reply: FastifyReply, status: number, message: string): FastifyReply {
  return answerError(reply, status, "KVGW_USAGE", message);
}

/** A request that the framework refuses is the client's mistake; anything else thrown is ours. */
function sendError(error: FastifyError, reply: FastifyReply): FastifyReply {
  const status = error.statusCode ?? 500;
  if (status >= 400 && status < 500) return refuse(reply, status, error.message);
  const { code, message } = toGatewayError(error);
  return answerError(reply, 500, code, message);
}

function answerError(reply: FastifyReply, status: number, code: ErrorCode, message: string): FastifyReply {
  return reply.code(status).send({ code, message });
}

async function listen(app: FastifyInstance, { host, port }: HttpAddress): Promise<HttpAddress> {
  try {
    await app.listen({ host, port });
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    const message = `cannot listen on ${host}:${port} (${why}); free that address or choose another as http.listen`;
    throw new GatewayError("KVGW_USAGE", message, thrown);
  }
  const bound = app.server.address() as AddressInfo;
  return { host: bound.address, port: bound.port };
}
