import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/parse.js";
import { describeConfig } from "../../src/config/redact.js";
import type { HttpServer } from "../../src/http/server.js";
import { serverWith } from "../http/server-rig.js";
import { freePorts } from "../support/nats-process.js";
import { sampleStatus } from "../telemetry/sample-status.js";
import { type Folder, kvgw, temporaryFolder } from "./kvgw.js";

const SITES = `version: 1
site: site-a
sites:
  site-a: { servers: ["nats://127.0.0.1:4222"] }
  site-b: { servers: ["nats://127.0.0.1:5222"], tokenFile: b.token }
`;
const RUNNING = `${SITES}buckets:
  config: {}
  gone: {}
  hot: { limits: { inFlight: 8 } }
  orders: {}
`;
const NEXT = `${SITES}buckets:
  config: {}
  hot: { limits: { inFlight: 16 } }
  new: {}
  orders: { subject: other.ops, keys: { exclude: ["tmp.>"] } }
`;

let folder: Folder;
let gateway: HttpServer | undefined;

beforeAll(async () => {
  folder = await temporaryFolder();
});
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
});
afterAll(() => folder.remove());

/** A gateway that runs this text, read from `path` for `site`, and shows it as a real one does. */
async function running(text: string | null, { path = "/etc/kvgw/gateway.yaml", site = "site-a" } = {}): Promise<string> {
  const parsed = text === null ? null : parseConfig(text, { file: path, env: {}, site });
  if (parsed?.ok === false) throw new Error(JSON.stringify(parsed.error));
  const { config, ...status } = sampleStatus({ site: (text === null ? "" : site) as never });
  gateway = serverWith({
    status: () => ({ ...status, config: { ...config, path } }),
    effectiveConfig: () => (parsed === null ? null : describeConfig(parsed.value)),
  });
  return `http://127.0.0.1:${(await gateway.listen()).port}`;
}

interface Document {
  readonly against: { readonly gateway: string; readonly site: string } | null;
  readonly [name: string]: unknown;
}

async function planJson(text: string, args: readonly string[], env = {}): Promise<{ readonly code: number | null; readonly plan: Document }> {
  const { code, stdout, stderr } = await kvgw(["plan", "-c", await folder.write("next.yaml", text), "--json", ...args], env);
  if (stdout === "") throw new Error(stderr);
  return { code, plan: JSON.parse(stdout) as Document };
}

