import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readConfigFile } from "../../src/config/file.js";
import { CONFIG_BYTES_MAX } from "../../src/core/limits.js";

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvgw-file-"));
  file = join(folder, "gateway.yaml");
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function problemOf(path: string): Promise<unknown> {
  const result = await readConfigFile(path);
  return result.ok ? "read" : result.error;
}

const problem = (path: string, message: string, line = 1, column = 1): unknown => [
  { file: path, line, column, path: "", message: expect.stringContaining(message) as string },
];

describe("reading a config file", () => {
  it("gives its text as it stands there, its byte order mark included", async () => {
    const text = "\uFEFFversion: 1\r\n# ü €\n";
    await writeFile(file, text);
    expect(await readConfigFile(file)).toEqual({ ok: true, value: text });
  });

  it("follows symlinks", async () => {
    await writeFile(file, "version: 1\n");
    await symlink(file, join(folder, "link"));
    expect(await readConfigFile(join(folder, "link"))).toEqual({ ok: true, value: "version: 1\n" });
  });

  it("takes a file of the largest size, and none beyond it", async () => {
    await writeFile(file, Buffer.alloc(CONFIG_BYTES_MAX, "#"));
    expect((await readConfigFile(file)).ok).toBe(true);
    await writeFile(file, Buffer.alloc(CONFIG_BYTES_MAX + 1, "#"));
    expect(await problemOf(file)).toEqual(problem(file, "larger than 4 MiB"));
  });

  it("reads files whose size the system does not say", async () => {
    const result = await readConfigFile("/proc/self/status");
    expect(result.ok && result.value.includes("Pid:")).toBe(true);
  });

  it("says what is there instead of a file", async () => {
    await mkdir(file);
    expect(await problemOf(file)).toEqual(problem(file, "is a folder; name the file in it"));
    expect(await problemOf(join(folder, "none.yaml"))).toEqual(
      problem(join(folder, "none.yaml"), "there is no such file"),
    );
    await symlink(join(folder, "b"), join(folder, "a"));
    await symlink(join(folder, "a"), join(folder, "b"));
    expect(await problemOf(join(folder, "a"))).toEqual(problem(join(folder, "a"), "symlinks lead in a circle"));
    await writeFile(join(folder, "plain"), "");
    expect(await problemOf(join(folder, "plain/x.yaml"))).toEqual(
      problem(join(folder, "plain/x.yaml"), "no such file"),
    );
  });

  it("never waits for a pipe, a socket or a device", async () => {
    execFileSync("mkfifo", [file]);
    expect(await problemOf(file)).toEqual(problem(file, "is no regular file"));
    expect(await problemOf("/dev/zero")).toEqual(problem("/dev/zero", "is no regular file"));
    const socket = join(folder, "socket");
    const server = createServer();
    await new Promise<void>((listening) => server.listen(socket, listening));
    try {
      expect(await problemOf(socket)).toEqual(problem(socket, "is no regular file"));
    } finally {
      await new Promise((closed) => server.close(closed));
    }
  });

  it("says that it may not read a file, where the system keeps this user from it", async () => {
    await writeFile(file, "version: 1\n");
    await chmod(file, 0);
    const mayReadAnything = process.getuid?.() === 0;
    const refused = problem(file, "may not be read by this user; check the permissions");
    expect(await problemOf(file)).toEqual(mayReadAnything ? "read" : refused);
  });

  it.each([
    ["little", "utf16le", false],
    ["big", "utf16le", true],
  ] as const)("refuses UTF-16, %s end first", async (_what, encoding, swapped) => {
    const bytes = Buffer.from("\uFEFFversion: 1\n", encoding);
    await writeFile(file, swapped ? bytes.swap16() : bytes);
    expect(await problemOf(file)).toEqual(problem(file, "is UTF-16; save it as UTF-8"));
  });

  it("finds the byte that is not UTF-8", async () => {
    await writeFile(file, Buffer.concat([Buffer.from("version: 1\n# caf"), Buffer.from([0xe9]), Buffer.from("\n")]));
    expect(await problemOf(file)).toEqual(problem(file, "not UTF-8", 2, 6));
  });
});
