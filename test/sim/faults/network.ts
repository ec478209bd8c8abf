/** Faults of the network between gateways and NATS servers. What is held back waits on the way, as over TCP. */
import type { Direction } from "../../memory/connection.js";
import type { PlannedFault } from "../plan.js";
import type { World } from "../world/world.js";
import { FAULT, type FaultKind } from "./fault.js";

const WAYS: readonly (readonly Direction[])[] = [["to server", "to client"], ["to server"], ["to client"]];

const PARTITION = { ...FAULT, blinds: false, lastsMs: [500, 40_000] } as const;

function blockAll(world: World, pairs: readonly (readonly [string, string])[], { lastsMs, choice }: PlannedFault): string {
  const directions = WAYS[Math.floor(choice * 2 * WAYS.length)] ?? WAYS[0] ?? [];
  const unblock = pairs.map(([from, to]) => world.block(from, to, directions));
  world.endAfter(lastsMs, () => {
    for (const each of unblock) each();
  });
  return `${pairs.map(([from, to]) => `${from} to ${to}`).join(", ")}; ${directions.join(" and ")}; for ${lastsMs} ms`;
}

const otherSites = (world: World, site: string) => world.plan.mix.sites.filter((other) => other !== site);

export const NETWORK_FAULTS: readonly FaultKind[] = [
  {
    ...PARTITION,
    name: "partition of one link",
    strike: (world, fault) => blockAll(world, [[fault.site, fault.other]], fault),
  },
  {
    ...PARTITION,
    name: "partition of two sites",
    strike: (world, fault) =>
      blockAll(
        world,
        [
          [fault.site, fault.other],
          [fault.other, fault.site],
        ],
        fault,
      ),
  },
  {
    ...PARTITION,
    name: "partition of one site from all",
    strike: (world, fault) =>
      blockAll(
        world,
        otherSites(world, fault.site).flatMap((other) => [
          [fault.site, other],
          [other, fault.site],
        ]),
        fault,
      ),
  },
  {
    ...PARTITION,
    name: "partition of all sites",
    atMost: 2,
    strike: (world, fault) =>
      blockAll(
        world,
        world.plan.mix.sites.flatMap((site) => otherSites(world, site).map((other) => [site, other] as const)),
        fault,
      ),
  },
  {
    ...PARTITION,
    name: "partition of a gateway from its own server",
    blinds: true,
    lastsMs: [500, 20_000],
    strike: (world, fault) => blockAll(world, [[fault.site, fault.site]], fault),
  },
  {
    ...FAULT,
    name: "server does not answer",
    lastsMs: [500, 10_000],
    strike(world, { site, other, choice, lastsMs }) {
      const to = choice < 0.7 ? site : other;
      const link = world.life(site)?.linkTo(to);
      if (link === undefined || link.mute) return null;
      link.mute = true;
      world.endAfter(lastsMs, () => void (link.mute = false));
      return `what the gateway of ${site} asks the server of ${to} arrives; no answer comes back for ${lastsMs} ms`;
    },
  },
  {
    ...FAULT,
    name: "connection cut",
    atMost: 5,
    strike(world, { site, other, choice }) {
      const to = choice < 0.4 ? site : other;
      const connection = world.life(site)?.linkTo(to).connection;
      if (connection?.connected() !== true) return null;
      connection.cut();
      return `gateway of ${site} loses its connection to the server of ${to}`;
    },
  },
];
