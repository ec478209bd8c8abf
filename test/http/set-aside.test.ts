/** What is set aside in one bucket: shown, released, dropped. */
import { describe, expect, test } from "vitest";
import { type ErrorCode, GatewayError } from "../../src/core/errors.js";
import type { SetAsideSelection } from "../../src/gateway/status.js";
import { sampleSetAside, sampleSetAsides, serverWith } from "./server-rig.js";

const PATH = "/api/v1/buckets/orders/set-aside";
const CHANGES = ["release", "drop"] as const;

describe("GET /api/v1/buckets/{bucket}/set-aside", () => {
  test("answers with how many there are and what they are", async () => {
    const answer = await serverWith().inject({ url: PATH });
    expect([answer.statusCode, answer.json()]).toEqual([200, { bucket: "orders", count: 1, operations: [sampleSetAside()] }]);
  });
});

describe("POST /api/v1/buckets/{bucket}/set-aside/…", () => {
  function recording() {
    const asked: (readonly [string, SetAsideSelection])[] = [];
    const act = (what: string) => (selection: SetAsideSelection) => {
      asked.push([what, selection]);
      return sampleSetAsides("orders").drop(selection);
    };
    const server = serverWith({ setAsides: (bucket) => sampleSetAsides(bucket, { release: act("release"), drop: act("drop") }) });
    return { asked, post: (path: string) => server.inject({ method: "POST", url: `${PATH}/${path}` }) };
  }

  test.each(CHANGES)("%s is for one key, for all, or for those of one site", async (what) => {
    const { asked, post } = recording();
    for (const query of ["key=a%20%2F.b", "all=true", "all=true&origin=site-b", "key=k&origin=site-b"]) {
      const answer = await post(`${what}?${query}`);
      expect([answer.statusCode, answer.json()]).toMatchObject([200, { bucket: "orders", done: [{ key: "k" }], refused: [] }]);
    }
    expect(asked).toEqual([
      [what, { key: "a /.b", origin: null }],
      [what, { key: null, origin: null }],
      [what, { key: null, origin: "site-b" }],
      [what, { key: "k", origin: "site-b" }],
    ]);
  });

  test.each(["", "?all=false", "?all", "?key=k&all=true", "?origin=site-b", "?key=k&key=l", "?key=k&origin=a&origin=b"])(
    "asked with %j it does nothing: 400",
    async (query) => {
      const { asked, post } = recording();
      for (const what of CHANGES) {
        const answer = await post(`${what}${query}`);
        expect([answer.statusCode, answer.json()]).toMatchObject([400, { code: "KVGW_USAGE" }]);
      }
      expect(asked).toEqual([]);
    },
  );

  test.each<readonly [ErrorCode, number]>([
    ["KVGW_USAGE", 404],
    ["KVGW_BUCKET_NOT_RUNNING", 409],
    ["KVGW_STATE_UNAVAILABLE", 503],
  ])("answers %s with %d, code and message", async (code, status) => {
    const refuse = () => Promise.reject(new GatewayError(code, "as the gateway says it"));
    const server = serverWith({ setAsides: (bucket) => sampleSetAsides(bucket, { release: refuse, drop: refuse }) });
    for (const what of CHANGES) {
      const answer = await server.inject({ method: "POST", url: `${PATH}/${what}?all=true` });
      expect([answer.statusCode, answer.json()]).toEqual([status, { code, message: "as the gateway says it" }]);
    }
  });

  test("changes only when posted to, and nothing for a page of another origin", async () => {
    const headers = { host: "127.0.0.1:9480", origin: "http://evil.example" };
    for (const what of CHANGES) {
      const url = `${PATH}/${what}?all=true`;
      expect((await serverWith().inject({ url })).statusCode).toBe(405);
      expect((await serverWith().inject({ method: "POST", url, headers })).statusCode).toBe(403);
    }
  });
});
