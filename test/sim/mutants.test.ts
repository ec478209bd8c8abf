/** Bugs that were put into the product on purpose are found, each within its budget of seeds. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { compileSimulator } from "./compiled.js";
import type { Hunted } from "./hunt.js";
import { MUTANTS } from "./mutants.js";

const sourceOf = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");

describe("the mutants", () => {
  it("are at least a dozen, with names of their own", () => {
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
    expect(MUTANTS.length).toBeGreaterThanOrEqual(12);
  });

  it.each(MUTANTS)("$name: its place in $file is there exactly once", ({ file, find }) => {
    expect(sourceOf(file).split(find)).toHaveLength(2);
  });

  it("are all found, each within its budget of seeds", { timeout: 600_000 }, async () => {
    const { printed, json } = await compileSimulator("mutants-test").run("hunt-mutants");
    const missed = (json as readonly Hunted[]).filter(({ caughtAfter }) => caughtAfter === null).map(({ name }) => name);
    expect(missed, printed).toEqual([]);
    expect(json).toHaveLength(MUTANTS.length);
  });
});
