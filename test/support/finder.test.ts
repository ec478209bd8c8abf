/** The search order of scripts/nats-server.mjs, on machines made of temporary folders and tiny executables. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findNatsServer, type Machine } from "../../scripts/nats-server.mjs";

let root: string;
let machine: Machine & { readonly env: Record<string, string> };

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "kvgw-finder-"));
  machine = {
    env: { PATH: ["first", "second"].map((name) => join(root, name)).join(":"), HOME: join(root, "home") },
    platform: "plan9-mips",
    projectRoot: join(root, "project"),
    keyrings: [],
    releaseUrl: "http://127.0.0.1:1",
    releases: {
      "2.15": { release: "2.15.0", sha256: {} },
      "2.10": { release: "2.10.0", sha256: {} },
      "2.9": { release: "2.9.0", sha256: {} },
    },
    downloadTimeoutMs: 10_000,
  };
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

function executable(path: string, script: string): string {
  const full = join(root, path);
  mkdirSync(join(full, ".."), { recursive: true });
  writeFileSync(full, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return full;
}

function server(path: string, version: string): string {
  return executable(path, `echo "nats-server: v${version}"`);
}

describe("NATS_SERVER", () => {
  it("comes before PATH when no version is asked for", async () => {
    server("first/nats-server", "2.15.1");
    machine.env["NATS_SERVER"] = server("mine/some-name", "2.11.3");
    expect(await findNatsServer({ machine })).toEqual({ path: machine.env["NATS_SERVER"], version: "2.11.3" });
  });

  it("is used for a version that it has, and passed over for another", async () => {
    const onPath = server("second/nats-server", "2.9.10");
    machine.env["NATS_SERVER"] = server("mine/nats-server", "2.10.27");
    expect((await findNatsServer({ version: "2.10", machine })).path).toBe(machine.env["NATS_SERVER"]);
    expect((await findNatsServer({ version: "2.9", machine })).path).toBe(onPath);
  });

  it.each([
    ["is not there", () => join(root, "nothing"), "is not there"],
    ["does not run", () => executable("mine/broken", "echo oops >&2; exit 3"), "oops"],
    ["is another program", () => executable("mine/other", "echo other 1.0"), "its --version says other 1.0"],
  ])("is an error when it %s, whatever PATH offers", async (_, path, reason) => {
    server("first/nats-server", "2.15.1");
    machine.env["NATS_SERVER"] = path();
    const failure = findNatsServer({ machine });
    await expect(failure).rejects.toThrow(/^NATS_SERVER=.* is no working nats-server \(.*\): correct or unset it$/);
    await expect(failure).rejects.toThrow(reason);
    await expect(findNatsServer({ version: "2.9", machine })).rejects.toThrow("is no working nats-server");
  });

  it("is an error when it is too old for the product", async () => {
    machine.env["NATS_SERVER"] = server("mine/nats-server", "2.8.4");
    await expect(findNatsServer({ machine })).rejects.toThrow(/is version 2\.8\.4: set one from 2\.9 on$/);
  });
});

describe("PATH", () => {
  it("gives the first server from 2.9 on when no version is asked for", async () => {
    server("first/nats-server", "2.8.4");
    const second = server("second/nats-server", "2.9.0");
    expect(await findNatsServer({ machine })).toEqual({ path: second, version: "2.9.0" });
  });

  it("is searched to its end for the version that is asked for", async () => {
    server("first/nats-server", "2.1.0");
    const second = server("second/nats-server", "2.10.1");
    expect((await findNatsServer({ version: "2.10", machine })).path).toBe(second);
  });

  it.each(["2.15.0", "2.16.2", "3.0.0"])("satisfies a request for 2.15 with %s", async (version) => {
    const first = server("first/nats-server", version);
    expect((await findNatsServer({ version: "2.15", machine })).path).toBe(first);
  });

  it("does not satisfy a request for 2.15 with 2.14, nor one for 2.10 with 2.15", async () => {
    server("first/nats-server", "2.14.9");
    await expect(findNatsServer({ version: "2.15", machine })).rejects.toThrow("cannot download nats-server 2.15");
    server("first/nats-server", "2.15.1");
    await expect(findNatsServer({ version: "2.10", machine })).rejects.toThrow("cannot download nats-server 2.10");
  });

  it("is passed over where its server is broken", async () => {
    executable("first/nats-server", "exit 1");
    const second = server("second/nats-server", "2.15.1");
    expect((await findNatsServer({ machine })).path).toBe(second);
  });
});

describe("the cache", () => {
  it("of a checkout comes before the user's", async () => {
    mkdirSync(join(root, "project", "src"), { recursive: true });
    const ofUser = server("home/.cache/kvgw/nats-server/2.15/nats-server", "2.15.1");
    expect((await findNatsServer({ machine })).path).toBe(ofUser);
    const ofProject = server("project/.cache/nats-server/2.15/nats-server", "2.15.1");
    expect((await findNatsServer({ machine })).path).toBe(ofProject);
  });

  it("of an installed package is the user's, where XDG_CACHE_HOME says", async () => {
    server("project/.cache/nats-server/2.10/nats-server", "2.10.1");
    machine.env["XDG_CACHE_HOME"] = join(root, "xdg");
    const ofUser = server("xdg/kvgw/nats-server/2.10/nats-server", "2.10.2");
    expect((await findNatsServer({ version: "2.10", machine })).path).toBe(ofUser);
  });

  it("does not serve what does not run", async () => {
    executable("home/.cache/kvgw/nats-server/2.15/nats-server", "exit 1");
    await expect(findNatsServer({ machine })).rejects.toThrow("cannot download nats-server 2.15");
  });
});

describe("a search without success", () => {
  it("ends in one line with every reason and the remedy, and leaves nothing in the cache", async () => {
    const failure = findNatsServer({ version: "2.9", machine });
    await expect(failure).rejects.toThrow(
      "cannot download nats-server 2.9 (Debian: this machine has no Debian keyring; " +
        "release archive: no checksum of 2.9 for plan9-mips is pinned): " +
        "install nats-server 2.9 and put it on PATH or set NATS_SERVER to it",
    );
    expect(readdirSync(join(root, "home", ".cache", "kvgw", "nats-server"))).toEqual([]);
  });

  it("says so when there is no folder to download to", async () => {
    writeFileSync(join(root, "home"), "a file where the home should be");
    await expect(findNatsServer({ machine })).rejects.toThrow(/no folder to download it to .*set NATS_SERVER to it$/);
  });

  it("refuses a version that nobody carries", async () => {
    const version = "2.13" as "2.10";
    await expect(findNatsServer({ version, machine })).rejects.toThrow("ask for 2.15, 2.10 or 2.9");
  });
});

describe("the command", () => {
  const script = fileURLToPath(new URL("../../scripts/nats-server.mjs", import.meta.url));
  const command = async (...args: string[]): Promise<{ stdout: string; stderr: string }> =>
    promisify(execFile)(process.execPath, [script, ...args], { env: machine.env });

  it("prints the path and nothing else", async () => {
    const first = server("first/nats-server", "2.15.1");
    expect(await command("2.15")).toEqual({ stdout: `${first}\n`, stderr: "" });
    machine.env["NATS_SERVER"] = server("mine/nats-server", "2.9.1");
    expect(await command()).toEqual({ stdout: `${machine.env["NATS_SERVER"]}\n`, stderr: "" });
  });

  it("fails with one line", async () => {
    const line = 'nats-server "1.4" is not one of those known here: ask for 2.15, 2.10 or 2.9\n';
    await expect(command("1.4")).rejects.toMatchObject({ code: 1, stdout: "", stderr: line });
  });
});
