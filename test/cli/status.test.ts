import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import pico from "picocolors";
import { afterEach, describe, expect, it } from "vitest";
import { describeStatus } from "../../src/cli/status.js";
import type { Terminal } from "../../src/cli/terminal.js";
import type { BucketStatus, GatewayStatus } from "../../src/gateway/status.js";
import type { HttpServer } from "../../src/http/server.js";
import { bucketNamed } from "../core/names.js";
import { serverWith } from "../http/server-rig.js";
import { freePorts } from "../support/nats-process.js";
import { ORDERS, SITE_B, sampleBucket, samplePeer, sampleStatus } from "../telemetry/sample-status.js";
import { kvgw } from "./kvgw.js";

const NOW = Date.parse("2030-01-01T00:05:00.500Z");
const PLAIN = terminal(false);

function terminal(colour: boolean): Terminal {
  const nothing = () => undefined;
  return { colour: pico.createColors(colour), interactive: colour, print: nothing, printJson: nothing, complain: nothing, progress: nothing };
}

let gateway: HttpServer | undefined;
let other: Server | undefined;

afterEach(async () => {
  await gateway?.close();
  if (other !== undefined) await new Promise((resolve) => other?.close(resolve));
  [gateway, other] = [undefined, undefined];
});

async function gatewayWith(status: GatewayStatus): Promise<string> {
  gateway = serverWith({ status: () => status });
  return `http://127.0.0.1:${(await gateway.listen()).port}`;
}

/** Something that answers, but need not be a gateway; tells what it was asked with. */
async function answering(status: number, body: string): Promise<{ readonly url: string; readonly tokens: (string | undefined)[] }> {
  const tokens: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    tokens.push(request.headers.authorization);
    response.writeHead(status, { location: "http://127.0.0.1:1/" }).end(body);
  });
  other = server;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, tokens };
}

describe("kvgw status", () => {
  it("shows site, buckets and peers, without colour when piped", async () => {
    const url = await gatewayWith(sampleStatus());
    const { code, stdout, stderr } = await kvgw(["status", "--gateway", url], { FORCE_COLOR: "1" });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).not.toContain("\u001b");
    expect(stdout).toContain("site-a  kvgw 1.2.3  ready");
    expect(stdout).toMatch(/^orders +live +10 +1 +0 +0 *$/m);
    expect(stdout).toMatch(/^orders +site-b +live +3 operations, 1\.5 s +42 +5 min ago *$/m);
  });

  it("takes the address from KVGW_GATEWAY, and one with a path as well as one without", async () => {
    const url = await gatewayWith(sampleStatus());
    expect(await kvgw(["status", "--json"], { KVGW_GATEWAY: url })).toMatchObject({ code: 0 });
    expect(await kvgw(["status", "--json"], { KVGW_GATEWAY: `${url}/` })).toMatchObject({ code: 0 });
    expect(await kvgw(["status", "--json"], { KVGW_GATEWAY: `${url}/elsewhere` })).toMatchObject({ code: 69, stdout: "" });
  });

  it("prints the gateway's own document with --json", async () => {
    const status = sampleStatus();
    const { code, stdout } = await kvgw(["status", "--gateway", await gatewayWith(status), "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual(status);
  });

  it("is fine when a gateway that is not ready could be asked", async () => {
    const url = await gatewayWith(sampleStatus({ ready: false, notReady: ["the local NATS is not reachable"] }));
    const { code, stdout } = await kvgw(["status", "--gateway", url]);
    expect(code).toBe(0);
    expect(stdout).toContain("not ready");
    expect(stdout).toContain("missing: the local NATS is not reachable");
  });

  it("says who of its site works, where this gateway does not", async () => {
    const lease = { held: false, holder: "process 8 on host-b", since: "2030-01-01T00:00:01.000Z", reason: null };
    const url = await gatewayWith(sampleStatus({ ready: false, role: "standby", lease }));
    const { stdout } = await kvgw(["status", "--gateway", url]);
    expect(stdout).toContain("site-a  kvgw 1.2.3  standby, not ready");
    expect(stdout).toContain("lease   held by process 8 on host-b since 2030-01-01T00:00:01.000Z\n");
  });

  it("says who works what, where the gateways of the site share its buckets", async () => {
    const [own, elsewhere] = [
      sampleBucket({ lease: { held: true, due: true, holder: "process 7 on host-a" } }),
      sampleBucket({ state: "starting", keys: 99, lease: { held: false, due: false, holder: "process 8 on host-b" } }),
    ];
    const members = ["process 7 on host-a", "process 8 on host-b"];
    const url = await gatewayWith(sampleStatus({ members, buckets: { [bucketNamed("own")]: own, [bucketNamed("theirs")]: elsewhere } }));
    const { stdout } = await kvgw(["status", "--gateway", url]);
    expect(stdout).toContain("lease   shared by process 7 on host-a, process 8 on host-b\n");
    expect(stdout).toMatch(/^own +live +10 .* this one *$/m);
    expect(stdout).toMatch(/^theirs +elsewhere +process 8 on host-b *$/m);
    // Its peers are told by the one that works it.
    expect(stdout.match(/^theirs /gm)).toHaveLength(1);
  });

  it("ends with 69 and says so in one line when nobody listens", async () => {
    const [port] = await freePorts(1);
    const { code, stdout, stderr } = await kvgw(["status", "--gateway", `http://127.0.0.1:${port}`]);
    expect({ code, stdout }).toEqual({ code: 69, stdout: "" });
    expect(stderr).toMatch(/^KVGW_UNREACHABLE no gateway at http:\/\/127\.0\.0\.1:\d+: nobody listens there; [^\n]+\n$/);
  });

  it("ends with 69 when something else answers, and follows no redirect", async () => {
    for (const [status, body] of [[200, "hello"], [200, '{"hello":1}'], [404, "{}"], [500, "{}"], [302, ""]] as const) {
      const { url } = await answering(status, body);
      expect({ body, status, code: (await kvgw(["status", "--gateway", url])).code }).toEqual({ body, status, code: 69 });
      await new Promise((resolve) => other?.close(resolve));
      other = undefined;
    }
  });

  it("sends the token, and asks for one that fits when it is refused", async () => {
    const { url, tokens } = await answering(401, "{}");
    const { code, stderr } = await kvgw(["status", "--gateway", url], { KVGW_TOKEN: "s3cret" });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^KVGW_DENIED .*KVGW_TOKEN/);
    expect(stderr).not.toContain("s3cret");
    expect(tokens).toEqual(["Bearer s3cret"]);
  });

  it("ends with 64 for an address that is none", async () => {
    for (const address of ["localhost", "ftp://127.0.0.1", "http://me:secret@127.0.0.1:9480"]) {
      const { code, stderr } = await kvgw(["status", "--gateway", address]);
      expect({ address, code }).toEqual({ address, code: 64 });
      expect(stderr).not.toContain("secret");
    }
  });
});

