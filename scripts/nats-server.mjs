#!/usr/bin/env node
/**
 * Finds a nats-server binary: $NATS_SERVER, then PATH, then the cache, then a download into the cache. The demo, the
 * tests, the bench and chaos all get theirs here. One file without dependencies, and so a long one, because it is shipped
 * as it stands.
 *
 * Invariants: what is returned has answered `--version`. What is downloaded is authenticated, by Debian's signatures or
 * by a checksum pinned below. A binary appears in the cache by one rename, so callers at the same time never see half
 * of one. Every wait has an end. An error is one line that says what to do.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, realpathSync } from "node:fs";
import { access, constants, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** @import { FindOptions, FoundServer, Machine } from "./nats-server.mjs" */
/** Downloaded when no version was asked for. */
const DEFAULT_VERSION = "2.15";
/** The oldest server that the product works with; for the default request anything from here on will do. */
const OLDEST = [2, 9];
/** A binary on a cold disk answers in well under a second. */
const VERSION_TIMEOUT_MS = 10_000;
/** Release archives are 5 to 8 MB; whatever is larger is not one. */
const ARCHIVE_LIMIT_BYTES = 64 * 1024 * 1024;

/** The Debian suite that carries each version. */
const SUITES = { "2.15": "sid", "2.10": "trixie", "2.9": "bookworm" };

/** The official archives, with the checksums that were published for them. What has none here is not downloaded. */
const RELEASES = {
  "2.15": {
    release: "2.15.0",
    sha256: {
      "linux-amd64": "5d2c51caca950333aba84911df7d377f826f3a59ec36061c6539105084f65c92",
      "linux-arm64": "cdc208f5a3f42963a52b6ab06ef65626bb870315dc936e26ba571780c6351112",
    },
  },
  "2.10": {
    release: "2.10.29",
    sha256: {
      "linux-amd64": "e314da74a83a1d3876db8814c27eb990fe729640fd6452025b441bcede8390da",
      "linux-arm64": "da4b27942ecfb4c5f0c54553d2e7f470ddda9d7581cfe8131b351a0e223ed401",
    },
  },
  "2.9": {
    release: "2.9.25",
    sha256: {
      "linux-amd64": "2da5e9ba29ec29a5e44775c1cfe8ade6e3506606b4b361276dfd8a08f273da99",
      "linux-arm64": "68551379667a0caffc5c5302f817b99b89c133077ca84b2cf72e1947a46e0e9e",
    },
  },
};

/** @returns {Machine} everything the search depends on, so that a test can describe another machine */
function thisMachine() {
  return {
    env: process.env,
    platform: `${process.platform}-${process.arch === "x64" ? "amd64" : process.arch}`,
    projectRoot: fileURLToPath(new URL("..", import.meta.url)),
    keyrings: ["pgp", "gpg"].map((ending) => `/usr/share/keyrings/debian-archive-keyring.${ending}`),
    releaseUrl: "https://github.com/nats-io/nats-server/releases/download",
    releases: RELEASES,
    // Per source, for 5 to 16 MB: who has a slower line is better served by hand.
    downloadTimeoutMs: 120_000,
  };
}

/**
 * Without a version: whatever the user provides from 2.9 on, else the newest we know. With one: that one, where
 * "2.15" stands for "2.15 or later", because the suite that carries it moves on.
 * @param {FindOptions} [options]
 * @returns {Promise<FoundServer>}
 */
export async function findNatsServer({ version, log = () => undefined, machine = thisMachine() } = {}) {
  const request = requestFor(version);
  return (
    (await fromEnvironment(request, machine)) ??
    (await fromPath(request, machine)) ??
    (await fromCache(request, machine)) ??
    (await download(request, machine, log))
  );
}

function requestFor(version) {
  if (version === undefined) return { version: DEFAULT_VERSION, any: true, accepts: (found) => atLeast(found, OLDEST) };
  if (!Object.hasOwn(SUITES, version)) {
    throw new Error(`nats-server "${version}" is not one of those known here: ask for 2.15, 2.10 or 2.9`);
  }
  const [major, minor] = numbers(version);
  const same = (found) => numbers(found)[0] === major && numbers(found)[1] === minor;
  const accepts = version === DEFAULT_VERSION ? (found) => atLeast(found, [major, minor]) : same;
  return { version, any: false, accepts };
}

