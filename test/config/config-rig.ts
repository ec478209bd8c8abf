/**
 * Config texts for tests: the smallest valid one, with what a test adds to it.
 */
import { expect } from "vitest";
import type { ConfigProblem, GatewayConfig } from "../../src/config/config.js";
import { type ParseOptions, parseConfig } from "../../src/config/parse.js";

export const SITES = `
sites:
  site-a: { servers: ["nats://127.0.0.1:4222"] }
  site-b: { servers: ["nats://127.0.0.1:5222"] }
`;

export const parseWith = (text: string, options: Partial<ParseOptions> = {}) =>
  parseConfig(text, { file: "gateway.yaml", env: {}, ...options });

/** The config of a text that must be valid; its problems make the failure readable. */
export function parsed(text: string, options: Partial<ParseOptions> = {}): GatewayConfig {
  const result = parseWith(text, options);
  expect(result.ok ? [] : result.error.map(formatProblem)).toEqual([]);
  if (!result.ok) throw new Error("the text is invalid");
  return result.value;
}

/** Two sites, this one site-a, and these buckets. */
export const withBuckets = (buckets: string, rest = ""): string =>
  `version: 1\nsite: site-a\n${SITES}\n${rest}\nbuckets:\n${buckets.replace(/^/gm, "  ")}\n`;

export function problemsOf(text: string, options: Partial<ParseOptions> = {}): readonly string[] {
  const result = parseWith(text, options);
  return result.ok ? [] : result.error.map(formatProblem);
}

export const formatProblem = ({ line, column, path, message }: ConfigProblem): string =>
  `${line}:${column} ${path === "" ? "-" : path} | ${message}`;

/** The value of a map that must hold it. */
export function entry<K, V>(map: ReadonlyMap<K, V>, key: string): V {
  const value = map.get(key as K);
  if (value === undefined) throw new Error(`${key} is missing among ${[...map.keys()].join(", ")}`);
  return value;
}
