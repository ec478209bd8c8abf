/**
 * Ajv's errors as sentences. Each says what would be right, in the words of the schema's own `errorMessage` where it
 * has one, and what was found instead.
 */
import { type ConfigPath, type Finding, formatPath, isWithin, valueAt } from "./path.js";
import { namesVariable } from "./environment.js";
import { showText, showValue } from "./show.js";
import { didYouMean, listNames } from "./suggest.js";

/** What is read of an Ajv error in verbose mode. */
export interface ShapeError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly data?: unknown;
  readonly parentSchema?: Schema;
  /** Set where the name of a setting is wrong, not its value. */
  readonly propertyName?: string;
}

interface Schema {
  readonly type?: string | readonly string[];
  readonly errorMessage?: string;
  readonly description?: string;
  readonly pattern?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
}

interface Placed {
  readonly error: ShapeError;
  readonly path: ConfigPath;
}

export function sayShapeErrors(errors: readonly ShapeError[], data: unknown, written: unknown): readonly Finding[] {
  const placed = errors
    .filter(({ keyword }) => keyword !== "propertyNames")
    .map((error) => ({ error, path: pathOf(error.instancePath, data) }));
  const findings = new Map<string, Finding>();
  for (const { error, path } of withoutAlternatives(placed)) {
    const finding = say(error, path, valueAt(written, path));
    const place = `${finding.atKey === true} ${formatPath(finding.path)}`;
    if (!findings.has(place)) findings.set(place, finding);
  }
  return [...findings.values()];
}

/** A JSON pointer as a path; the data tells positions in a list from names. */
function pathOf(pointer: string, data: unknown): ConfigPath {
  const path: (string | number)[] = [];
  let value: unknown = data;
  for (const part of pointer.split("/").slice(1)) {
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    const segment = Array.isArray(value) ? Number(name) : name;
    path.push(segment);
    value = valueAt(value, [segment]);
  }
  return path;
}

/**
 * Where several forms are possible (`create`, `sites`), Ajv complains about each of them. If the value resembles one
 * form, what is wrong inside it matters; else only that no form fits.
 */
function withoutAlternatives(placed: readonly Placed[]): readonly Placed[] {
  const choices = new Set(
    placed.filter(({ error }) => error.keyword === "anyOf").map(({ error }) => error.instancePath),
  );
  if (choices.size === 0) return placed;
  const ofNoForm = ({ error }: Placed): boolean =>
    choices.has(error.instancePath) && ["type", "const"].includes(error.keyword) && error.propertyName === undefined;
  const rest = placed.filter((each) => !ofNoForm(each));
  return rest.filter(({ error, path }) => {
    if (error.keyword !== "anyOf") return true;
    return !rest.some((other) => other.error.keyword !== "anyOf" && isWithin(other.path, path));
  });
}

function say(error: ShapeError, path: ConfigPath, written: unknown): Finding {
  const { keyword, params, parentSchema: schema = {} } = error;
  if (error.propertyName !== undefined) {
    const message = `${schema.errorMessage ?? "not a name"}, found ${showText(error.propertyName)}`;
    return { path: [...path, error.propertyName], atKey: true, message };
  }
  if (keyword === "additionalProperties") {
    const name = String(params["additionalProperty"]);
    const known = Object.keys(schema.properties ?? {});
    const meant = didYouMean(name, known);
    const message = `unknown setting ${showText(name)}${meant === "" ? ";" : meant} known: ${listNames(known)}`;
    return { path: [...path, name], atKey: true, message };
  }
  if (keyword === "required") {
    const name = String(params["missingProperty"]);
    return { path: [...path, name], message: `the setting ${name} is missing: ${sayWhy(schema.properties?.[name])}` };
  }
  return { path, message: sayValue(error, schema, path, written) };
}

function sayWhy(schema: Schema | undefined): string {
  return schema?.errorMessage ?? schema?.description ?? "it has no default";
}

function sayValue(error: ShapeError, schema: Schema, path: ConfigPath, written: unknown): string {
  const { keyword, params, data } = error;
  const setting = path.findLast((segment) => typeof segment === "string");
  const expected = sayExpected(keyword, params, schema);
  if (keyword === "uniqueItems") {
    const index = Number(params["i"]);
    const twice = showValue(valueAt(data, [index]), valueAt(written, [index]), setting);
    return `${twice} stands twice in this list; remove one`;
  }
  if (keyword.endsWith("Items") || keyword.endsWith("Properties")) return `${expected}, found ${sayCount(data)}`;
  if (keyword === "maxLength") return `${expected}, found a text of ${String(data).length} characters`;
  return `${expected}, found ${showValue(data, written, setting)}${sayHint(schema, data, written)}`;
}

function sayExpected(keyword: string, params: ShapeError["params"], schema: Schema): string {
  if (schema.errorMessage !== undefined) return schema.errorMessage;
  if (schema.enum !== undefined) return `expected ${schema.enum.length > 1 ? "one of " : ""}${listNames(schema.enum)}`;
  if (schema.type === "integer")
    return `expected a whole number from ${schema.minimum ?? 0} to ${schema.maximum ?? "any"}`;
  return `expected something else (${keyword}: ${JSON.stringify(Object.values(params)[0])})`;
}

function sayCount(data: unknown): string {
  const count = Object.keys(data as object).length;
  return count === 0 ? "none" : String(count);
}

/** The slip behind the most usual mistakes. */
function sayHint(schema: Schema, data: unknown, written: unknown): string {
  const types = [schema.type].flat();
  if (typeof data === "string") {
    if (schema.enum !== undefined) return didYouMean(data, schema.enum);
    if (types.includes("string")) return "";
    if (namesVariable(written)) return "; what comes from the environment is always text";
    if (types.includes("boolean") && /^(yes|no|on|off|y|n)$/i.test(data)) return "; YAML 1.2 knows only true and false";
    return types.includes("integer") && /^[0-9]+$/.test(data) ? "; write it without quotes" : "";
  }
  if (!types.includes("string") || (typeof data !== "number" && typeof data !== "boolean")) return "";
  const fits = (text: string): boolean => schema.pattern === undefined || new RegExp(schema.pattern).test(text);
  if (fits(String(data))) return "; put it in quotes";
  return fits(`${data}s`) ? `; add a unit: ${data}s` : "";
}