function numbers(version) {
  return version.split(".").map(Number);
}

function atLeast(version, [major, minor]) {
  const [ownMajor, ownMinor] = numbers(version);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}

/** A setting that does not work is said, never passed over; one of another version than asked for is passed over. */
async function fromEnvironment(request, { env }) {
  if (!env.NATS_SERVER) return undefined;
  const path = resolve(env.NATS_SERVER);
  const found = await probe(path, env).catch((error) => {
    throw new Error(`NATS_SERVER=${env.NATS_SERVER} is no working nats-server (${oneLine(error)}): correct or unset it`);
  });
  if (request.accepts(found.version)) return found;
  if (!request.any) return undefined;
  throw new Error(`NATS_SERVER=${env.NATS_SERVER} is version ${found.version}: set one from ${OLDEST.join(".")} on`);
}

async function fromPath(request, { env }) {
  for (const folder of (env.PATH ?? "").split(delimiter).filter(isAbsolute)) {
    const found = await probeIfThere(join(folder, "nats-server"), env);
    if (found && request.accepts(found.version)) return found;
  }
  return undefined;
}

async function fromCache(request, machine) {
  for (const folder of cacheFolders(machine)) {
    const found = await probeIfThere(cached(folder, request), machine.env);
    if (found && request.accepts(found.version)) return found;
  }
  return undefined;
}

