/**
 * The document as plain data, and the way back from a path in the data to a line of the text. The data has no
 * prototype, no shared parts and no key that means something to JavaScript; aliases are followed within bounds.
 * Positions are looked up only for what is wrong, so a config without problems pays nothing for them.
 */
import { type Alias, type Document, type Node, type Scalar, type YAMLMap, isAlias, isMap, isScalar, isSeq } from "yaml";
import { CONFIG_ALIASES_MAX, CONFIG_DEPTH_MAX, CONFIG_NODES_MAX, CONFIG_PROBLEMS_MAX } from "../core/limits.js";
import { type Result, err, ok } from "../core/result.js";
import type { ConfigProblem } from "./config.js";
import { type ConfigPath, type Finding, formatPath } from "./path.js";
import { type YamlText, readYaml } from "./yaml-text.js";

export interface Source {
  /** As written, before variables are replaced. */
  readonly data: unknown;
  locate(finding: Finding): ConfigProblem;
}

/** What each alias stands for: the last node before it with that anchor. */
type Targets = ReadonlyMap<Alias, Node>;

const MEANT_BY_JAVASCRIPT: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

export function readSource(text: string, file: string): Result<Source, readonly ConfigProblem[]> {
  const yaml = readYaml(text, file);
  if (!yaml.ok) return yaml;
  const { document, position } = yaml.value;
  const reading = createReading((node, path, message) => {
    problems.push({ file, ...position(node.range?.[0] ?? 0), path: formatPath(path), message });
  });
  const problems: ConfigProblem[] = [];
  try {
    const data = reading.toData(document.contents);
    if (problems.length > 0) return err(problems.slice(0, CONFIG_PROBLEMS_MAX));
    return ok({ data, locate: (finding) => locate(finding, document, reading.targets, yaml.value, file) });
  } catch (error) {
    if (error instanceof TooMuch) return err(problems.slice(-1));
    throw error;
  }
}

/** Ends the recursion of `toData`, which has told what is too much. */
class TooMuch extends Error {}

/** One walk through the document, in the order of the text, so that an anchor is known before its aliases. */
function createReading(tell: (node: Node, path: ConfigPath, message: string) => void) {
  const anchors = new Map<string, Node>();
  const targets = new Map<Alias, Node>();
  const path: (string | number)[] = [];
  let values = 0;
  /** Nodes with an anchor that the walk is inside of: an alias to one of them would never end. */
  const open = new Set<Node>();
  let aliasDepth = 0;

  const giveUp = (node: Node, message: string): never => {
    tell(node, path, message);
    throw new TooMuch(message);
  };

  function toData(node: Node | null): unknown {
    if (node === null) return null;
    if (++values > CONFIG_NODES_MAX) giveUp(node, "more values than any configuration has, aliases included");
    if (path.length > CONFIG_DEPTH_MAX)
      giveUp(node, `aliases within aliases lead more than ${CONFIG_DEPTH_MAX} levels deep`);
    if (isAlias(node)) return aliasToData(node);
    if (node.tag !== undefined) tell(node, path, "tags such as !!str are not used here; write the value plainly");
    if (node.anchor === undefined) return partsToData(node);
    if (aliasDepth === 0) anchors.set(node.anchor, node);
    open.add(node);
    const data = partsToData(node);
    open.delete(node);
    return data;
  }

  function partsToData(node: Node): unknown {
    if (isMap(node)) return mapToData(node);
    if (isSeq(node)) return node.items.map((item, index) => below(index, item as Node | null));
    return isScalar(node) ? node.value : null;
  }

  /** Inside an alias the text is walked again: anchors were set then, and its own aliases are known. */
  function aliasToData(alias: Alias): unknown {
    const target = targets.get(alias) ?? anchors.get(alias.source);
    if (target === undefined) {
      tell(alias, path, `no anchor &${alias.source} stands before this; put a wildcard in quotes: "*${alias.source}"`);
      return null;
    }
    targets.set(alias, target);
    if (targets.size > CONFIG_ALIASES_MAX) {
      giveUp(alias, `more than ${CONFIG_ALIASES_MAX} aliases; \`defaults\` says once what holds for every bucket`);
    }
    if (open.has(target)) giveUp(alias, `the alias *${alias.source} leads back to itself`);
    aliasDepth++;
    const data = toData(target);
    aliasDepth--;
    return data;
  }

  function mapToData(map: YAMLMap): unknown {
    const data = Object.create(null) as Record<string, unknown>;
    for (const pair of map.items) {
      const keyNode = pair.key as Scalar;
      const key = String(keyNode.value);
      const flaw = keyFlaw(key, data);
      if (flaw === null) data[key] = below(key, pair.value as Node | null);
      else tell(keyNode, key === "" ? path : [...path, key], flaw);
    }
    return data;
  }

  function below(segment: string | number, node: Node | null): unknown {
    path.push(segment);
    const data = toData(node);
    path.pop();
    return data;
  }

  return { toData, targets: targets as Targets };
}

function keyFlaw(key: string, before: object): string | null {
  if (key === "") return "a name is missing before this `:`";
  if (key === "<<") return "merge keys (<<) are not YAML 1.2; use `defaults`, or an alias for a whole value";
  if (MEANT_BY_JAVASCRIPT.has(key)) return `"${key}" cannot be a name here`;
  return Object.hasOwn(before, key) ? `"${key}" stands twice in this section; remove one` : null;
}

/** The line of the value at a path, or of the nearest thing around it that the text has. */
function locate(
  finding: Finding,
  document: Document.Parsed,
  targets: Targets,
  text: YamlText,
  file: string,
): ConfigProblem {
  let node: Node | null = document.contents;
  let offset = node?.range?.[0] ?? 0;
  finding.path.every((segment, index) => {
    const step = stepInto(node, segment, targets);
    if (step === null) return false;
    node = step.value;
    const wantsKey = finding.atKey === true && index === finding.path.length - 1;
    offset = (wantsKey || isNothing(step.value) ? step.key : step.value)?.range?.[0] ?? offset;
    return true;
  });
  return { file, ...text.position(offset), path: formatPath(finding.path), message: finding.message };
}

function stepInto(
  from: Node | null,
  segment: string | number,
  targets: Targets,
): { readonly key: Node | null; readonly value: Node | null } | null {
  const node = isAlias(from) ? (targets.get(from) ?? null) : from;
  if (isSeq(node) && typeof segment === "number") {
    const value = (node.items[segment] ?? null) as Node | null;
    return value === null ? null : { key: value, value };
  }
  if (!isMap(node)) return null;
  const pair = node.items.find(({ key }) => isScalar(key) && key.value === segment);
  return pair === undefined ? null : { key: pair.key as Node, value: pair.value as Node | null };
}

/** A value that was left out stands nowhere; its name does. */
const isNothing = (node: Node | null): boolean => node === null || (isScalar(node) && node.source === "");
