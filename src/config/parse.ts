/**
 * A config text, and the environment it is read in, to a config or to everything that is wrong with it. Pure: no file
 * is read and no clock; the same text, environment and option give the same answer.
 *
 * Text → YAML → plain data → variables replaced → shape → rules → config. A text that is no YAML has only those
 * problems; everything after that is reported at once.
 */
import { CONFIG_PROBLEMS_MAX } from "../core/limits.js";
import { type Result, err, ok } from "../core/result.js";
import type { ConfigProblem, GatewayConfig } from "./config.js";
import { type Environment, replaceVariables } from "./environment.js";
import { type ConfigPath, type Finding, isWithin, valueAt } from "./path.js";
import { resolveConfig } from "./resolve.js";
import { checkRules, chooseSite } from "./rules.js";
import type { ConfigFile } from "./schema-types.js";
import { checkShape } from "./shape.js";
import { type Source, readSource } from "./source.js";

export interface ParseOptions {
  /** For messages, and where relative paths begin. */
  readonly file: string;
  readonly env: Environment;
  /** `--site`: wins over `KVGW_SITE`, which wins over the file. */
  readonly site?: string | undefined;
}

export function parseConfig(text: string, options: ParseOptions): Result<GatewayConfig, readonly ConfigProblem[]> {
  const source = readSource(text, options.file);
  if (!source.ok) return source;
  const replaced = replaceVariables(source.value.data, options.env);
  const shape = checkShape(replaced.data, source.value.data).filter(
    (finding) => !isFollowUp(finding, replaced.findings),
  );
  const broken = [...replaced.findings, ...shape];
  const file = broken.length === 0 ? (replaced.data as ConfigFile) : withoutBroken(replaced.data, broken);
  if (file === null) return err(report(source.value, broken));

  const choice = chooseSite(file, options.site, options.env["KVGW_SITE"]);
  const rules = checkRules(file, choice).filter((finding) => !restsOn(finding, broken));
  if (broken.length + rules.length > 0) return err(report(source.value, [...broken, ...rules]));
  return ok(resolveConfig(file, choice.site ?? "", options.file));
}

/** A text without its variable has many faults; the missing variable is the one to mend. */
const isFollowUp = (finding: Finding, missing: readonly Finding[]): boolean =>
  missing.some(({ path }) => isWithin(finding.path, path));

/**
 * The data without what is broken, so that the rules can look at the rest; null if the rest cannot be judged. A list
 * with a broken entry goes as a whole: positions of the others would shift.
 */
function withoutBroken(data: unknown, broken: readonly Finding[]): ConfigFile | null {
  const rest = structuredClone(data);
  for (const { path } of broken) remove(rest, path);
  const stillBroken = checkShape(rest, rest).some(({ path }) => path[0] !== "version");
  return stillBroken ? null : (rest as ConfigFile);
}

function remove(data: unknown, path: ConfigPath): void {
  const list = path.findIndex((segment) => typeof segment === "number");
  const target = list < 0 ? path : path.slice(0, list);
  const parent = valueAt(data, target.slice(0, -1));
  const name = target.at(-1);
  if (typeof parent === "object" && parent !== null && name !== undefined) Reflect.deleteProperty(parent, name);
}

/** Whether a rule may have spoken only because something broken was left out: those problems come back, if real. */
function restsOn(finding: Finding, broken: readonly Finding[]): boolean {
  return broken.some(({ path }) => {
    if (path[0] === "defaults" && finding.path[0] === "buckets") return true;
    return isWithin(finding.path, path.slice(0, 2));
  });
}

function report(source: Source, findings: readonly Finding[]): readonly ConfigProblem[] {
  const problems = findings.slice(0, CONFIG_PROBLEMS_MAX).map((finding) => source.locate(finding));
  problems.sort((a, b) => a.line - b.line || a.column - b.column);
  const last = problems.at(-1);
  if (findings.length <= CONFIG_PROBLEMS_MAX || last === undefined) return problems;
  return [...problems, { ...last, path: "", message: "there are more problems; they are shown once these are mended" }];
}
