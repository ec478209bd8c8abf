/** Puts a mutant's patch into the product's source, for the worker processes of one swarm; no file of the tree changes. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import ts from "typescript";
import { MUTANTS, type Mutant } from "./mutants.js";

/** Of the compiled tree, which lies two folders below the project. */
const COMPILED = new URL("../../", import.meta.url);
const PROJECT = new URL("../../", COMPILED);

export function patched({ name, file, find, replace }: Mutant, source: string): string {
  const times = source.split(find).length - 1;
  if (times !== 1) throw new Error(`mutant ${name}: its place stands ${times} times in ${file}; mend the patch`);
  return source.replace(find, () => replace);
}

/** What `createSwarm` puts in the place of which module. */
export function mutantTexts(name: string): Record<string, string> {
  const mutant = MUTANTS.find((each) => each.name === name);
  if (mutant === undefined) throw new RangeError(`there is no mutant ${name}; there are ${MUTANTS.map((each) => each.name).join(", ")}`);
  const source = patched(mutant, readFileSync(new URL(mutant.file, PROJECT), "utf8"));
  const { target, module } = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022 };
  const { outputText } = ts.transpileModule(source, { compilerOptions: { target, module, verbatimModuleSyntax: true } });
  const folder = new URL("mutants/", COMPILED);
  mkdirSync(folder, { recursive: true });
  const text = new URL(`${name.replaceAll(" ", "-")}.js`, folder);
  writeFileSync(text, outputText);
  return { [new URL(mutant.file.replace(/\.ts$/, ".js"), COMPILED).href]: text.href };
}
