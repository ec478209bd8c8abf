/** Faults in which something durable is lost or comes back, and the one in which two gateways take themselves for the same. */
import { jetstreamManager } from "@nats-io/jetstream";
import { cp, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { BUCKETS, SITES, addressVariable } from "../config-text.js";
import { freePorts } from "../../support/nats-process.js";
import { startGatewayProcess } from "../../support/gateway-process.js";
import { type Stage, logStream } from "../stage.js";
import { FAULT, type FaultKind, type PlannedFault, type Struck, serverOf } from "./fault.js";
import { takeServerDown } from "./process.js";

/** What was on its way to a server when its ways were shut has arrived. */
const SILENCE_MS = 100;

/** As the store is now it will be again later, whatever happens in between: copied aside while the server is down for a
 *  moment, since a store cannot be copied while it is written. */
async function rewind(stage: Stage, { site }: PlannedFault): Promise<Struck> {
  const { server, observer } = stage.site(site);
  const { storeDir } = server;
  const aside = `${storeDir}-aside`;
  const comeBack = await takeServerDown(stage, site);
  await cp(storeDir, aside, { recursive: true });
  await comeBack();
  const end = async () => {
    // What is not seen now goes with the store.
    stage.links.shut(site);
    await sleep(SILENCE_MS);
    await observer.untilSeen();
    const comeBackOlder = await takeServerDown(stage, site);
    await rm(storeDir, { recursive: true, force: true });
    await cp(aside, storeDir, { recursive: true });
    await rm(aside, { recursive: true, force: true });
    await comeBackOlder();
  };
  return { note: `the store of ${site} will be put back to how it is now`, end };
}

function recreate(name: string, streamOf: (site: string, bucket: string) => string): FaultKind {
  return {
    ...FAULT,
    name,
    lastsMs: [0, 0],
    concerns: ({ site }) => [serverOf(site)],
    async begin(stage, { site, choice }) {
      const { name: bucket } = BUCKETS[Math.floor(choice * BUCKETS.length)] ?? BUCKETS[0];
      const { observer } = stage.site(site);
      const api = await jetstreamManager(observer.nats);
      const stream = streamOf(site, bucket);
      const { config } = await api.streams.info(stream);
      // Nobody writes meanwhile, so that it is certain what belongs to which life.
      stage.links.shut(site);
      await sleep(SILENCE_MS);
      await observer.untilSeen();
      await api.streams.delete(stream);
      await api.streams.add(config);
      await observer.catchUp();
      stage.links.open(site);
      return { note: `${stream} at ${site} is deleted and made anew`, end: () => Promise.resolve() };
    },
  };
}

async function secondGateway(stage: Stage, { site }: PlannedFault): Promise<Struck> {
  const [httpPort = 0] = await freePorts(1);
  const env = Object.fromEntries(SITES.map((to) => [addressVariable(to), stage.links.url({ from: site, to })]));
  const second = startGatewayProcess({ configFile: stage.configFile, site, httpPort, env });
  return { note: `a second gateway of ${site} runs beside the first`, end: () => second.dispose() };
}

export const LOSS_FAULTS: readonly FaultKind[] = [
  { ...FAULT, name: "store rewound", lastsMs: [1_000, 10_000], concerns: ({ site }) => [serverOf(site)], begin: rewind },
  recreate("bucket recreated", (_site, bucket) => `KV_${bucket}`),
  recreate("log recreated", logStream),
  {
    ...FAULT,
    name: "two gateways of one site",
    lastsMs: [2_000, 15_000],
    concerns: ({ site }) => [`second gateway ${site}`],
    begin: secondGateway,
  },
];