describe("kvgw plan", () => {
  it("plans from nothing when no gateway is named", async () => {
    const { code, plan } = await planJson(NEXT, []);
    expect(code).toBe(2);
    expect(plan).toEqual({
      against: null,
      site: "site-a",
      start: ["config", "hot", "new", "orders"],
      ...{ stop: [], restart: [], update: [], keep: [], refused: [], changes: true, notSeen: [] },
    });
  });

  it("compares with a running gateway", async () => {
    const url = await running(RUNNING);
    const { code, plan } = await planJson(NEXT, ["--gateway", url]);
    expect(code).toBe(2);
    expect(plan).toMatchObject({
      against: { gateway: url, site: "site-a" },
      start: ["new"],
      stop: ["gone"],
      restart: [{ bucket: "orders", because: ["subject", "keys"] }],
      update: [{ bucket: "hot", fields: ["limits"] }],
      keep: ["config"],
      changes: true,
    });
  });

  it("finds no change in what the gateway runs already, wherever the file lies", async () => {
    const { code, plan } = await planJson(RUNNING, ["--gateway", await running(RUNNING)]);
    expect(code).toBe(0);
    expect(plan).toMatchObject({ changes: false, keep: ["config", "gone", "hot", "orders"] });
  });

  it("reads relative paths as the gateway reads them, also if its own path is relative", async () => {
    const { code } = await planJson(RUNNING, [], { KVGW_GATEWAY: await running(RUNNING, { path: "config/gateway.yaml" }) });
    expect(code).toBe(0);
  });

  it("plans for the gateway's site, whatever the file and the environment say", async () => {
    const { code, plan } = await planJson(RUNNING, ["--gateway", await running(RUNNING, { site: "site-b" })], { KVGW_SITE: "site-a" });
    expect(code).toBe(0);
    expect(plan).toMatchObject({ site: "site-b", against: { site: "site-b" } });
  });

  it("names changed sites on the way as the reason of a restart", async () => {
    const url = await running(RUNNING);
    const { plan } = await planJson(RUNNING.replace(":5222", ":6222"), ["--gateway", url]);
    const because = ["sites.site-b.servers"];
    expect(plan["restart"]).toEqual(["config", "gone", "hot", "orders"].map((bucket) => ({ bucket, because })));
  });

  it("keeps a literal ${ as it is on both sides", async () => {
    const text = RUNNING.replace("b.token", () => '"$${b}.token"');
    expect((await planJson(text, ["--gateway", await running(text)])).code).toBe(0);
  });

  it("says that a changed inline secret cannot be seen, and only if there is one", async () => {
    const inline = RUNNING.replace("tokenFile: b.token", "token: old").replace("version: 1", "version: 1\nallowInlineSecrets: true");
    const changed = await planJson(inline.replace("token: old", "token: new"), ["--gateway", await running(inline)]);
    expect(changed).toMatchObject({ code: 0, plan: { changes: false, notSeen: [expect.stringContaining("inline secret")] } });
    expect(JSON.stringify(changed)).not.toMatch(/token: ?new/);
    await gateway?.close();
    const { plan } = await planJson(RUNNING, ["--gateway", await running(RUNNING)]);
    expect(plan["notSeen"]).toEqual([]);
  });

  it("sees that a secret moved from a file into the config", async () => {
    const inline = RUNNING.replace("tokenFile: b.token", "token: new").replace("version: 1", "version: 1\nallowInlineSecrets: true");
    const { code, plan } = await planJson(inline, ["--gateway", await running(RUNNING)]);
    expect(code).toBe(2);
    expect(plan["restart"]).toContainEqual({ bucket: "config", because: ["sites.site-b.credentials"] });
  });

  it("starts everything at a gateway that has loaded nothing yet", async () => {
    const { code, plan } = await planJson(NEXT, ["--gateway", await running(null)]);
    expect(code).toBe(2);
    expect(plan["start"]).toEqual(["config", "hot", "new", "orders"]);
  });

  it("ends with 78 for what the gateway would refuse", async () => {
    const url = await running(RUNNING);
    const file = await folder.write("listen.yaml", `${RUNNING}http: { listen: "127.0.0.1:1234" }\n`);
    const { code, stdout } = await kvgw(["plan", "-c", file, "--gateway", url]);
    expect(code).toBe(78);
    expect(stdout).toContain("the gateway would refuse this file and change nothing:\n  http.listen: ");
  });

  it("ends with 78 for a file with problems, named as it was given", async () => {
    const file = await folder.write("bad.yaml", NEXT.replace("orders:", "orders!:"));
    const { code, stdout, stderr } = await kvgw(["plan", "-c", file, "--gateway", await running(RUNNING)]);
    expect({ code, stdout }).toEqual({ code: 78, stdout: "" });
    expect(stderr).toMatch(new RegExp(`^KVGW_CONFIG_INVALID ${file}:\\d+:\\d+ `));
  });

  it("ends with 69 when the gateway that was named is not there", async () => {
    const [port] = await freePorts(1);
    const file = await folder.write("next.yaml", NEXT);
    const { code, stdout } = await kvgw(["plan", "-c", file, "--gateway", `http://127.0.0.1:${port}`]);
    expect({ code, stdout }).toEqual({ code: 69, stdout: "" });
  });

  it("shows the plan as a table, without colour when piped", async () => {
    const file = await folder.write("next.yaml", NEXT);
    const { stdout } = await kvgw(["plan", "-c", file, "--gateway", await running(RUNNING)]);
    expect(stdout).not.toContain("\u001b");
    expect(stdout).toMatch(/^against site-a at http:\/\/127\.0\.0\.1:\d+$/m);
    expect(stdout).toMatch(/^start +new *$/m);
    expect(stdout).toMatch(/^stop +gone *$/m);
    expect(stdout).toMatch(/^restart +orders +because of subject, keys *$/m);
    expect(stdout).toMatch(/^update +hot +limits *$/m);
    expect(stdout).toMatch(/^1 bucket kept: config$/m);
  });
});
