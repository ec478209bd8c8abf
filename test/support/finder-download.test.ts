/** The downloads of scripts/nats-server.mjs, with an apt-get of our own and a release page on 127.0.0.1. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findNatsServer, type Machine } from "../../scripts/nats-server.mjs";

let root: string;
let machine: Machine;
let log: string[];
const pages: Server[] = [];

beforeEach(() => {
  // A space, because people have such folders.
  root = mkdtempSync(join(tmpdir(), "kvgw finder-"));
  log = [];
  writeFileSync(join(root, "keyring.gpg"), "");
  machine = {
    env: { PATH: join(root, "bin"), HOME: join(root, "home"), RECORD: join(root, "record") },
    platform: "linux-amd64",
    projectRoot: join(root, "project"),
    keyrings: [join(root, "keyring.pgp"), join(root, "keyring.gpg")],
    releaseUrl: "http://127.0.0.1:1",
    releases: {
      "2.15": { release: "2.15.0", sha256: {} },
      "2.10": { release: "2.10.0", sha256: {} },
      "2.9": { release: "2.9.0", sha256: {} },
    },
    downloadTimeoutMs: 20_000,
  };
});

afterEach(async () => {
  for (const page of pages.splice(0)) {
    const closed = new Promise((resolve) => page.close(resolve));
    page.closeAllConnections();
    await closed;
  }
  rmSync(root, { recursive: true, force: true });
});

function command(name: string, script: string): void {
  mkdirSync(join(root, "bin"), { recursive: true });
  writeFileSync(join(root, "bin", name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

const cache = (): string => join(root, "home", ".cache", "kvgw", "nats-server");

const TARGETS = "http://mirror.test/debian-security/ main\nhttp://mirror.test/debian/ main";

/** Answers as apt-get does, and writes down what it was asked and which sources it saw. */
function debian(version: string, targets = TARGETS): void {
  command(
    "apt-get",
    `case "$*" in
      *indextargets*) printf '${targets.replaceAll("\n", "\\n")}\\n' ;;
      *update) /bin/cat sources.list >> "$RECORD" ;;
      *download*) echo package > nats-server_${version}_amd64.deb ;;
    esac`,
  );
  command(
    "dpkg-deb",
    `/bin/mkdir -p unpacked/usr/sbin
    printf '#!/bin/sh\\necho "nats-server: v${version}"\\n' > unpacked/usr/sbin/nats-server
    /bin/chmod 755 unpacked/usr/sbin/nats-server`,
  );
}

describe("the download from Debian", () => {
  it.each([
    ["2.15", "sid", "2.16.1"],
    ["2.10", "trixie", "2.10.27"],
    ["2.9", "bookworm", "2.9.10"],
  ] as const)("takes %s from %s, through the mirror that the machine's apt knows", async (version, suite, real) => {
    debian(real);
    const found = await findNatsServer({ version, machine, log: (line) => log.push(line) });
    expect(found).toEqual({ path: join(cache(), version, "nats-server"), version: real });
    expect(log).toEqual([`downloading nats-server ${version} from Debian ${suite} …`]);
    const sources = readFileSync(join(root, "record"), "utf8");
    expect(sources).toBe(`deb [target=Packages signed-by=${root}/keyring.gpg] http://mirror.test/debian ${suite} main\n`);
    expect(readdirSync(cache())).toEqual([version]);
  });

  it("happens once; after that the cache answers", async () => {
    debian("2.15.1");
    const first = await findNatsServer({ machine });
    rmSync(join(root, "bin"), { recursive: true });
    expect(await findNatsServer({ machine, log: (line) => log.push(line) })).toEqual(first);
    expect(log).toEqual([]);
  });

  it("may happen several times at once, and every caller gets a working server", async () => {
    debian("2.15.1");
    const found = await Promise.all(Array.from({ length: 5 }, () => findNatsServer({ machine })));
    expect(new Set(found.map(({ path }) => path))).toEqual(new Set([join(cache(), "2.15", "nats-server")]));
    expect(readdirSync(cache())).toEqual(["2.15"]);
    expect((await findNatsServer({ machine })).version).toBe("2.15.1");
  });

  it("replaces a cached server that no longer runs", async () => {
    mkdirSync(join(cache(), "2.15"), { recursive: true });
    writeFileSync(join(cache(), "2.15", "nats-server"), "half a file", { mode: 0o755 });
    debian("2.15.1");
    expect((await findNatsServer({ machine })).version).toBe("2.15.1");
  });

  it.each([
    ["apt-get is missing", () => undefined, "Debian: apt-get is not there"],
    ["apt-get fails", () => command("apt-get", "echo W: hm >&2; echo E: no line >&2; exit 100"), "apt-get failed: E: no line"],
    ["apt knows no Debian mirror", () => debian("2.15.1", "http://mirror.test/ubuntu/ main"), "not configured with a Debian"],
    ["the suite carries another version", () => debian("2.14.0"), "Debian: it carries 2.14.0 by now"],
    ["the server does not run here", () => debian('0"; exit 1; "'), "Debian: "],
  ])("gives its reason when %s, and leaves nothing", async (_, prepare, reason) => {
    prepare();
    await expect(findNatsServer({ version: "2.15", machine })).rejects.toThrow(reason);
    expect(readdirSync(cache())).toEqual([]);
  });

  it("ends when its time is over", async () => {
    command("apt-get", "exec /bin/sleep 60");
    const impatient = { ...machine, downloadTimeoutMs: 300 };
    await expect(findNatsServer({ machine: impatient })).rejects.toThrow("Debian: took too long");
    expect(readdirSync(cache())).toEqual([]);
  });
});

