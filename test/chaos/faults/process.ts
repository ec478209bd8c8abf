/** Faults of the gateways and of the servers as processes. */
import type { PlannedFault } from "./fault.js";
import { FAULT, type FaultKind, gatewayOf, serverOf } from "./fault.js";
import type { Stage } from "../stage.js";

const gateway = ({ site }: PlannedFault) => [gatewayOf(site)];
const server = ({ site }: PlannedFault) => [serverOf(site)];

/** Nobody reaches it before it has been looked at: what it stored in its last moment is seen before it is replaced. */
export async function takeServerDown(stage: Stage, site: string): Promise<() => Promise<void>> {
  const { server: process, observer } = stage.site(site);
  stage.links.shut(site);
  await process.kill();
  return async () => {
    await process.restart();
    await observer.catchUp();
    stage.links.open(site);
  };
}

export const PROCESS_FAULTS: readonly FaultKind[] = [
  {
    ...FAULT,
    name: "gateway killed",
    weight: 2,
    lastsMs: [0, 8_000],
    concerns: gateway,
    async begin(stage, { site }) {
      const keeper = stage.site(site).gateway;
      await keeper.kill();
      return { note: `gateway of ${site} is killed`, end: () => Promise.resolve(keeper.start()) };
    },
  },
  {
    ...FAULT,
    name: "gateway suspended",
    lastsMs: [500, 20_000],
    concerns: gateway,
    begin(stage, { site }) {
      const { process } = stage.site(site).gateway;
      process.signal("SIGSTOP");
      return Promise.resolve({ note: `gateway of ${site} stands still`, end: () => Promise.resolve(process.signal("SIGCONT")) });
    },
  },
  {
    ...FAULT,
    name: "gateway stopped in order",
    lastsMs: [0, 4_000],
    concerns: gateway,
    async begin(stage, { site }) {
      const keeper = stage.site(site).gateway;
      await keeper.stop();
      return { note: `gateway of ${site} is asked to stop`, end: () => Promise.resolve(keeper.start()) };
    },
  },
  {
    ...FAULT,
    name: "server killed",
    lastsMs: [0, 8_000],
    concerns: server,
    async begin(stage, { site }) {
      return { end: await takeServerDown(stage, site), note: `server of ${site} is killed` };
    },
  },
  {
    ...FAULT,
    name: "server suspended",
    lastsMs: [500, 12_000],
    concerns: server,
    async begin(stage, { site }) {
      const process = stage.site(site).server;
      await process.suspend();
      return { note: `server of ${site} stands still`, end: () => Promise.resolve(process.resume()) };
    },
  },
];
