/**
 * Does the data have the shape that the JSON Schema describes? What Ajv finds is put into sentences in
 * `shape-findings.ts`. Compiling the schema takes longer than checking a large config, so it is done once, when first
 * needed.
 */
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { CONFIG_PROBLEMS_MAX } from "../core/limits.js";
import type { Finding } from "./path.js";
import { gatewaySchema } from "./schema.js";
import { type ShapeError, sayShapeErrors } from "./shape-findings.js";

/** Ajv reports each alternative of a choice, so there are more errors than problems. */
const ERRORS_READ_MAX = 20 * CONFIG_PROBLEMS_MAX;

let compiled: ValidateFunction | undefined;

function compile(): ValidateFunction {
  const ajv = new Ajv2020({ allErrors: true, verbose: true, strict: true, allowUnionTypes: true });
  ajv.addVocabulary(["errorMessage"]);
  return ajv.compile(gatewaySchema);
}

/** `written` is the same data before variables were replaced: messages repeat what stands in the file. */
export function checkShape(data: unknown, written: unknown): readonly Finding[] {
  compiled ??= compile();
  if (compiled(data)) return [];
  const errors = (compiled.errors ?? []) as readonly ShapeError[];
  return sayShapeErrors(errors.slice(0, ERRORS_READ_MAX), data, written);
}
