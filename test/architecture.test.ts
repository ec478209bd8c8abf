/**
 * The architecture document as a test: which layer may know which, what only the edge may touch, and how large things
 * may grow. When a rule here is in the way, change the rule and say why in the commit.
 */
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SRC = join(ROOT, "src");
const FILE_LINES_MAX = 400;
const FILE_LINES_WITHOUT_REASON = 300;
const FUNCTION_LINES_MAX = 60;
/** Factories hold their closures; what counts is the size of each function inside. */
const FACTORY = /^(?:create|load|build)[A-Z]|^begin$/;

interface Layer {
  readonly imports: readonly string[];
  /** Layers of which only types may be imported. */
  readonly typesOf?: readonly string[];
  readonly packages: readonly RegExp[];
}

const LAYERS: Readonly<Record<string, Layer>> = {
  core: { imports: ["core"], packages: [] },
  config: { imports: ["config", "core"], packages: [/^yaml$/, /^ajv/, /^node:path$/] },
  telemetry: { imports: ["telemetry", "core"], typesOf: ["gateway"], packages: [/^pino$/, /^prom-client$/] },
  nats: { imports: ["nats", "core"], typesOf: ["config"], packages: [/^@nats-io\//] },
  pipeline: { imports: ["pipeline", "core"], typesOf: ["config"], packages: [] },
  gateway: { imports: ["gateway", "core", "config", "nats", "pipeline"], packages: [] },
  http: { imports: ["http", "core"], typesOf: ["gateway"], packages: [/^fastify$/, /^node:(?:http|net)$/] },
};
/** The one place for each effect. */
const FILE_PACKAGES: Readonly<Record<string, readonly RegExp[]>> = {
  "core/hash.ts": [/^node:crypto$/],
  "config/file.ts": [/^node:fs(?:\/promises)?$/, /^node:path$/, /^chokidar$/],
};
const EDGE = (file: string) => !file.includes("/") || file.startsWith("cli/");
const NAMES_FORBIDDEN = /^(?:utils?|helpers?|common|types?|index|manager|misc)\.ts$/;
const AMBIENT = /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bsetTimeout\b|\bsetInterval\b|\bprocess\.|\bconsole\./;

interface Source {
  readonly file: string;
  readonly text: string;
  readonly ast: ts.SourceFile;
}

const sources: readonly Source[] = filesBelow(SRC).map((path) => {
  const text = readFileSync(path, "utf8");
  return { file: relative(SRC, path), text, ast: ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true) };
});
const layerOf = (file: string) => file.split("/")[0] ?? "";
const isGenerated = ({ text }: Source) => /^\/[/*][^]{0,300}?generated/i.test(text);

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesBelow(join(folder, entry.name)) : entry.name.endsWith(".ts") ? [join(folder, entry.name)] : [],
  );
}

interface Import {
  readonly from: string;
  readonly typeOnly: boolean;
}

function importsOf({ ast }: Source): Import[] {
  return ast.statements.flatMap((statement) => {
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) return [];
    const specifier = statement.moduleSpecifier;
    if (specifier === undefined || !ts.isStringLiteral(specifier)) return [];
    return [{ from: specifier.text, typeOnly: ts.isImportDeclaration(statement) && isTypeOnly(statement) }];
  });
}

function isTypeOnly({ importClause: clause }: ts.ImportDeclaration): boolean {
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const named = clause.namedBindings;
  return clause.name === undefined && named !== undefined && ts.isNamedImports(named) && named.elements.every((e) => e.isTypeOnly);
}

const inSource = (file: string, from: string) => relative(SRC, resolve(SRC, dirname(file), from)).replace(/\.js$/, ".ts");

function offences(check: (source: Source) => readonly string[]): string[] {
  return sources.flatMap((source) => check(source).map((what) => `${source.file}: ${what}`));
}

describe("the house", () => {
  it("has sources to look at", () => {
    expect(sources.length).toBeGreaterThan(30);
  });

  it("lets each layer know only what lies below it", () => {
    const found = offences((source) => {
      const layer = LAYERS[layerOf(source.file)];
      if (layer === undefined) return EDGE(source.file) ? [] : ["a folder that is no layer"];
      return importsOf(source).flatMap(({ from, typeOnly }) => {
        if (!from.startsWith(".")) {
          const allowed = [...layer.packages, ...(FILE_PACKAGES[source.file] ?? [])];
          return allowed.some((pattern) => pattern.test(from)) ? [] : [`imports the package ${from}`];
        }
        const target = layerOf(inSource(source.file, from));
        if (layer.imports.includes(target) || (typeOnly && layer.typesOf?.includes(target) === true)) return [];
        return [`imports ${target}${typeOnly ? " (types)" : ""}`];
      });
    });
    expect(found).toEqual([]);
  });

  it("keeps time, timers, randomness and the process at the edge", () => {
    expect(offences(({ file, ast }) => (EDGE(file) ? [] : codeMatching(ast, AMBIENT)))).toEqual([]);
  });

  it("builds names on the wire in one file", () => {
    const wire = /["'`](?:\$KV\.|\$JS\.|KVGW_[$a-z]|KV_|kvgw_|Kvgw-|Nats-)/;
    expect(offences(({ file, ast }) => (file === "nats/subjects.ts" || file.startsWith("telemetry/") ? [] : codeMatching(ast, wire)))).toEqual([]);
  });

  it("makes metrics in one file", () => {
    const metric = /\bnew (?:Counter|Gauge|Histogram|Summary)\b/;
    expect(offences(({ file, ast }) => (file === "telemetry/metrics.ts" ? [] : codeMatching(ast, metric)))).toEqual([]);
  });

  it("has no file that nobody imports", () => {
    const imported = new Set(sources.flatMap((source) => importsOf(source).map(({ from }) => inSource(source.file, from))));
    expect(sources.map(({ file }) => file).filter((file) => file !== "main.ts" && !imported.has(file))).toEqual([]);
  });

  it("exports by name, from files that say what they are", () => {
    const found = offences(({ file, ast }) => [
      ...(ast.statements.some((s) => ts.isExportAssignment(s)) ? ["a default export"] : []),
      ...(NAMES_FORBIDDEN.test(file.split("/").at(-1) ?? "") ? ["a name that says nothing"] : []),
    ]);
    expect(found).toEqual([]);
  });

  it("opens every file with what it is for", () => {
    expect(offences(({ text }) => (/^(?:#![^\n]*\n)?\/[/*]/.test(text) ? [] : ["no opening comment"]))).toEqual([]);
  });

  it("uses classes for errors only", () => {
    const isError = (node: ts.ClassDeclaration) => node.heritageClauses?.[0]?.getText().includes("Error") === true;
    expect(
      offences(({ ast }) => ast.statements.filter(ts.isClassDeclaration).flatMap((c) => (isError(c) ? [] : [`class ${c.name?.text}`]))),
    ).toEqual([]);
  });

  it("stays small", () => {
    const found = offences((source) => {
      if (isGenerated(source)) return [];
      const lines = source.text.split("\n").length - 1;
      const reasoned = /\bLength:/.test(source.text.slice(0, 1_500));
      const tooLong = lines > FILE_LINES_MAX || (lines > FILE_LINES_WITHOUT_REASON && !reasoned);
      return [...(tooLong ? [`${lines} lines`] : []), ...longFunctions(source.ast)];
    });
    expect(found).toEqual([]);
  });
});

function codeMatching(ast: ts.SourceFile, pattern: RegExp): string[] {
  const withoutComments = ts.createPrinter({ removeComments: true }).printFile(ast);
  return withoutComments.split("\n").filter((line) => pattern.test(line)).map((line) => line.trim());
}

function longFunctions(ast: ts.SourceFile): string[] {
  const found: string[] = [];
  const lineOf = (position: number) => ast.getLineAndCharacterOfPosition(position).line;
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node)) {
      const name = node.name?.getText() ?? "(anonymous)";
      const lines = lineOf(node.end) - lineOf(node.getStart()) + 1;
      if (lines > FUNCTION_LINES_MAX && !FACTORY.test(name)) found.push(`${name} has ${lines} lines`);
    }
    ts.forEachChild(node, visit);
  };
  visit(ast);
  return found;
}
