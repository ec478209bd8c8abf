/** What each route answers. */
import { describe, expect, test } from "vitest";
import { GatewayError } from "../../src/core/errors.js";
import { ORDERS, sampleBucket, sampleStatus } from "../telemetry/sample-status.js";
import { sampleOutcome, serverWith } from "./server-rig.js";

const RELOAD = { method: "POST", url: "/api/v1/reload" } as const;

const broken = () => {
  throw new Error("no status");
};

describe("GET /metrics", () => {
  test("passes on the text under its own content type", async () => {
    const answer = await serverWith().inject({ url: "/metrics" });
    expect([answer.statusCode, answer.body]).toEqual([200, "up 1\n"]);
    expect(answer.headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
  });

  test("answers 500 when the metrics cannot be told", async () => {
    const metrics = () => Promise.reject(new Error("no status"));
    const answer = await serverWith({ metrics }).inject({ url: "/metrics" });
    expect(answer.statusCode).toBe(500);
    expect(answer.json()).toMatchObject({ code: "KVGW_INTERNAL" });
  });
});

describe("GET /livez", () => {
  test("is ok while the loop turns, even when no status can be had", async () => {
    const answer = await serverWith({ status: broken }).inject({ url: "/livez" });
    expect([answer.statusCode, answer.body]).toEqual([200, '{"ok":true}']);
  });

  test("is 503 when the process is not alive", async () => {
    const answer = await serverWith({ alive: () => false }).inject({ url: "/livez" });
    expect([answer.statusCode, answer.body]).toEqual([503, '{"ok":false}']);
  });
});

describe("GET /readyz", () => {
  test("is 200 with the buckets' states when ready", async () => {
    const answer = await serverWith().inject({ url: "/readyz" });
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual({ ready: true, missing: [], buckets: { [ORDERS]: "live" } });
  });

  test("is 503 and says what is missing when not", async () => {
    const notReady = ["orders has not captured its bucket yet"];
    const buckets = { [ORDERS]: sampleBucket({ state: "starting" }) };
    const status = () => sampleStatus({ ready: false, notReady, buckets });
    const answer = await serverWith({ status }).inject({ url: "/readyz" });
    expect(answer.statusCode).toBe(503);
    expect(answer.json()).toEqual({ ready: false, missing: notReady, buckets: { [ORDERS]: "starting" } });
  });

  test("shows a bucket named like a prototype as any other", async () => {
    const buckets = Object.fromEntries([["__proto__", sampleBucket()]]);
    const answer = await serverWith({ status: () => sampleStatus({ buckets }) }).inject({ url: "/readyz" });
    expect(answer.body).toBe('{"ready":true,"missing":[],"buckets":{"__proto__":"live"}}');
  });
});

describe("the API", () => {
  test("passes the status on exactly as the gateway says it", async () => {
    const answer = await serverWith().inject({ url: "/api/v1/status" });
    expect(answer.statusCode).toBe(200);
    expect(answer.headers["content-type"]).toBe("application/json; charset=utf-8");
    expect(answer.body).toBe(JSON.stringify(sampleStatus()));
  });

  test("passes the effective config on", async () => {
    const config = { version: 1, site: "site-a", sites: { "site-b": { token: "***" } } };
    const answer = await serverWith({ effectiveConfig: () => config }).inject({ url: "/api/v1/config" });
    expect([answer.statusCode, answer.body]).toEqual([200, JSON.stringify(config)]);
  });

  test.each(["applied", "unchanged"] as const)("answers 200 when a reload was %s, with its outcome", async (result) => {
    const outcome = sampleOutcome({ result });
    const answer = await serverWith({ reload: () => Promise.resolve(outcome) }).inject(RELOAD);
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual(outcome);
  });

  test("answers 422 with every problem when a reload is rejected", async () => {
    const problems = ["gateway.yaml:3:1 site: missing", "gateway.yaml:9:5 buckets.orders.policy: lww"];
    const outcome = sampleOutcome({ result: "rejected", problems, started: [] });
    const answer = await serverWith({ reload: () => Promise.resolve(outcome) }).inject(RELOAD);
    expect(answer.statusCode).toBe(422);
    expect(answer.json()).toMatchObject({ code: "KVGW_CONFIG_INVALID", ...outcome });
    expect(answer.json<{ message: string }>().message).toMatch(/nothing was changed/);
  });

  test("reloads only when posted to, once for each request, whatever its body is", async () => {
    let reloads = 0;
    const server = serverWith({ reload: () => (reloads++, Promise.resolve(sampleOutcome())) });
    for (const method of ["GET", "PUT", "DELETE"] as const) await server.inject({ method, url: RELOAD.url });
    expect(reloads).toBe(0);
    const headers = { "content-type": "application/json" };
    for (const payload of [undefined, "{}", "{broken"]) {
      const request = { ...RELOAD, headers };
      const answer = await server.inject(payload === undefined ? request : { ...request, payload });
      expect(answer.statusCode).toBe(200);
    }
    expect(reloads).toBe(3);
  });

  test("answers 500 with the code of what failed", async () => {
    const reload = () => Promise.reject(new GatewayError("KVGW_CONFIG_UNREADABLE", "cannot read it; mend its mode"));
    const failed = await serverWith({ reload }).inject(RELOAD);
    expect([failed.statusCode, failed.json()]).toEqual([
      500,
      { code: "KVGW_CONFIG_UNREADABLE", message: "cannot read it; mend its mode" },
    ]);
    const unexpected = await serverWith({ status: broken }).inject({ url: "/api/v1/status" });
    expect(unexpected.statusCode).toBe(500);
    expect(Object.keys(unexpected.json<object>())).toEqual(["code", "message"]);
    expect(unexpected.json()).toMatchObject({ code: "KVGW_INTERNAL" });
  });
});
