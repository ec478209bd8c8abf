/** Reloads of the configuration while everything runs. */
import type { ConfigChange } from "../world/config-text.js";
import type { World } from "../world/world.js";
import { FAULT, type FaultKind } from "./fault.js";

function change(world: World, site: string, lastsMs: number, to: ConfigChange): string | null {
  if (world.life(site) === null) return null;
  world.reload(site, to);
  world.endAfter(lastsMs, () => world.reload(site, {}));
  return `${site} runs with ${JSON.stringify(to)} for ${lastsMs} ms`;
}

export const CONFIG_FAULTS: readonly FaultKind[] = [
  {
    ...FAULT,
    name: "reload: limits",
    blinds: false,
    lastsMs: [100, 20_000],
    amount: [1, 20],
    strike: (world, { site, lastsMs, amount, choice }) =>
      change(world, site, lastsMs, choice < 0.5 ? { inFlight: amount } : { opsPerSecond: amount }),
  },
  {
    ...FAULT,
    name: "reload: bucket paused",
    lastsMs: [100, 20_000],
    strike: (world, { site, bucket, lastsMs }) => change(world, site, lastsMs, { paused: [bucket] }),
  },
  {
    ...FAULT,
    name: "reload: bucket removed and added again",
    lastsMs: [0, 20_000],
    strike: (world, { site, bucket, lastsMs }) => change(world, site, lastsMs, { without: [bucket] }),
  },
  {
    ...FAULT,
    name: "reload: invalid text",
    blinds: false,
    strike(world, { site }) {
      void world.life(site)?.gateway.reload("{ not a config");
      return world.life(site) === null ? null : `${site} is given a text that is no config`;
    },
  },
  {
    ...FAULT,
    name: "reload: keys excluded for a while",
    atMost: 1,
    lastsMs: [500, 20_000],
    strike: (world, { site, lastsMs }) => change(world, site, lastsMs, { exclude: ["x.>"] }),
  },
  {
    ...FAULT,
    name: "reload: site removed and added again",
    atMost: 1,
    lastsMs: [500, 20_000],
    strike(world, { site, other, lastsMs }) {
      if (world.plan.mix.buckets.some(({ sites }) => sites.length < 3)) return null;
      for (const each of world.plan.mix.sites) change(world, each, lastsMs, { withoutSite: other });
      return `${other} takes no part for ${lastsMs} ms, says ${site}`;
    },
  },
];
