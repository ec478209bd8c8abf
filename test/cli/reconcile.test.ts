/** `kvgw reconcile`, `pause` and `resume` as a script calls them: what they ask, what they print, and their exit codes. */
import { afterEach, describe, expect, it } from "vitest";
import { GatewayError } from "../../src/core/errors.js";
import type { BucketName } from "../../src/core/ids.js";
import type { GatewayStatus, PeerStatus } from "../../src/gateway/status.js";
import type { HttpDeps, HttpServer } from "../../src/http/server.js";
import { samplePause, serverWith } from "../http/server-rig.js";
import { freePorts } from "../support/nats-process.js";
import { ORDERS, SITE_B, sampleBucket, samplePeer, sampleStatus } from "../telemetry/sample-status.js";
import { kvgw } from "./kvgw.js";

const REQUESTED_AT = "2030-01-01T00:04:00.000Z";
const STOCK = "stock" as BucketName;

let server: HttpServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function gatewayWith(deps: Partial<HttpDeps>): Promise<string> {
  server = serverWith(deps);
  return `http://127.0.0.1:${(await server.listen()).port}`;
}

/** A gateway whose buckets have a round with `site-b` as soon as it is asked for, ending as told. */
async function roundsEnding(peer: Partial<PeerStatus>, buckets: readonly BucketName[] = [ORDERS]) {
  const asked: string[] = [];
  const status = (): GatewayStatus => {
    const peerOf = (bucket: BucketName) => (asked.includes(bucket) ? samplePeer(peer) : samplePeer());
    const entries = buckets.map((bucket) => [bucket, sampleBucket({ peers: { [SITE_B]: peerOf(bucket) } })]);
    return sampleStatus({ buckets: Object.fromEntries(entries) as GatewayStatus["buckets"] });
  };
  const reconcile: HttpDeps["reconcile"] = (bucket) => {
    asked.push(bucket);
    return { bucket: bucket as BucketName, requestedAt: REQUESTED_AT, peers: [SITE_B] };
  };
  return { asked, url: await gatewayWith({ status, reconcile }) };
}

const AT = "2030-01-01T00:05:00.000Z";
const before = samplePeer().reconcile;
const EQUAL = { lastReconcileAt: AT, lastEqualAt: AT, reconcile: { ...before, repaired: before.repaired + 3 } };
const DIFFERENT = { lastReconcileAt: AT };
const FAILED = {
  reconcile: {
    ...before,
    rounds: { ...before.rounds, failed: before.rounds.failed + 1 },
    reason: { code: "KVGW_PEER_UNSUITABLE", message: "its settings differ" },
  },
} as const;

