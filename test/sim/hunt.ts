/** Runs a mutant until it is caught: a simulator that finds no bug where one was put finds none elsewhere. */
import type { Mutant } from "./mutants.js";
import { mutantTexts } from "./mutate.js";
import { createSwarm } from "./swarm.js";

export interface Hunted {
  readonly name: string;
  /** Seeds that were run until one failed; null if none did within the budget. */
  readonly caughtAfter: number | null;
  readonly by: string;
  readonly seconds: number;
}

export async function hunt({ name, seedsBudget }: Mutant, workers: number): Promise<Hunted> {
  const begun = process.hrtime.bigint();
  const swarm = createSwarm({ workers, texts: mutantTexts(name) });
  let caught: { readonly seed: number; readonly property: string } | null = null;
  const seeds = Array.from({ length: seedsBudget }, (_, index) => index + 1);
  try {
    await swarm.run(seeds.values(), ({ seed, violations: [first] }) => {
      if (first !== undefined) caught = { seed, property: first.property };
      return caught === null ? "go on" : "enough";
    });
  } finally {
    swarm.stop();
  }
  const { seed, property } = caught ?? { seed: null, property: "" };
  return { name, caughtAfter: seed, by: property, seconds: Number(process.hrtime.bigint() - begun) / 1e9 };
}
