/**
 * What leaves this folder: the image, the compose file and the npm package. No container engine is needed: the files are
 * read, and the folder that the image would hold is put together and run.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { parseConfig } from "../src/config/parse.js";
import { eventually } from "./support/eventually.js";
import { freePorts } from "./support/nats-process.js";
import { atProcessEnd } from "./support/process-end.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const read = (file: string) => readFileSync(join(ROOT, file), "utf8");
const manifest = JSON.parse(read("package.json")) as { dependencies: Record<string, string>; engines: { node: string } };

interface Instruction {
  readonly name: string;
  readonly rest: string;
}

/** One list of instructions per FROM. */
function stagesOf(dockerfile: string): readonly (readonly Instruction[])[] {
  const stages: Instruction[][] = [];
  const lines = dockerfile.replaceAll(/^\s*#.*\n/gm, "").replaceAll(/\\\n/g, " ").split("\n");
  for (const line of lines.filter((text) => text.trim() !== "")) {
    const [, name = "", rest = ""] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (name === "FROM") stages.push([]);
    stages.at(-1)?.push({ name, rest });
  }
  return stages;
}

interface Copy {
  /** Relative to /app, or to the build context. */
  readonly sources: readonly string[];
  readonly to: string;
  readonly fromBuild: boolean;
}

function copiesOf(stage: readonly Instruction[]): readonly Copy[] {
  return stage.flatMap(({ name, rest }) => {
    if (name !== "COPY") return [];
    const words = rest.split(/\s+/);
    const fromBuild = words[0] === "--from=build";
    const paths = fromBuild ? words.slice(1) : words;
    const sources = paths.slice(0, -1).map((path) => (fromBuild ? posix.relative("/app", path) : path));
    return [{ sources, to: paths.at(-1) ?? "", fromBuild }];
  });
}

const [build = [], runtime = []] = stagesOf(read("Dockerfile"));
const restOf = (name: string) => runtime.filter((instruction) => instruction.name === name).map(({ rest }) => rest);
const imageEnv = Object.fromEntries(restOf("ENV").flatMap((rest) => rest.split(/\s+/).map((pair) => pair.split("=") as [string, string])));
const asList = (json: string | undefined) => JSON.parse(json ?? "null") as string[];

describe("the image", () => {
  it("is made in two stages of one Node that the program supports", () => {
    const bases = [build, runtime].map((stage) => stage[0]?.rest.split(" ")[0]);
    expect(new Set(bases).size).toBe(1);
    const [, major = "0"] = /^node:(\d+)-slim$/.exec(bases[0] ?? "") ?? [];
    const [, oldest = "0"] = /^>=(\d+)\./.exec(manifest.engines.node) ?? [];
    expect(Number(major)).toBeGreaterThanOrEqual(Number(oldest));
    expect(Number(oldest)).toBeGreaterThan(0);
  });

  it("copies only what exists, and what the build context lets through", () => {
    const [first, ...admitted] = read(".dockerignore").split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    expect(first, "everything is left out that is not named").toBe("*");
    const sources = [build, runtime].flatMap(copiesOf).flatMap((copy) => (copy.fromBuild ? [] : copy.sources));
    expect(sources.length).toBeGreaterThan(5);
    expect(sources.filter((source) => !existsSync(join(ROOT, source)))).toEqual([]);
    expect(new Set(admitted)).toEqual(new Set(sources.map((source) => `!${source}`)));
  });

  it("takes from the build stage only what that stage has", () => {
    const there = [...copiesOf(build).flatMap(({ sources }) => sources), "dist", "node_modules"];
    const taken = copiesOf(runtime).flatMap((copy) => (copy.fromBuild ? copy.sources : []));
    expect(taken.length).toBeGreaterThan(2);
    expect(taken.filter((path) => !there.some((known) => path === known || path.startsWith(`${known}/`)))).toEqual([]);
  });

  it("runs as a user that is not root, who owns nothing of it", () => {
    expect(restOf("USER")).toEqual(["node"]);
    expect(read("Dockerfile")).not.toMatch(/--chown|--chmod|\bchown\b/);
  });

  it("needs no shell: what is started is a list of words, and the port of its address is exposed", () => {
    expect(asList(restOf("ENTRYPOINT")[0])).toEqual(["node", "dist/main.js"]);
    expect(asList(restOf("CMD")[0])).toEqual(["run"]);
    expect(restOf("EXPOSE")).toEqual([imageEnv["KVGW_HTTP"]?.split(":").at(-1)]);
    expect(imageEnv["NODE_ENV"]).toBe("production");
  });

  it("holds all that the gateway needs to start, and tells by its health check whether it lives", async () => {
    const folder = mkdtempSync(join(tmpdir(), "kvgw-image-"));
    const [httpPort = 0, nowhere = 0] = await freePorts(2);
    const nats = `nats://127.0.0.1:${nowhere}`;
    const env = { ...process.env, ...imageEnv, KVGW_HTTP: `127.0.0.1:${httpPort}`, KVGW_NATS_A: nats, KVGW_NATS_B: nats };
    const check = async () => {
      const [command, ...words] = asList(/ CMD (\[.*\])$/.exec(restOf("HEALTHCHECK")[0] ?? "")?.[1]);
      expect(command).toBe("node");
      return promisify(execFile)(process.execPath, words, { cwd: folder, env, timeout: 10_000 });
    };
    for (const { sources, to } of copiesOf(runtime)) for (const source of sources) place(source, join(folder, to));
    await expect(check()).rejects.toMatchObject({ code: 1 });
    const [, ...program] = [...asList(restOf("ENTRYPOINT")[0]), ...asList(restOf("CMD")[0])];
    const child = spawn(process.execPath, program, { cwd: folder, env, stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text) => (said += String(text)));
    const forget = atProcessEnd(() => child.kill("SIGKILL"));
    const exited = once(child, "exit") as Promise<[number | null]>;
    try {
      await eventually(check, { what: "the health check passes while NATS cannot be reached" });
      child.kill("SIGTERM");
      expect((await exited)[0]).toBe(0);
    } catch (thrown) {
      throw new Error(`the program said:\n${said}`, { cause: thrown });
    } finally {
      child.kill("SIGKILL");
      await exited;
      forget();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("has every package that the program imports after development packages are gone", () => {
    const imported = new Set(filesBelow(join(ROOT, "dist")).flatMap((file) => packagesOf(readFileSync(file, "utf8"))));
    expect(imported.size).toBeGreaterThan(5);
    expect([...imported].filter((name) => !Object.hasOwn(manifest.dependencies, name))).toEqual([]);
  });
});

/** As COPY does it: a folder's contents into the target, a file into a target that ends in a slash. */
function place(source: string, target: string): void {
  const from = join(ROOT, source);
  if (source === "node_modules") return symlinkSync(from, target);
  mkdirSync(dirname(target), { recursive: true });
  cpSync(from, target.endsWith("/") ? join(target, basename(source)) : target, { recursive: true });
}

function filesBelow(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return names.filter((name) => name.endsWith(".js")).map((name) => join(folder, name));
}

function packagesOf(code: string): string[] {
  const specifiers = ts.preProcessFile(code).importedFiles.map(({ fileName }) => fileName);
  const bare = specifiers.filter((from) => !from.startsWith(".") && !from.startsWith("node:") && !builtinModules.includes(from));
  return bare.map((from) => from.split("/").slice(0, from.startsWith("@") ? 2 : 1).join("/"));
}

interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports: readonly string[];
  readonly volumes: readonly string[];
  readonly depends_on?: readonly string[];
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

describe("the compose file", () => {
  const compose = parse(read("docker-compose.yml"), { merge: true }) as Compose;
  const { services } = compose;
  const servers = ["nats-a", "nats-b"].map((name) => [name, services[name]] as const);
  const gateways = ["gateway-a", "gateway-b"].map((name) => [name, services[name]] as const);

  it("is the lab: two servers and two gateways on the ports that the lab names", () => {
    expect(Object.keys(services).sort()).toEqual(["gateway-a", "gateway-b", "nats-a", "nats-b"]);
    expect(compose).not.toHaveProperty("version");
    expect(servers.map(([, service]) => service?.ports)).toEqual([["4222:4222"], ["5222:4222"]]);
    expect(gateways.map(([, service]) => service?.ports)).toEqual([["127.0.0.1:9480:9480"], ["127.0.0.1:9481:9480"]]);
  });

  it.each(Object.entries(services))("gives %s no more rights than it needs, and starts it again", (_, service) => {
    expect(service).toMatchObject({
      read_only: true,
      cap_drop: ["ALL"],
      security_opt: ["no-new-privileges:true"],
      restart: "unless-stopped",
    });
  });

  it.each(servers)("lets %s keep its streams over a restart", (name, service) => {
    expect(service?.image).toMatch(/^nats:2\.\d+-alpine$/);
    expect(service?.command).toEqual(["-js", "-sd", "/data"]);
    expect(service?.volumes).toEqual([`${name}:/data`]);
    expect(compose.volumes).toHaveProperty(name);
  });

  it.each(gateways)("builds %s here, and gives it the shared configuration as a folder that it cannot write", (_, service) => {
    expect(service?.build).toBe(".");
    expect(service?.volumes).toEqual(["./config:/app/config:ro"]);
    expect(service?.depends_on).toEqual(["nats-a", "nats-b"]);
  });

  it("makes of config/gateway.yaml, by the environment alone, two sites that reach the servers of this network", () => {
    const configs = gateways.map(([, service]) => {
      const env = { ...imageEnv, ...service?.environment };
      const parsed = parseConfig(read("config/gateway.yaml"), { file: "config/gateway.yaml", env });
      if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
      return parsed.value;
    });
    expect(configs.map(({ site }) => site)).toEqual(["site-a", "site-b"]);
    for (const { sites, http } of configs) {
      expect(http).toEqual({ host: "0.0.0.0", port: 9480 });
      const addresses = [...sites.values()].flatMap((site) => site.servers);
      expect(addresses.map((address) => new URL(address).host)).toEqual(["nats-a:4222", "nats-b:4222"]);
    }
  });
});

describe("the npm package", () => {
  it("holds the program, its schema, its examples and nothing of the workshop", async () => {
    const { stdout } = await promisify(execFile)("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: ROOT });
    const [pack] = JSON.parse(stdout) as [{ files: { path: string; mode: number }[] }];
    const modes = new Map(pack.files.map(({ path, mode }) => [path, mode]));
    const needed = [
      "package.json",
      "dist/main.js",
      "schemas/gateway.schema.json",
      "config/gateway.yaml",
      "scripts/nats-server.mjs",
      ...["two-sites", "many-buckets", "leaf-nodes", "hub", "json-agent"].flatMap((name) => [
        `examples/${name}/gateway.yaml`,
        `examples/${name}/README.md`,
      ]),
      "examples/two-sites/site-a.conf",
      "examples/json-agent/agent.mjs",
    ];
    expect([...modes.keys()]).toEqual(expect.arrayContaining(needed));
    expect((modes.get("dist/main.js") ?? 0) & 0o111, "it is a command").not.toBe(0);
    const workshop = /^(?:src|test|bench|node_modules|\.|docs\/decisions)|\.test\.|(?:^|\/)data\/|\.tgz$/;
    expect([...modes.keys()].filter((path) => workshop.test(path))).toEqual([]);
  });
});
