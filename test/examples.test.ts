/**
 * What users copy: every configuration in config/, the examples and the documentation is one that the program takes, and
 * every conf file is one that nats-server takes. That the examples also run is shown by system/examples.test.ts.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { findNatsServer } from "../scripts/nats-server.mjs";
import { parseConfig } from "../src/config/parse.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SCHEMA = join(ROOT, "schemas", "gateway.schema.json");
/** What its own servers store is not part of an example. */
const LEFT_OUT = new Set(["data", "node_modules"]);

interface Sample {
  /** As a message names it: the file, and for documentation the line. */
  readonly name: string;
  readonly text: string;
}

function filesBelow(path: string, ending: string): string[] {
  const full = join(ROOT, path);
  if (!existsSync(full)) return [];
  return readdirSync(full, { withFileTypes: true }).flatMap((entry) => {
    const inside = join(path, entry.name);
    if (entry.isDirectory()) return LEFT_OUT.has(entry.name) ? [] : filesBelow(inside, ending);
    return entry.name.endsWith(ending) ? [inside] : [];
  });
}

const read = (name: string): Sample => ({ name, text: readFileSync(join(ROOT, name), "utf8") });

/** The configurations in a text's code blocks marked yaml; parts of one are not among them. */
function configurationsIn({ name, text }: Sample): Sample[] {
  return [...text.matchAll(/^```yaml\n([^]*?)^```$/gm)].flatMap((block) => {
    const [, content = ""] = block;
    const line = text.slice(0, block.index).split("\n").length + 1;
    return /^(?:#.*\n|\n)*version: 1\n/.test(content) ? [{ name: `${name}:${line}`, text: content }] : [];
  });
}

const files = ["config", "examples"].flatMap((folder) => filesBelow(folder, ".yaml")).map(read);
const pages = [...["docs", "examples", "src"].flatMap((folder) => filesBelow(folder, ".md")), ...(existsSync(join(ROOT, "README.md")) ? ["README.md"] : [])];
const samples = [...files, ...pages.map(read).flatMap(configurationsIn)];
const confs = ["config", "docs", "examples"].flatMap((folder) => filesBelow(folder, ".conf"));
const readmes = filesBelow("examples", "README.md").map(read);

/** The sites that a gateway can run for: those whose own NATS is named. */
function sitesOf(text: string): string[] {
  const { sites } = parse(text) as { sites: Record<string, { servers?: unknown }> };
  return Object.entries(sites).flatMap(([site, { servers }]) => (servers === undefined ? [] : [site]));
}

describe("configurations that users copy", () => {
  it("are in config/ and in each example", () => {
    const examples = readdirSync(join(ROOT, "examples"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(examples.length).toBeGreaterThan(0);
    for (const { name } of examples) expect(files.map((file) => file.name)).toContain(`examples/${name}/gateway.yaml`);
    expect(files.map((file) => file.name)).toContain("config/gateway.yaml");
  });

  it.each(samples)("$name is taken for each of its sites, with nothing set in the environment", ({ name, text }) => {
    const sites = sitesOf(text);
    expect(sites.length).toBeGreaterThan(0);
    const problems = sites.flatMap((site) => {
      const parsed = parseConfig(text, { file: name, env: {}, site });
      return parsed.ok ? [] : parsed.error.map(({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`);
    });
    expect(problems).toEqual([]);
  });

  it.each(files)("$name tells editors in its first line where the schema is", ({ name, text }) => {
    const schema = /^# yaml-language-server: \$schema=(\S+)\n/.exec(text)?.[1] ?? "";
    expect(resolve(ROOT, dirname(name), schema)).toBe(SCHEMA);
  });
});

describe("conf files that users copy", () => {
  it.each(confs)("%s is taken by nats-server", async (name) => {
    const { path } = await findNatsServer();
    const cwd = mkdtempSync(join(tmpdir(), "kvgw-conf-"));
    try {
      // It says what it found on stderr.
      const { stderr } = await promisify(execFile)(path, ["-t", "-c", join(ROOT, name)], { cwd, timeout: 15_000 });
      expect(stderr).toContain("is valid");
    } finally {
      rmSync(cwd, { recursive: true, force: true });
    }
  });
});

describe("the READMEs of the examples", () => {
  it.each(readmes)("$name names files that exist and sites that its gateway.yaml has", ({ name, text }) => {
    const folder = join(ROOT, dirname(name));
    const named = [...text.matchAll(/(?: -c |\]\(|node )((?:\.\.\/|[\w-])[\w./-]*\.(?:conf|yaml|mjs|md))/g)].map(([, file = ""]) => file);
    expect(named.length).toBeGreaterThan(2);
    expect(named.filter((file) => !existsSync(resolve(folder, file))), relative(ROOT, folder)).toEqual([]);
    const sites = [...text.matchAll(/--site ([\w-]+)/g)].map(([, site = ""]) => site);
    expect(sites.length).toBeGreaterThan(1);
    expect(sitesOf(readFileSync(join(folder, "gateway.yaml"), "utf8"))).toEqual(expect.arrayContaining(sites));
  });
});
