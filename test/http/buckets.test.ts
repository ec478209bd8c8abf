/** What can be asked of one bucket: rounds with its peers, a pause, and its end. */
import { describe, expect, test } from "vitest";
import { type ErrorCode, GatewayError } from "../../src/core/errors.js";
import type { HttpDeps } from "../../src/http/server.js";
import { samplePause, serverWith } from "./server-rig.js";

const ACTIONS = ["reconcile", "pause", "resume"] as const;
const post = (deps: Partial<HttpDeps>, bucket: string, action: string) =>
  serverWith(deps).inject({ method: "POST", url: `/api/v1/buckets/${bucket}/${action}` });

describe("POST /api/v1/buckets/{bucket}/…", () => {
  test("reconcile answers 202 with what was asked of whom", async () => {
    const answer = await post({}, "orders", "reconcile");
    expect([answer.statusCode, answer.json()]).toEqual([
      202,
      { bucket: "orders", requestedAt: "2030-01-01T00:05:00.000Z", peers: ["site-b"] },
    ]);
  });

  test("pause and resume answer 200 with what is now", async () => {
    const paused = await post({}, "orders", "pause");
    expect([paused.statusCode, paused.json()]).toEqual([200, samplePause("orders", { state: "paused", pausedBy: ["request"] })]);
    const resumed = await post({}, "orders", "resume");
    expect([resumed.statusCode, resumed.json()]).toEqual([200, samplePause("orders")]);
  });

  test("passes on the name as it was meant, however long it is", async () => {
    const asked: string[] = [];
    const pause = (bucket: string) => (asked.push(bucket), Promise.resolve(samplePause(bucket)));
    const names = ["orders", "A_b-9", "n".repeat(200)];
    for (const name of names) expect((await post({ pause }, name, "pause")).statusCode).toBe(200);
    expect((await post({ pause }, "%6Frders", "pause")).statusCode).toBe(200);
    expect(asked).toEqual([...names, "orders"]);
  });

  test.each<readonly [ErrorCode, number]>([
    ["KVGW_USAGE", 404],
    ["KVGW_BUCKET_NOT_RUNNING", 409],
    ["KVGW_STANDBY", 409],
    ["KVGW_WORKED_ELSEWHERE", 409],
    ["KVGW_STATE_UNAVAILABLE", 503],
    ["KVGW_UNREACHABLE", 503],
    ["KVGW_INTERNAL", 500],
  ])("answers %s with %d, code and message", async (code, status) => {
    const refuse = () => {
      throw new GatewayError(code, "as the gateway says it");
    };
    const refuseLater = () => Promise.reject(new GatewayError(code, "as the gateway says it"));
    const deps = { reconcile: refuse, pause: refuseLater, resume: refuseLater };
    for (const action of ACTIONS) {
      const answer = await post(deps, "orders", action);
      expect([action, answer.statusCode, answer.json()]).toEqual([action, status, { code, message: "as the gateway says it" }]);
    }
  });

  test("acts only when posted to", async () => {
    for (const action of ACTIONS) {
      const answer = await serverWith().inject({ url: `/api/v1/buckets/orders/${action}` });
      expect([action, answer.statusCode, answer.headers["allow"]]).toEqual([action, 405, "POST"]);
    }
  });

  test("takes no post from a page of another origin", async () => {
    const headers = { host: "127.0.0.1:9480", origin: "http://evil.example" };
    for (const action of ACTIONS) {
      const answer = await serverWith().inject({ method: "POST", url: `/api/v1/buckets/orders/${action}`, headers });
      expect([action, answer.statusCode]).toEqual([action, 403]);
    }
  });
});
