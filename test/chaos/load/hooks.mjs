/**
 * Reads TypeScript without a build: each file for itself and without a look at its types, which `npm run lint` takes. An
 * import of `x.js` from a TypeScript file means `x.ts` where that exists.
 */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const compilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ES2022,
  verbatimModuleSyntax: true,
  inlineSourceMap: true,
};

/** @type {import("node:module").ResolveHook} */
export const resolve = (specifier, context, nextResolve) => {
  if (specifier.startsWith(".") && specifier.endsWith(".js") && context.parentURL?.endsWith(".ts") === true) {
    const url = new URL(specifier.replace(/\.js$/, ".ts"), context.parentURL);
    if (existsSync(url)) return { url: url.href, format: "module", shortCircuit: true };
  }
  return nextResolve(specifier, context);
};

/** @type {import("node:module").LoadHook} */
export const load = (url, context, nextLoad) => {
  if (!url.endsWith(".ts")) return nextLoad(url, context);
  const fileName = fileURLToPath(url);
  const { outputText } = ts.transpileModule(readFileSync(fileName, "utf8"), { compilerOptions, fileName });
  return { format: "module", source: outputText, shortCircuit: true };
};
