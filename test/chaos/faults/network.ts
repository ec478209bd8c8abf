/** Faults of the ways between gateways and servers. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Link, CUT, aroundSite, betweenSites, linkName } from "../links.js";
import { SITES } from "../config-text.js";
import type { Stage } from "../stage.js";
import { type Way, type Weather, BOTH_WAYS } from "../proxy.js";
import { FAULT, type FaultKind, type PlannedFault, type Struck, linkOf } from "./fault.js";

type Which = (fault: PlannedFault) => readonly Link[];

const one: Which = ({ site, other }) => [{ from: site, to: other }];
/** Now and then the one to the gateway's own server. */
const oneOrOwn: Which = ({ site, other, choice }) => [{ from: site, to: choice < 0.25 ? site : other }];
const own: Which = ({ site }) => [{ from: site, to: site }];
const around: Which = ({ site }) => aroundSite(site, SITES);
const all: Which = () => betweenSites(SITES);

const concerns = (which: Which) => (fault: PlannedFault) => which(fault).map(linkOf);
const names = (links: readonly Link[]) => links.map(linkName).join(", ");

/** The links have this weather while it lasts. */
function weather(which: Which, what: string, of: (fault: PlannedFault) => Partial<Weather>): Pick<FaultKind, "concerns" | "begin"> {
  return {
    concerns: concerns(which),
    begin(stage, fault) {
      const links = which(fault);
      const wanted = of(fault);
      stage.links.setWeather(links, wanted);
      const end = () => Promise.resolve(stage.links.clear(links));
      return Promise.resolve({ note: `${names(links)}: ${what}${wanted.held?.length === 1 ? ` ${wanted.held[0]}` : ""}`, end });
    },
  };
}

const oneWay = ({ choice }: PlannedFault): readonly Way[] => [BOTH_WAYS[Math.floor(choice * 4) % 2] ?? "to server"];

const RESET_EVERY_MS = 400;

/** Connections are cut again and again. */
function resetting(stage: Stage, fault: PlannedFault): Promise<Struck> {
  const [link] = oneOrOwn(fault);
  if (link === undefined) throw new RangeError("a link is missing");
  const over = new AbortController();
  const cutting = (async () => {
    let count = 0;
    for (; !over.signal.aborted; await sleep(RESET_EVERY_MS, undefined, { signal: over.signal }).catch(() => undefined)) {
      count += stage.links.reset(link);
    }
    return count;
  })();
  const end = async () => {
    over.abort();
    await cutting;
  };
  return Promise.resolve({ note: `${linkName(link)} resets its connections every ${RESET_EVERY_MS} ms`, end });
}

function halfOpen(stage: Stage, fault: PlannedFault): Promise<Struck> {
  const links = oneOrOwn(fault);
  const side = Math.floor(fault.choice * 8) % 2 === 0 ? "server" : "client";
  for (const link of links) stage.links.cutOneSide(link, side);
  const what = side === "server" ? "the gateway still believes in its connection" : "the server still believes in the gateway";
  return Promise.resolve({ note: `${names(links)} is half open: ${what}`, end: () => Promise.resolve(stage.links.clear(links)) });
}

export const NETWORK_FAULTS: readonly FaultKind[] = [
  { ...FAULT, name: "partition of one link", lastsMs: [500, 20_000], ...weather(one, "nothing passes", () => CUT) },
  {
    ...FAULT,
    name: "partition of one link, one way",
    lastsMs: [500, 20_000],
    ...weather(oneOrOwn, "nothing passes", (fault) => ({ held: oneWay(fault) })),
  },
  { ...FAULT, name: "partition of one site from all", lastsMs: [500, 20_000], ...weather(around, "nothing passes", () => CUT) },
  { ...FAULT, name: "partition of all sites", lastsMs: [500, 12_000], ...weather(all, "nothing passes", () => CUT) },
  { ...FAULT, name: "gateway cut off from its server", lastsMs: [500, 12_000], ...weather(own, "nothing passes", () => CUT) },
  {
    ...FAULT,
    name: "slow link",
    lastsMs: [1_000, 15_000],
    ...weather(one, "a trickle passes", ({ choice }) => ({ bytesPerSecond: Math.round(2_000 + choice * 60_000) })),
  },
  {
    ...FAULT,
    name: "late link",
    lastsMs: [1_000, 15_000],
    ...weather(oneOrOwn, "everything is late", ({ choice }) => ({ delayMs: Math.round(20 + choice * 700) })),
  },
  { ...FAULT, name: "link that resets", lastsMs: [500, 8_000], concerns: concerns(oneOrOwn), begin: resetting },
  { ...FAULT, name: "half-open connection", lastsMs: [1_000, 15_000], concerns: concerns(oneOrOwn), begin: halfOpen },
];
