import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Folder, kvgw, temporaryFolder } from "./kvgw.js";

const GOOD = `version: 1
site: site-a
sites:
  site-a: { servers: ["nats://127.0.0.1:4222"] }
  site-b: { servers: ["nats://127.0.0.1:5222"] }
buckets:
  config:
  orders:
    sites: [site-b]
`;

const BAD = `version: 1
site: site-a
sites:
  site-a: { servers: ["nats://127.0.0.1:4222"] }
buckets:
  config:
    policy: newest
    colour: red
`;

let folder: Folder;
let good: string;
let bad: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  good = await folder.write("good.yaml", GOOD);
  bad = await folder.write("bad.yaml", BAD);
});

afterAll(() => folder.remove());

describe("kvgw validate", () => {
  it("says ok and what the file holds", async () => {
    expect(await kvgw(["validate", "-c", good])).toEqual({
      code: 0,
      stdout: "ok  site site-a, 2 sites, 2 buckets (1 here)\n",
      stderr: "",
    });
  });

  it("takes the file and the site from the environment", async () => {
    const { code, stdout } = await kvgw(["validate"], { KVGW_CONFIG: good, KVGW_SITE: "site-b" });
    expect({ code, stdout }).toEqual({ code: 0, stdout: "ok  site site-b, 2 sites, 2 buckets\n" });
  });

  it("tells every problem on its own line with its place, on stderr", async () => {
    const { code, stdout, stderr } = await kvgw(["validate", "-c", bad]);
    expect(code).toBe(78);
    expect(stdout).toBe("");
    const lines = stderr.trimEnd().split("\n");
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(new RegExp(`^${bad}:7:\\d+ buckets\\.config\\.policy: `));
    expect(lines[1]).toMatch(new RegExp(`^${bad}:8:\\d+ buckets\\.config\\.colour: `));
  });

  it("refuses a site that the file does not know", async () => {
    const { code, stderr } = await kvgw(["validate", "-c", good, "--site", "site-z"]);
    expect(code).toBe(78);
    expect(stderr).toContain("site-z");
  });

  it("says what is wrong with a file that cannot be read", async () => {
    const { code, stderr } = await kvgw(["validate", "-c", `${folder.path}/none.yaml`]);
    expect(code).toBe(78);
    expect(stderr).toContain("there is no such file");
  });

  it("prints one JSON document on stdout and nothing else", async () => {
    const fine = await kvgw(["validate", "-c", good, "--json"]);
    expect(fine).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(fine.stdout)).toMatchObject({
      ok: true,
      problems: [],
      site: "site-a",
      sites: ["site-a", "site-b"],
      buckets: ["config", "orders"],
    });
    const wrong = await kvgw(["validate", "-c", bad, "--json"]);
    expect(wrong).toMatchObject({ code: 78, stderr: "" });
    expect(JSON.parse(wrong.stdout)).toMatchObject({
      ok: false,
      problems: [{ file: bad, line: 7, path: "buckets.config.policy" }, { file: bad, line: 8, path: "buckets.config.colour" }],
    });
  });
});

describe("the command line", () => {
  it("answers --help for every command", async () => {
    for (const command of ["run", "validate", "plan", "status", "verify", "demo"]) {
      const { code, stdout } = await kvgw([command, "--help"]);
      expect({ command, code }).toEqual({ command, code: 0 });
      expect(stdout).toContain(`Usage: kvgw ${command} [options]`);
    }
  });

  it("ends with 64 when it is used wrongly", async () => {
    expect((await kvgw(["validate", "--colour"])).code).toBe(64);
    expect((await kvgw(["vaildate"])).code).toBe(64);
  });
});
