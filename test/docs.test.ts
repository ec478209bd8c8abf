/**
 * What the documentation points at exists: links and their headings, files, metrics, commands and npm scripts. Whether its
 * configurations are valid is asked in examples.test.ts.
 */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { createMetrics } from "../src/telemetry/metrics.js";
import { sampleStatus } from "./telemetry/sample-status.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Not ours, or made by a build or a run. */
const LEFT_OUT = new Set(["node_modules", "dist", "data", "coverage"]);

interface Page {
  readonly file: string;
  readonly text: string;
  /** Without code blocks, in which brackets mean something else. */
  readonly prose: string;
}

function pagesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return LEFT_OUT.has(entry.name) || entry.name.startsWith(".") ? [] : pagesBelow(path);
    return path.endsWith(".md") ? [path] : [];
  });
}

const pages: readonly Page[] = pagesBelow(ROOT).map((path) => {
  const text = readFileSync(path, "utf8");
  return { file: relative(ROOT, path), text, prose: text.replace(/^```[^]*?^```$/gm, "") };
});
const readme = pages.find(({ file }) => file === "README.md");

/** What `find` finds on every page and `exists` denies, each with its page. */
function missing(find: (page: Page) => Iterable<string>, exists: (what: string, page: Page) => boolean): string[] {
  return pages.flatMap((page) => [...find(page)].filter((what) => !exists(what, page)).map((what) => `${page.file}: ${what}`));
}

const groups = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, found = ""]) => found);

/** A heading's anchor, as GitHub makes it. */
const anchor = (heading: string) => heading.toLowerCase().replace(/[^\p{L}\p{N}\- _]/gu, "").replaceAll(" ", "-");

function linkResolves(link: string, { file }: Page): boolean {
  const [path = "", heading] = link.split("#");
  const target = path === "" ? join(ROOT, file) : resolve(ROOT, dirname(file), path);
  if (!existsSync(target)) return false;
  return heading === undefined || groups(readFileSync(target, "utf8"), /^#+ (.+)$/gm).map(anchor).includes(heading);
}

describe("the documentation", () => {
  it("has pages to look at", () => {
    expect(readme?.text).toContain("npm ci && npm test");
    expect(pages.map(({ file }) => file)).toEqual(expect.arrayContaining(["docs/lab.md", "docs/protocol.md", "src/README.md"]));
  });

  it("links to files and headings that exist", () => {
    const links = ({ prose }: Page) => groups(prose, /\]\(([^)\s]+)\)/g).filter((link) => !/^[a-z]+:/.test(link));
    expect(pages.flatMap(links).length).toBeGreaterThan(20);
    expect(missing(links, linkResolves)).toEqual([]);
  });

  it("names files that exist", () => {
    const files = ({ text }: Page) => groups(text, /`((?:src|test|docs|examples|bench|schemas|config|scripts)\/[\w./-]*)`/g);
    expect(pages.flatMap(files).length).toBeGreaterThan(50);
    expect(missing(files, (path) => existsSync(join(ROOT, path)))).toEqual([]);
  });

  it("names metrics that the program exposes", async () => {
    const exposed = await createMetrics({ status: () => sampleStatus(), counters: () => new Map() }).text();
    const metrics = groups(readme?.text ?? "", /\b(kvgw_[a-z_]*[a-z](?:_\*)?)/g);
    expect(metrics.length).toBeGreaterThan(20);
    const isExposed = (name: string) =>
      name.endsWith("_*") ? exposed.includes(`# TYPE ${name.slice(0, -1)}`) : exposed.includes(`# TYPE ${name} `);
    expect(metrics.filter((name) => !isExposed(name))).toEqual([]);
  });

  it("names commands and npm scripts that exist", () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: Record<string, string> };
    expect(missing(({ text }) => groups(text, /\bnpm run (?:--silent )?([\w:]+)/g), (script) => script in scripts)).toEqual([]);
    const sources = readdirSync(join(ROOT, "src", "cli")).filter((file) => file.endsWith(".ts"));
    const commands = sources.flatMap((file) => groups(readFileSync(join(ROOT, "src", "cli", file), "utf8"), /\.command\("([\w-]+)"\)/g));
    expect(commands).toContain("run");
    const used = ({ text }: Page) => groups(text, /(?:^|`)kvgw ([a-z-]+)/gm);
    expect(missing(used, (command) => commands.includes(command))).toEqual([]);
  });
});