/** A page that offers one archive, made as the official ones are; answers its address and checksum. */
async function releasePage(name: string): Promise<{ url: string; sha256: string }> {
  const folder = join(root, "release");
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, name, "nats-server"), '#!/bin/sh\necho "nats-server: v2.15.0"\n', { mode: 0o755 });
  execFileSync("tar", ["-czf", "archive.tar.gz", name], { cwd: folder });
  const archive = readFileSync(join(folder, "archive.tar.gz"));
  const page = createServer((request, response) => {
    if (request.url === `/v2.15.0/${name}.tar.gz`) response.end(archive);
    else if (request.url?.startsWith("/slow/")) response.write("…");
    else response.writeHead(404).end();
  });
  pages.push(page);
  await new Promise<void>((resolve) => page.listen(0, "127.0.0.1", resolve));
  const { port } = page.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, sha256: createHash("sha256").update(archive).digest("hex") };
}

function withRelease(releaseUrl: string, sha256: string): Machine {
  const releases = { ...machine.releases, "2.15": { release: "2.15.0", sha256: { "linux-amd64": sha256 } } };
  return { ...machine, keyrings: [], releaseUrl, releases };
}

describe("the download of the release archive", () => {
  const name = "nats-server-v2.15.0-linux-amd64";

  beforeEach(() => command("tar", 'PATH=/usr/bin:/bin exec tar "$@"'));

  it("is used where Debian's is not to be had", async () => {
    const { url, sha256 } = await releasePage(name);
    const found = await findNatsServer({ machine: withRelease(url, sha256), log: (line) => log.push(line) });
    expect(found).toEqual({ path: join(cache(), "2.15", "nats-server"), version: "2.15.0" });
    expect(log).toEqual([`downloading ${name}.tar.gz …`]);
    expect(readdirSync(cache())).toEqual(["2.15"]);
  });

  it("is refused when its checksum is not the pinned one, before it is unpacked", async () => {
    const { url, sha256 } = await releasePage(name);
    const other = createHash("sha256").update("other").digest("hex");
    command("tar", 'echo unpacked > "$RECORD"');
    const failure = findNatsServer({ machine: withRelease(url, other) });
    await expect(failure).rejects.toThrow(`${name}.tar.gz has sha256 ${sha256}, not the pinned ${other}`);
    expect(readdirSync(root)).not.toContain("record");
    expect(readdirSync(cache())).toEqual([]);
  });

  it("gives its reason when the page does not have it, cannot be reached or takes too long", async () => {
    const { url, sha256 } = await releasePage(name);
    const missing = findNatsServer({ machine: withRelease(`${url}/elsewhere`, sha256) });
    await expect(missing).rejects.toThrow(`release archive: ${url}/elsewhere/v2.15.0/${name}.tar.gz answered 404`);
    const closed = findNatsServer({ machine: withRelease("http://127.0.0.1:9", sha256) });
    await expect(closed).rejects.toThrow(/release archive: \S.*install nats-server 2\.15/);
    const slow = findNatsServer({ machine: { ...withRelease(`${url}/slow`, sha256), downloadTimeoutMs: 300 } });
    await expect(slow).rejects.toThrow("release archive: took too long");
  });
});
