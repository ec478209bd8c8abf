/**
 * `${NAME}` and `${NAME:-default}` in string values, replaced from the environment after the YAML was parsed: what a
 * variable holds can never change the structure of the file. As in a shell, `:-` also stands in for an empty variable.
 * `$${` is a literal `${`. Names of settings are never replaced.
 */
import { CONFIG_PROBLEMS_MAX } from "../core/limits.js";
import type { Finding } from "./path.js";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Replaced {
  readonly data: unknown;
  readonly findings: readonly Finding[];
}

/** `$${`, or `${` with its name and default where they are well formed. */
const VARIABLE = /\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})?/g;

/** Whether a text as written takes something from the environment. A value of the wrong shape may be anything then, a
 *  secret too, so messages repeat what is written instead. */
export function namesVariable(written: unknown): boolean {
  return typeof written === "string" && written.includes("${");
}

export function replaceVariables(data: unknown, env: Environment): Replaced {
  const findings: Finding[] = [];
  const path: (string | number)[] = [];
  const complain = (message: string): void => {
    if (findings.length <= CONFIG_PROBLEMS_MAX) findings.push({ path: [...path], message });
  };
  const walk = (value: unknown): unknown => {
    if (typeof value === "string") return replaceText(value, env, complain);
    if (Array.isArray(value)) return value.map((item, index) => below(index, item));
    if (typeof value !== "object" || value === null) return value;
    const copy = Object.create(null) as Record<string, unknown>;
    for (const [key, item] of Object.entries(value)) copy[key] = below(key, item);
    return copy;
  };
  const below = (segment: string | number, value: unknown): unknown => {
    path.push(segment);
    const replaced = walk(value);
    path.pop();
    return replaced;
  };
  return { data: walk(data), findings };
}

function replaceText(text: string, env: Environment, complain: (message: string) => void): string {
  if (!text.includes("${")) return text;
  return text.replace(VARIABLE, (whole: string, name: string | undefined, fallback: string | undefined) => {
    if (whole === "$${") return "${";
    if (name === undefined) {
      complain("`${` begins a variable: write ${NAME} or ${NAME:-default}; for a literal ${ write $${");
      return whole;
    }
    if (fallback?.includes("${")) {
      complain(`the default of \${${name}} holds another variable; a default is plain text`);
      return whole;
    }
    return lookUp(name, fallback, env, complain) ?? whole;
  });
}

function lookUp(
  name: string,
  fallback: string | undefined,
  env: Environment,
  complain: (message: string) => void,
): string | undefined {
  const value = Object.hasOwn(env, name) ? env[name] : undefined;
  if (fallback !== undefined) return value === undefined || value === "" ? fallback : value;
  if (value === undefined) {
    complain(`the environment variable ${name} is not set; set it, or give a default: \${${name}:-default}`);
  }
  return value;
}