describe("the text of a status", () => {
  it("tells times relative to now", () => {
    const text = describeStatus(sampleStatus(), PLAIN, NOW);
    expect(text).toContain("up since 5 min ago");
    expect(text).toContain("config  gateway.yaml  c0ffee  loaded 4 min ago");
    expect(text).toMatch(/42 +5 min ago/);
  });

  it("says what was refused last, line by line", () => {
    const config = { ...sampleStatus().config, lastError: "gateway.yaml:3:1 a: wrong\ngateway.yaml:4:1 b: wrong" };
    const text = describeStatus(sampleStatus({ config }), PLAIN, NOW);
    expect(text).toContain("the last change was refused:\n  gateway.yaml:3:1 a: wrong\n  gateway.yaml:4:1 b: wrong");
  });

  it("gives the reason of every bucket and peer that is in trouble", () => {
    const reason = (code: "KVGW_BUCKET_FULL" | "KVGW_UNREACHABLE", message: string) => ({ code, message });
    const peer = samplePeer({ state: "degraded", reason: reason("KVGW_UNREACHABLE", "no\u001b[2Jroute"), lastEqualAt: null });
    const bucket = sampleBucket({ state: "degraded", reason: reason("KVGW_BUCKET_FULL", "no room"), peers: { [SITE_B]: peer } });
    const text = describeStatus(sampleStatus({ buckets: { [ORDERS]: bucket } }), PLAIN, NOW);
    expect(text).toMatch(/42 +never/);
    expect(text).toContain("orders: KVGW_BUCKET_FULL no room\norders from site-b: KVGW_UNREACHABLE no\\x1b[2Jroute");
  });

  it("says who pauses a bucket, and why no round with a peer comes to its end", () => {
    const reason = { code: "KVGW_PEER_UNSUITABLE", message: "its settings differ" } as const;
    const peers = { [SITE_B]: samplePeer({ reconcile: { ...samplePeer().reconcile, reason } }) };
    const text = (changes: Partial<BucketStatus>) =>
      describeStatus(sampleStatus({ buckets: { [ORDERS]: sampleBucket({ state: "paused", ...changes }) } }), PLAIN, NOW);
    expect(text({ peers })).toContain("orders reconciled with site-b: KVGW_PEER_UNSUITABLE its settings differ");
    expect(text({ pausedBy: ["request"] })).toContain("orders: paused on request; kvgw resume orders ends it");
    expect(text({ pausedBy: ["config", "request"] })).toContain("orders: paused by the config");
  });

  it("is coloured only on a terminal", () => {
    expect(describeStatus(sampleStatus(), terminal(true), NOW)).toContain("\u001b[32mlive");
    expect(describeStatus(sampleStatus(), PLAIN, NOW)).not.toContain("\u001b");
  });

  it("has something to say of a gateway without buckets or config", () => {
    const config = { path: "gateway.yaml", hash: "", loadedAt: "", lastError: null };
    const text = describeStatus(sampleStatus({ site: "" as never, buckets: {}, config }), PLAIN, NOW);
    expect(text).toContain("no site yet");
    expect(text).toContain("config  gateway.yaml  none  loaded never");
    expect(text).toContain("no buckets run here");
  });
});
