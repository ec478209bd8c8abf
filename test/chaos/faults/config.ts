/** Faults of the YAML: edits while everything runs, of which a third are invalid. */
import { BUCKETS, COMES_AND_GOES, type ConfigChange, INVALID_EDITS } from "../config-text.js";
import { CONFIG, FAULT, type FaultKind, type PlannedFault } from "./fault.js";

const concerns = () => [CONFIG];
const inPlace = ({ choice }: PlannedFault) => Math.floor(choice * 16) % 2 === 0;
const bucketOf = ({ choice }: PlannedFault) => (BUCKETS[Math.floor(choice * BUCKETS.length)] ?? BUCKETS[0]).name;

function edit(what: string, change: (fault: PlannedFault) => ConfigChange): Pick<FaultKind, "concerns" | "begin"> {
  return {
    concerns,
    async begin(stage, fault) {
      await stage.saveConfig(change(fault), inPlace(fault));
      return { note: `the YAML ${what}: ${JSON.stringify(change(fault))}`, end: () => stage.saveConfig({}, inPlace(fault)) };
    },
  };
}

export const INVALID = "YAML edit: invalid";

export const CONFIG_FAULTS: readonly FaultKind[] = [
  {
    ...FAULT,
    name: INVALID,
    weight: 2,
    lastsMs: [500, 6_000],
    concerns,
    async begin(stage, fault) {
      const [what, breakIt] = INVALID_EDITS[Math.floor(fault.choice * INVALID_EDITS.length)] ?? ["empty", () => ""];
      await stage.breakConfig(breakIt, inPlace(fault));
      return { note: `the YAML is ${what}`, end: () => stage.saveConfig({}, inPlace(fault)) };
    },
  },
  {
    ...FAULT,
    name: "YAML edit: bucket removed and added",
    lastsMs: [500, 10_000],
    ...edit("loses a bucket", () => ({ without: COMES_AND_GOES })),
  },
  {
    ...FAULT,
    name: "YAML edit: limits",
    lastsMs: [500, 8_000],
    ...edit("has other limits", (fault) => {
      const opsPerSecond = Math.round(20 + fault.choice * 200);
      return { limited: { bucket: bucketOf(fault), opsPerSecond, inFlight: 1 + Math.round(fault.choice * 30) } };
    }),
  },
  {
    ...FAULT,
    name: "YAML edit: bucket paused",
    lastsMs: [500, 10_000],
    ...edit("pauses a bucket", (fault) => ({ paused: bucketOf(fault) })),
  },
  {
    ...FAULT,
    name: "reload asked for",
    lastsMs: [0, 0],
    concerns,
    async begin(stage, { site, choice }) {
      const { process } = stage.site(site).gateway;
      // A process that has not begun to run follows no signal: it ends of it.
      if (choice < 0.5 && process.speaks()) process.signal("SIGHUP");
      // Whoever stands still or is down does not answer.
      else void process.post("/api/v1/reload").catch(() => undefined);
      return Promise.resolve({ note: `the gateway of ${site} is asked to read its YAML`, end: () => Promise.resolve() });
    },
  },
];
