/** Faults of the gateways' processes. */
import { TOLD, type World } from "../world/world.js";
import type { WriteFate } from "../../memory/connection.js";
import { FAULT, type FaultKind } from "./fault.js";

function crash(world: World, site: string, downMs: number): string | null {
  const life = world.life(site);
  if (life === null) return null;
  life.crash();
  world.endAfter(downMs, () => world.start(site));
  return `gateway ${life.number} of ${site} is gone, the next one comes after ${downMs} ms`;
}

/** When the gateway's n-th write from now is about to be sent, when it was sent, or when it was and is lost. */
function crashAtWrite(world: World, site: string, n: number, way: number, downMs: number): string | null {
  const life = world.life(site);
  if (life === null) return null;
  let writes = 0;
  const strike = () => {
    const note = crash(world, site, downMs);
    if (note === null) return;
    world.recorder.count("fault crash at a write (came to it)");
    world.recorder.add({ ...TOLD, site, life: life.number, note });
  };
  life.onWrite = ({ to, key }): WriteFate | null => {
    if (++writes !== n) return null;
    life.onWrite = () => null;
    const fate: WriteFate = way < 2 ? "arrives" : "request lost";
    if (way < 1) strike();
    else queueMicrotask(strike);
    world.recorder.add({ ...TOLD, site, life: life.number, note: `crashes at a write to ${to} ${key}` });
    return fate;
  };
  return `gateway ${life.number} of ${site} will crash at its ${n}th write from now`;
}

export const PROCESS_FAULTS: readonly FaultKind[] = [
  {
    ...FAULT,
    name: "gateway crash",
    atMost: 6,
    lastsMs: [0, 20_000],
    strike: (world, { site, lastsMs }) => crash(world, site, lastsMs),
  },
  {
    ...FAULT,
    name: "gateway crash at a write",
    atMost: 6,
    lastsMs: [0, 20_000],
    amount: [1, 12],
    strike: (world, { site, amount, choice, lastsMs }) => crashAtWrite(world, site, amount, Math.floor(choice * 3), lastsMs),
  },
  {
    ...FAULT,
    name: "gateway stopped and started",
    lastsMs: [0, 10_000],
    strike(world, { site, lastsMs }) {
      const life = world.life(site);
      if (life === null) return null;
      void life.stop().then(() => world.endAfter(lastsMs, () => world.start(site)));
      return `gateway ${life.number} of ${site} stops in an orderly way`;
    },
  },
  {
    ...FAULT,
    name: "gateway paused",
    lastsMs: [500, 30_000],
    strike(world, { site, lastsMs }) {
      const life = world.life(site);
      if (life === null) return null;
      life.clock.pause();
      world.endAfter(lastsMs, () => life.clock.resume());
      return `gateway ${life.number} of ${site} does nothing for ${lastsMs} ms`;
    },
  },
  {
    ...FAULT,
    name: "two gateways of one site",
    atMost: 2,
    lastsMs: [500, 30_000],
    strike(world, { site, lastsMs }) {
      if (world.life(site) === null) return null;
      const second = world.startSecond(site);
      world.endAfter(lastsMs, () => second.crash());
      return `gateway ${second.number} of ${site} runs beside the other for ${lastsMs} ms`;
    },
  },
];
