/**
 * Puts other modules in the place of the product's, for one process, without touching a file: the ports over memory
 * instead of those over NATS, and the patched source of a mutant.
 */
import { readFileSync } from "node:fs";
import type { InitializeHook, LoadHook } from "node:module";

/** By the URL of the module: the URL of the file whose text is loaded in its place. */
export interface Substitutes {
  /** Resolved instead: relative imports are those of the other file. */
  readonly modules?: Readonly<Record<string, string>>;
  /** Only the text is another one: relative imports are those of the module itself. */
  readonly texts?: Readonly<Record<string, string>>;
}

let substitutes: Substitutes = {};

export const initialize: InitializeHook<Substitutes> = (data) => {
  substitutes = data;
};

export const load: LoadHook = (url, context, nextLoad) => {
  const module = substitutes.modules?.[url];
  if (module !== undefined) {
    return { format: "module", shortCircuit: true, source: `export * from ${JSON.stringify(module)};` };
  }
  const text = substitutes.texts?.[url];
  if (text === undefined) return nextLoad(url, context);
  return { format: "module", shortCircuit: true, source: readFileSync(new URL(text), "utf8") };
};
