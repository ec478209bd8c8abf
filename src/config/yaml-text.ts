/**
 * A text to one YAML document, or to what is wrong with it as a text. Nothing here trusts the text: size, number of
 * tokens and depth are bounded before anything recurses into it, so no file can hold or crash the process.
 */
import { Composer, type CST, type Document, Lexer, LineCounter, Parser, type YAMLError, isScalar } from "yaml";
import { CONFIG_BYTES_MAX, CONFIG_DEPTH_MAX, CONFIG_PROBLEMS_MAX, CONFIG_TOKENS_MAX } from "../core/limits.js";
import { type Result, err, ok } from "../core/result.js";
import type { ConfigProblem } from "./config.js";
import { explainYaml } from "./yaml-errors.js";

export interface YamlText {
  readonly document: Document.Parsed;
  /** Offset in the text to line and column, both from 1. */
  readonly position: (offset: number) => { readonly line: number; readonly column: number };
}

/** What is wrong with a text, and the offset where. */
interface Flaw {
  readonly offset: number;
  readonly message: string;
}

/** YAML 1.2 core values only. Keys are compared in `source.ts`: the library does so for each pair of them. */
const OPTIONS = {
  schema: "core",
  version: "1.2",
  merge: false,
  resolveKnownTags: false,
  stringKeys: true,
  uniqueKeys: false,
  prettyErrors: false,
  logLevel: "silent",
} as const;

/** Beside the open collections the parser's stack holds the document and the scalar it is at. */
const STACK_MAX = CONFIG_DEPTH_MAX + 2;

const BYTE_ORDER_MARK = "\uFEFF";

export function readYaml(fullText: string, file: string): Result<YamlText, readonly ConfigProblem[]> {
  // A UTF-8 byte order mark says nothing that we need, and would shift the columns of the first line.
  const text = fullText.startsWith(BYTE_ORDER_MARK) ? fullText.slice(1) : fullText;
  const tooLarge = flawOfSize(text);
  if (tooLarge !== null) return err([{ file, line: 1, column: 1, path: "", message: tooLarge }]);

  const position = positionsOf(text);
  const refuse = (flaws: readonly Flaw[]): Result<never, readonly ConfigProblem[]> =>
    err(
      flaws
        .slice(0, CONFIG_PROBLEMS_MAX)
        .map(({ offset, message }) => ({ file, ...position(offset), path: "", message })),
    );

  const nul = text.indexOf("\0");
  if (nul >= 0)
    return refuse([{ offset: nul, message: "holds a NUL byte: UTF-16 or a binary file? save it as UTF-8 text" }]);
  const tokens = tokenize(text);
  if (!tokens.ok) return refuse(tokens.error);
  const document = compose(tokens.value, text);
  return document.ok ? ok({ document: document.value, position }) : refuse(document.error);
}

function flawOfSize(text: string): string | null {
  if (text.length <= CONFIG_BYTES_MAX && Buffer.byteLength(text) <= CONFIG_BYTES_MAX) return null;
  return `larger than ${CONFIG_BYTES_MAX / 1024 / 1024} MiB; no configuration is: is it the right file?`;
}

function positionsOf(text: string): YamlText["position"] {
  const lines = new LineCounter();
  lines.addNewLine(0);
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) lines.addNewLine(at + 1);
  return (offset) => {
    const { line, col } = lines.linePos(Math.min(offset, text.length));
    return { line, column: col };
  };
}

/** The concrete syntax, which the library builds without recursion; its stack is the depth of the text so far. */
function tokenize(text: string): Result<readonly CST.Token[], readonly Flaw[]> {
  const parser = new Parser();
  const tokens: CST.Token[] = [];
  const flaws: Flaw[] = [];
  const keep = (token: CST.Token): unknown =>
    token.type === "error" ? flaws.push(flawOfToken(token)) : tokens.push(token);
  let count = 0;
  for (const lexeme of new Lexer().lex(text)) {
    const { offset } = parser;
    for (const token of parser.next(lexeme)) keep(token);
    if (flaws.length > CONFIG_PROBLEMS_MAX) return err(flaws);
    if (++count > CONFIG_TOKENS_MAX)
      return err([{ offset, message: "too long: here it has more words than any configuration" }]);
    if (parser.stack.length > STACK_MAX) {
      return err([{ offset, message: `nested more than ${CONFIG_DEPTH_MAX} levels deep; a configuration needs six` }]);
    }
  }
  for (const token of parser.end()) keep(token);
  return flaws.length > 0 ? err(flaws) : ok(tokens);
}

const flawOfToken = (token: CST.ErrorToken): Flaw => ({
  offset: token.offset,
  message: explainYaml("UNEXPECTED_TOKEN", token.message),
});

function compose(tokens: readonly CST.Token[], text: string): Result<Document.Parsed, readonly Flaw[]> {
  const directive = tokens.find((token) => token.type === "directive" && !/^%YAML 1\.2\s*$/.test(token.source));
  if (directive !== undefined) {
    return err([{ offset: directive.offset, message: "directives are not used here: the file is read as YAML 1.2" }]);
  }
  const [document, second] = firstTwo(new Composer(OPTIONS).compose(tokens));
  if (document === undefined || document.contents === null || isEmpty(document)) {
    if (document !== undefined && document.errors.length > 0) return err(document.errors.map(flawOf));
    const what = text.trim() === "" ? "the file is empty" : "the file holds only comments";
    return err([
      { offset: 0, message: `${what}; a configuration begins with \`version: 1\`, \`sites:\` and \`buckets:\`` },
    ]);
  }
  // Tags are refused in `source.ts`, known or not.
  const flaws = [...document.errors, ...document.warnings]
    .filter(({ code }) => code !== "TAG_RESOLVE_FAILED")
    .map(flawOf);
  if (flaws.length > 0) return err(flaws);
  if (second === undefined) return ok(document);
  const offset = second.contents?.range[0] ?? second.range[0];
  return err([{ offset, message: "a second document begins here (after `---`); one file holds one configuration" }]);
}

const isEmpty = (document: Document.Parsed): boolean => isScalar(document.contents) && document.contents.source === "";

const flawOf = (error: YAMLError): Flaw => ({ offset: error.pos[0], message: explainYaml(error.code, error.message) });

/** More documents than two are not composed: the second is refused already. */
function firstTwo<T>(items: Generator<T, void>): readonly T[] {
  const taken: T[] = [];
  for (const item of items) {
    taken.push(item);
    if (taken.length === 2) break;
  }
  return taken;
}