async function probe(path, env) {
  const { stdout } = await run(path, ["--version"], { env, timeout: VERSION_TIMEOUT_MS, killSignal: "SIGKILL" });
  const version = /\bv(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  if (version === undefined) throw new Error(`its --version says ${stdout.split("\n")[0]}`);
  return { path, version };
}

/** A broken binary that nobody asked for by name is no reason to stop looking. */
async function probeIfThere(path, env) {
  return existsSync(path) ? probe(path, env).catch(() => undefined) : undefined;
}

/** A checkout keeps its servers to itself; an installed package has no `src` and uses the user's cache. */
function cacheFolders({ projectRoot, env }) {
  const xdg = env.XDG_CACHE_HOME;
  const ofUser = join(xdg && isAbsolute(xdg) ? xdg : join(env.HOME || homedir(), ".cache"), "kvgw", "nats-server");
  return existsSync(join(projectRoot, "src")) ? [join(projectRoot, ".cache", "nats-server"), ofUser] : [ofUser];
}

function cached(folder, request) {
  return join(folder, request.version, "nats-server");
}

async function writableFolder(folders) {
  for (const folder of folders) {
    try {
      await mkdir(folder, { recursive: true });
      await access(folder, constants.W_OK);
      return folder;
    } catch {
      // The next one may do; when none does, the error names them all.
    }
  }
  throw new Error(`no nats-server here, and no folder to download it to (tried ${folders.join(", ")}): ${remedy("")}`);
}

async function download(request, machine, log) {
  const folder = await writableFolder(cacheFolders(machine));
  const reasons = [];
  for (const source of [fromDebian, fromRelease]) {
    const work = await mkdtemp(join(folder, ".download-"));
    try {
      const signal = AbortSignal.timeout(machine.downloadTimeoutMs);
      const version = await source(request, { work, machine, log, signal });
      if (!request.accepts(version)) throw new Error(`it carries ${version} by now`);
      const path = cached(folder, request);
      await mkdir(dirname(path), { recursive: true });
      await rename(join(work, "nats-server"), path);
      return { path, version };
    } catch (error) {
      reasons.push(`${source === fromDebian ? "Debian" : "release archive"}: ${oneLine(error)}`);
    } finally {
      await rm(work, { recursive: true, force: true, maxRetries: 3 });
    }
  }
  throw new Error(`cannot download nats-server ${request.version} (${reasons.join("; ")}): ${remedy(request.version)}`);
}

function remedy(version) {
  return `install nats-server ${version} and put it on PATH or set NATS_SERVER to it`.replace("  ", " ");
}

/** apt with sources, lists and cache of its own: needs no root and leaves the machine's own state alone. */
async function fromDebian(request, { work, machine, log, signal }) {
  const options = { env: machine.env, cwd: work, signal, killSignal: "SIGKILL" };
  const keyring = machine.keyrings.find((path) => existsSync(path));
  if (keyring === undefined) throw new Error("this machine has no Debian keyring");
  const format = "$(REPO_URI) $(COMPONENT)";
  const { stdout } = await run("apt-get", ["indextargets", "--format", format, "Created-By: Packages"], options);
  const mirror = /^(\S+\/debian(?:\.list)?)\/? main$/m.exec(stdout)?.[1];
  if (mirror === undefined) throw new Error("apt is not configured with a Debian mirror");

  const suite = SUITES[request.version];
  log(`downloading nats-server ${request.version} from Debian ${suite} …`);
  for (const name of ["lists/partial", "cache/archives/partial"]) await mkdir(join(work, name), { recursive: true });
  await writeFile(join(work, "sources.list"), `deb [target=Packages signed-by=${keyring}] ${mirror} ${suite} main\n`);
  await writeFile(join(work, "apt.conf"), aptConfig(work));
  await run("apt-get", ["-c", "apt.conf", "-qq", "update"], options);
  await run("apt-get", ["-c", "apt.conf", "-qq", "download", "nats-server"], options);
  const deb = (await readdir(work)).find((name) => name.endsWith(".deb"));
  if (deb === undefined) throw new Error("apt-get downloaded no package");
  await run("dpkg-deb", ["-x", deb, "unpacked"], options);
  return settle(join(work, "unpacked", "usr", "sbin", "nats-server"), work, machine);
}

/** The hooks of the machine's own updates are cleared: they are not about this download and often need root. */
function aptConfig(work) {
  return [
    `Dir::Etc::SourceList "${work}/sources.list";`,
    `Dir::State::Lists "${work}/lists";`,
    `Dir::Cache "${work}/cache";`,
    ...["SourceParts", "Preferences", "PreferencesParts"].map((name) => `Dir::Etc::${name} "/dev/null";`),
    'APT::Sandbox::User "";',
    'APT::Update::Error-Mode "any";',
    'Acquire::Retries "2";',
    ...["Pre-Invoke", "Post-Invoke", "Post-Invoke-Success"].map((name) => `#clear APT::Update::${name};`),
    "",
  ].join("\n");
}

async function fromRelease(request, { work, machine, log, signal }) {
  const { release, sha256 } = machine.releases[request.version];
  const expected = sha256[machine.platform];
  if (expected === undefined) throw new Error(`no checksum of ${request.version} for ${machine.platform} is pinned`);
  const name = `nats-server-v${release}-${machine.platform}`;
  log(`downloading ${name}.tar.gz …`);
  const archive = await fetchBytes(`${machine.releaseUrl}/v${release}/${name}.tar.gz`, signal);
  const actual = createHash("sha256").update(archive).digest("hex");
  if (actual !== expected) throw new Error(`${name}.tar.gz has sha256 ${actual}, not the pinned ${expected}`);
  await writeFile(join(work, "archive.tar.gz"), archive);
  await run("tar", ["-xzf", "archive.tar.gz"], { env: machine.env, cwd: work, signal, killSignal: "SIGKILL" });
  return settle(join(work, name, "nats-server"), work, machine);
}

async function fetchBytes(url, signal) {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  const chunks = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.length;
    if (size > ARCHIVE_LIMIT_BYTES) throw new Error(`${url} is larger than ${ARCHIVE_LIMIT_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Lays the binary where `download` takes it from, once it has shown that it runs on this machine. */
async function settle(binary, work, machine) {
  const { version } = await probe(binary, machine.env);
  await rename(binary, join(work, "nats-server"));
  return version;
}

async function run(command, args, options) {
  try {
    return await promisify(execFile)(command, args, options);
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason;
    if (error.code === "ENOENT") throw new Error(`${command} is not there`, { cause: error });
    const said = error.stderr?.trim().split("\n").at(-1);
    throw said ? new Error(`${command} failed: ${said}`, { cause: error }) : error;
  }
}

function oneLine(error) {
  if (error.name === "TimeoutError") return "took too long";
  const text = error.message === "fetch failed" ? (error.cause?.message ?? "cannot be reached") : error.message;
  return text.replace(/\s+/g, " ").slice(0, 300);
}

async function main([version]) {
  try {
    const { path } = await findNatsServer({ version, log: (line) => process.stderr.write(`${line}\n`) });
    process.stdout.write(`${path}\n`);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

const [, script, ...args] = process.argv;
if (script && realpathSync(script) === fileURLToPath(import.meta.url)) await main(args);
