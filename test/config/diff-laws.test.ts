import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bucketsOf, planReload } from "../../src/config/diff.js";
import type { ReloadPlan } from "../../src/config/config.js";
import { config } from "./config-arbitrary.js";

const namesIn = (plan: ReloadPlan): readonly string[] => [
  ...[...plan.start, ...plan.stop, ...plan.keep],
  ...[...plan.restart, ...plan.update].map(({ bucket }) => bucket),
];

describe("a reload plan, for any two configs", () => {
  it("keeps everything if nothing changed", () => {
    fc.assert(
      fc.property(config, (same) => {
        const keep = bucketsOf(same).map(({ name }) => name);
        expect(planReload(same, same)).toEqual({ start: [], stop: [], restart: [], update: [], keep, refused: [] });
      }),
    );
  });

  it("starts everything from nothing", () => {
    fc.assert(
      fc.property(config, (next) => {
        const start = bucketsOf(next).map(({ name }) => name);
        expect(planReload(null, next)).toEqual({ start, stop: [], restart: [], update: [], keep: [], refused: [] });
      }),
    );
  });

  it("names every bucket that runs before or after exactly once, in order", () => {
    fc.assert(
      fc.property(config, config, (old, next) => {
        const plan = planReload(old, next);
        const all = [...new Set([...bucketsOf(old), ...bucketsOf(next)].map(({ name }) => name))].sort();
        expect([...namesIn(plan)].sort()).toEqual(all);
        for (const list of [plan.start, plan.stop, plan.keep, plan.restart.map(({ bucket }) => bucket)]) {
          expect(list).toEqual([...list].sort());
        }
      }),
    );
  });

  it("is turned around by turning the configs around", () => {
    fc.assert(
      fc.property(config, config, (old, other) => {
        const next = { ...other, site: old.site };
        const [there, back] = [planReload(old, next), planReload(next, old)];
        expect(back.start).toEqual(there.stop);
        expect(back.keep).toEqual(there.keep);
        expect(back.restart.map(({ bucket }) => bucket)).toEqual(there.restart.map(({ bucket }) => bucket));
        expect(back.update).toEqual(there.update);
      }),
    );
  });

  it("keeps only what is the same bucket at the same sites", () => {
    fc.assert(
      fc.property(config, config, (old, other) => {
        const next = { ...other, site: old.site };
        for (const name of planReload(old, next).keep) {
          expect(next.buckets.get(name)).toEqual(old.buckets.get(name));
          for (const id of next.buckets.get(name)?.sites.keys() ?? [])
            expect(next.sites.get(id)).toEqual(old.sites.get(id));
        }
      }),
    );
  });
});