describe("kvgw reconcile", () => {
  it("ends with 0 when every peer is proved equal, and says what was repaired and when", async () => {
    const { url } = await roundsEnding(EQUAL);
    const { code, stdout, stderr } = await kvgw(["reconcile", "orders", "--gateway", url]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^orders +site-b +equal +3 keys +just now *$/m);
    expect(stdout).toContain("proved equal with every peer");
  });

  it("ends with 1 and one line of what to do when a peer is still different", async () => {
    const { url } = await roundsEnding(DIFFERENT);
    const { code, stdout } = await kvgw(["reconcile", "orders", "--gateway", url]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^orders +site-b +different +0 +5 min ago *$/m);
    expect(stdout).toMatch(/\n\nstill different: .*kvgw verify names the keys\n$/);
  });

  it("ends with 1 and the reason when a round failed", async () => {
    const { url } = await roundsEnding(FAILED);
    const { code, stdout } = await kvgw(["reconcile", "orders", "--gateway", url]);
    expect(code).toBe(1);
    expect(stdout).toContain("orders with site-b: KVGW_PEER_UNSUITABLE its settings differ");
    expect(stdout).toMatch(/\n\nnot proved equal: a round failed; [^\n]+\n$/);
  });

  it("prints one document with --json, the same exit code", async () => {
    const { url } = await roundsEnding(FAILED);
    const { code, stdout } = await kvgw(["reconcile", "orders", "--gateway", url, "--json"]);
    const peer = { peer: "site-b", result: "failed", repaired: 0, lastEqualAt: samplePeer().lastEqualAt, reason: FAILED.reconcile.reason };
    expect([code, JSON.parse(stdout)]).toEqual([
      1,
      { equal: false, advice: expect.stringContaining("a round failed"), buckets: [{ bucket: "orders", reason: null, peers: [peer] }] },
    ]);
  });

  it("asks for every bucket with --all", async () => {
    const { url, asked } = await roundsEnding(EQUAL, [ORDERS, STOCK]);
    const { code, stdout } = await kvgw(["reconcile", "--all", "--gateway", url]);
    expect([code, asked]).toEqual([0, ["orders", "stock"]]);
    expect(stdout).toMatch(/^stock +site-b +equal /m);
  });

  it("leaves out of --all what is paused, and tells what does not run", async () => {
    const asked: string[] = [];
    const reconcile: HttpDeps["reconcile"] = (bucket) => {
      asked.push(bucket);
      throw new GatewayError("KVGW_BUCKET_NOT_RUNNING", `bucket ${bucket} is parked: the stream is sealed`);
    };
    const buckets = { [ORDERS]: sampleBucket({ state: "paused" }), [STOCK]: sampleBucket({ state: "parked" }) };
    const url = await gatewayWith({ status: () => sampleStatus({ buckets }), reconcile });
    const { code, stdout } = await kvgw(["reconcile", "--all", "--gateway", url]);
    expect([code, asked]).toEqual([1, ["stock"]]);
    expect(stdout).toContain("stock: bucket stock is parked: the stream is sealed");
    expect(stdout).toMatch(/not proved equal: have every bucket run, [^\n]+\n$/);
  });

  it("does not wait with --no-wait", async () => {
    const { url, asked } = await roundsEnding({});
    const plain = await kvgw(["reconcile", "orders", "--no-wait", "--gateway", url]);
    expect(plain).toMatchObject({ code: 0, stdout: "asked for a round of orders with site-b\n" });
    const json = await kvgw(["reconcile", "orders", "--no-wait", "--json", "--gateway", url]);
    const request = { bucket: "orders", requestedAt: REQUESTED_AT, peers: ["site-b"] };
    expect([json.code, JSON.parse(json.stdout)]).toEqual([0, { asked: [request], refused: [] }]);
    expect(asked).toEqual(["orders", "orders"]);
  });

  it("ends with the gateway's refusal: 1 for a bucket that does not run, 64 for one that it does not know", async () => {
    for (const [refusal, expected] of [["KVGW_BUCKET_NOT_RUNNING", 1], ["KVGW_USAGE", 64]] as const) {
      const reconcile = () => {
        throw new GatewayError(refusal, "as the gateway says it");
      };
      const url = await gatewayWith({ reconcile });
      const { code, stdout, stderr } = await kvgw(["reconcile", "orders", "--gateway", url]);
      expect({ code, stdout, stderr }).toEqual({ code: expected, stdout: "", stderr: `${refusal} as the gateway says it\n` });
      await server?.close();
    }
  });

  it("ends with 69 when no gateway is there", async () => {
    const [port] = await freePorts(1);
    const { code, stderr } = await kvgw(["reconcile", "orders", "--gateway", `http://127.0.0.1:${port}`]);
    expect(code).toBe(69);
    expect(stderr).toMatch(/^KVGW_UNREACHABLE no gateway at [^\n]+\n$/);
  });

  it("wants one bucket or --all, not both and not neither", async () => {
    const { url, asked } = await roundsEnding(EQUAL);
    for (const args of [[], ["orders", "--all"]]) {
      const { code, stderr } = await kvgw(["reconcile", ...args, "--gateway", url]);
      expect([code, stderr]).toEqual([64, "KVGW_USAGE name one bucket, or give --all\n"]);
    }
    expect(asked).toEqual([]);
  });
});

describe("kvgw pause and kvgw resume", () => {
  it("say what the bucket is now", async () => {
    const message = "until kvgw resume orders, also after a restart";
    const url = await gatewayWith({
      pause: (bucket) => Promise.resolve(samplePause(bucket, { state: "paused", pausedBy: ["request"], message })),
    });
    expect(await kvgw(["pause", "orders", "--gateway", url])).toEqual({ code: 0, stdout: `orders is paused: ${message}\n`, stderr: "" });
    expect(await kvgw(["resume", "orders", "--gateway", url])).toMatchObject({ code: 0, stdout: "orders is starting: as asked\n" });
    const json = await kvgw(["resume", "orders", "--json", "--gateway", url]);
    expect(JSON.parse(json.stdout)).toEqual(samplePause("orders"));
  });

  it("end with 1 where the config keeps the bucket paused", async () => {
    const outcome = samplePause("orders", { state: "paused", pausedBy: ["config"], message: "the config says paused: true" });
    const url = await gatewayWith({ resume: () => Promise.resolve(outcome) });
    const { code, stdout } = await kvgw(["resume", "orders", "--gateway", url]);
    expect([code, stdout]).toEqual([1, "orders is paused: the config says paused: true\n"]);
  });

  it("end with 1 and the code where the site's state cannot be written", async () => {
    const refuse = () => Promise.reject(new GatewayError("KVGW_STATE_UNAVAILABLE", "state bucket KVGW_site-a: no answer"));
    const url = await gatewayWith({ pause: refuse, resume: refuse });
    for (const command of ["pause", "resume"]) {
      const { code, stderr } = await kvgw([command, "orders", "--gateway", url]);
      expect([code, stderr]).toEqual([1, "KVGW_STATE_UNAVAILABLE state bucket KVGW_site-a: no answer\n"]);
    }
  });

  it("end with 69 when no gateway is there, with 64 without a bucket", async () => {
    const [port] = await freePorts(1);
    for (const command of ["pause", "resume"]) {
      expect((await kvgw([command, "orders", "--gateway", `http://127.0.0.1:${port}`])).code).toBe(69);
      expect((await kvgw([command])).code).toBe(64);
    }
  });
});
