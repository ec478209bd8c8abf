/** What the server refuses, and that every answer is safe to show in a browser. */
import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { HTTP_BODY_BYTES_MAX } from "../../src/core/limits.js";
import { sampleOutcome, serverWith } from "./server-rig.js";

const PATHS = ["/", "/metrics", "/livez", "/readyz", "/api/v1/status", "/api/v1/config"];
const RELOAD = { method: "POST", url: "/api/v1/reload" } as const;

describe("an unknown path", () => {
  const unknown = ["/nope", "/api/v1", "/api/v1/status/", "/..%2f..%2fetc%2fpasswd", "/metrics%00"];

  test.each(unknown)("%s is 404", async (url) => {
    const answer = await serverWith().inject({ url });
    expect(answer.statusCode).toBe(404);
    expect(answer.json()).toEqual({ code: "KVGW_USAGE", message: "no such page; GET / lists them" });
  });

  test("that is no path at all is 400, in the same form", async () => {
    const answer = await serverWith().inject({ url: "/%zz" });
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ code: "KVGW_USAGE" });
    expect(answer.headers["x-content-type-options"]).toBe("nosniff");
  });
});

describe("a method that a path does not take", () => {
  test.each(PATHS)("is 405 for %s, which takes GET and HEAD", async (url) => {
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"] as const) {
      const answer = await serverWith().inject({ method: method as "POST", url });
      expect([method, answer.statusCode, answer.headers["allow"]]).toEqual([method, 405, "GET, HEAD"]);
      expect(answer.json()).toEqual({ code: "KVGW_USAGE", message: "this path takes GET, HEAD only" });
    }
    const head = await serverWith().inject({ method: "HEAD", url });
    expect([head.statusCode, head.body]).toEqual([200, ""]);
  });

  test("is 405 for a reload that is not posted", async () => {
    const answer = await serverWith().inject({ url: RELOAD.url });
    expect([answer.statusCode, answer.headers["allow"]]).toEqual([405, "POST"]);
  });
});

function* chunks(bytes: number): Generator<Buffer> {
  for (let sent = 0; sent < bytes; sent += 65_536) yield Buffer.alloc(Math.min(65_536, bytes - sent), "x");
}

describe("a body", () => {
  test("above the limit is 413 and does nothing, whether its length was announced or not", async () => {
    let reloads = 0;
    const server = serverWith({ reload: () => (reloads++, Promise.resolve(sampleOutcome())) });
    const tooMuch = await server.inject({ ...RELOAD, payload: "x".repeat(HTTP_BODY_BYTES_MAX + 1) });
    expect(tooMuch.statusCode).toBe(413);
    expect(tooMuch.json()).toMatchObject({ code: "KVGW_USAGE" });
    expect(reloads).toBe(0);
    const payload = Readable.from(chunks(HTTP_BODY_BYTES_MAX + 1));
    const unannounced = await server.inject({ ...RELOAD, payload, headers: { "transfer-encoding": "chunked" } });
    expect([unannounced.statusCode, reloads]).toEqual([413, 0]);
    const most = await server.inject({ ...RELOAD, payload: "x".repeat(HTTP_BODY_BYTES_MAX) });
    expect([most.statusCode, reloads]).toEqual([200, 1]);
  });
});

describe("the Host header on loopback", () => {
  const answerTo = async (host: string, boundTo = "127.0.0.1") =>
    (await serverWith({}, { host: boundTo, port: 0 }).inject({ url: "/livez", headers: { host } })).statusCode;

  test.each(["localhost", "localhost:9480", "LocalHost:1", "127.0.0.1", "127.0.0.1:9480", "[::1]", "[::1]:9480"])(
    "may be %s",
    async (host) => expect(await answerTo(host)).toBe(200),
  );

  test.each([
    "evil.example",
    "evil.example:9480",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example#localhost",
    "localhost@evil.example",
    "localhost:port",
    "192.168.0.1",
    "[::2]",
  ])("may not be %s", async (host) => expect(await answerTo(host)).toBe(403));

  test.each(["127.0.0.1", "localhost", "::1", "127.1.2.3"])("is looked at when bound to %s", async (boundTo) => {
    expect(await answerTo("evil.example", boundTo)).toBe(403);
  });

  test.each(["0.0.0.0", "::", "10.0.0.1", "gateway.example"])("is free when bound to %s", async (boundTo) => {
    expect(await answerTo("any.example", boundTo)).toBe(200);
  });

  test("is looked at on every path and method, also unknown ones", async () => {
    const headers = { host: "evil.example" };
    for (const request of [...PATHS, "/nope"].map((url) => ({ url })).concat(RELOAD, { ...RELOAD, url: "/livez" })) {
      const answer = await serverWith().inject({ ...request, headers });
      expect([request.url, answer.statusCode]).toEqual([request.url, 403]);
    }
  });
});

describe("a post from a browser", () => {
  const reloadFrom = async (origin: string, boundTo: string) => {
    const headers = { host: "127.0.0.1:9480", origin };
    return (await serverWith({}, { host: boundTo, port: 0 }).inject({ ...RELOAD, headers })).statusCode;
  };

  test.each(["http://evil.example", "null", "http://127.0.0.1:9481", "http://localhost:9480", "file://", ""])(
    "of the origin '%s' is 403, wherever the server is bound",
    async (origin) => {
      expect(await reloadFrom(origin, "127.0.0.1")).toBe(403);
      expect(await reloadFrom(origin, "0.0.0.0")).toBe(403);
    },
  );

  test.each(["http://127.0.0.1:9480", "https://127.0.0.1:9480"])("of the own origin %s is taken", async (origin) => {
    expect(await reloadFrom(origin, "127.0.0.1")).toBe(200);
  });

  test("may be read across origins no more than any other answer: nothing allows it", async () => {
    const answer = await serverWith().inject({ url: "/api/v1/status", headers: { origin: "http://evil.example" } });
    expect(answer.headers).not.toHaveProperty("access-control-allow-origin");
  });
});

test("every answer carries the security headers, refusals too", async () => {
  const requests = [...PATHS, "/nope", "/%zz", RELOAD.url].map((url) => ({ url, headers: {} }));
  const refused = { url: "/livez", headers: { host: "evil.example" } };
  for (const request of [...requests, refused, { ...RELOAD, headers: {} }]) {
    const { headers } = await serverWith().inject(request);
    expect(headers, request.url).toMatchObject({
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
    });
    expect(headers["content-security-policy"], request.url).toMatch(/^default-src 'none'; style-src 'unsafe-inline'/);
  }
});
