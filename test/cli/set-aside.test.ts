/** `kvgw set-aside` as a script calls it: what it asks, what it prints, and its exit codes. */
import { afterEach, describe, expect, it } from "vitest";
import { GatewayError } from "../../src/core/errors.js";
import type { BucketName } from "../../src/core/ids.js";
import type { BucketSetAsides, SetAsideSelection } from "../../src/gateway/status.js";
import type { HttpServer } from "../../src/http/server.js";
import { sampleSetAside, sampleSetAsides, serverWith } from "../http/server-rig.js";
import { freePorts } from "../support/nats-process.js";
import { kvgw } from "./kvgw.js";

let server: HttpServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function gatewayWith(changes: Partial<BucketSetAsides> = {}): Promise<string> {
  server = serverWith({ setAsides: (bucket) => sampleSetAsides(bucket, changes) });
  return `http://127.0.0.1:${(await server.listen()).port}`;
}

describe("kvgw set-aside list", () => {
  it("shows what is set aside, since when and why, without what speaks to a terminal", async () => {
    const operations = [sampleSetAside(), sampleSetAside({ key: "bad\u001b[2J", reason: "malformed", versionAt: null, version: null, detail: "no version" })];
    const url = await gatewayWith({ list: () => ({ bucket: "orders" as BucketName, count: 9, operations }) });
    const { code, stdout, stderr } = await kvgw(["set-aside", "list", "orders", "--gateway", url]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^origin +key +reason +since +version +detail/m);
    expect(stdout).toMatch(/^site-b +k +far_future +1 min ago +2030-01-03T00:00:00.000Z +its version is 2 d ahead/m);
    expect(stdout).toMatch(/^site-b +bad\\x1b\[2J +malformed .* unknown +no version/m);
    expect(stdout).toContain("and 7 more");
  });

  it("says so where nothing is", async () => {
    const url = await gatewayWith({ list: () => ({ bucket: "orders" as BucketName, count: 0, operations: [] }) });
    expect(await kvgw(["set-aside", "list", "orders", "--gateway", url])).toMatchObject({ code: 0, stdout: "nothing is set aside in orders\n" });
  });

  it("gives one JSON document", async () => {
    const url = await gatewayWith();
    const { code, stdout } = await kvgw(["set-aside", "list", "orders", "--json", "--gateway", url]);
    expect([code, JSON.parse(stdout)]).toEqual([0, { bucket: "orders", count: 1, operations: [sampleSetAside()] }]);
  });
});

describe.each(["release", "drop"] as const)("kvgw set-aside %s", (what) => {
  async function recorded(args: readonly string[]) {
    const asked: SetAsideSelection[] = [];
    const url = await gatewayWith({
      [what]: (selection: SetAsideSelection) => {
        asked.push(selection);
        return sampleSetAsides("orders")[what](selection);
      },
    });
    return { asked, ...(await kvgw(["set-aside", what, "orders", ...args, "--gateway", url])) };
  }

  it.each<readonly [args: string[], SetAsideSelection]>([
    [["a/b c.d"], { key: "a/b c.d", origin: null }],
    [["k", "--origin", "site-b"], { key: "k", origin: "site-b" }],
    [["--all"], { key: null, origin: null }],
    [["--all", "--origin", "site-b"], { key: null, origin: "site-b" }],
  ])("%j asks for just that, and ends with 0", async (args, selection) => {
    const { code, stdout, stderr, asked } = await recorded(args);
    expect({ code, stderr, asked }).toEqual({ code: 0, stderr: "", asked: [selection] });
    expect(stdout).toMatch(/^1 (operation|record) of orders /);
  });

  it.each([[[]], [["k", "--all"]]])("%j is wrong usage, and asks nothing", async (args) => {
    expect(await recorded(args)).toMatchObject({ code: 64, asked: [] });
  });

  it("ends with 1 where something was refused, and says why", async () => {
    const outcome = { bucket: "orders" as BucketName, done: [], refused: [{ ...sampleSetAside(), message: "mend it there" }] };
    const url = await gatewayWith({ [what]: () => Promise.resolve(outcome) });
    const { code, stdout } = await kvgw(["set-aside", what, "orders", "k", "--gateway", url]);
    expect([code, stdout]).toEqual([1, expect.stringMatching(/^k of site-b: far_future: mend it there$/m)]);
    const json = await kvgw(["set-aside", what, "orders", "k", "--json", "--gateway", url]);
    expect([json.code, JSON.parse(json.stdout)]).toEqual([1, outcome]);
  });

  it("passes on the gateway's refusal, and ends with 69 where there is no gateway", async () => {
    const url = await gatewayWith({ [what]: () => Promise.reject(new GatewayError("KVGW_BUCKET_NOT_RUNNING", "it is paused")) });
    expect(await kvgw(["set-aside", what, "orders", "k", "--gateway", url])).toMatchObject({
      ...{ code: 1, stderr: "KVGW_BUCKET_NOT_RUNNING it is paused\n" },
    });
    const [port] = await freePorts(1);
    expect(await kvgw(["set-aside", what, "orders", "k", "--gateway", `http://127.0.0.1:${port}`])).toMatchObject({ code: 69 });
  });
});
