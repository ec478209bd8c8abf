/**
 * Lets the faults of an episode happen at their times. One that concerns what another fault has in its hands waits for
 * it; healing ends them all at once. Every fault begins, sooner or later, or the run says which one did not.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { PlannedFault } from "./faults/fault.js";
import { faultKind } from "./faults/table.js";
import type { Episode } from "./plan.js";
import type { Stage } from "./stage.js";

/** A fault that happened, for the report and the picture. */
export interface FaultBand {
  readonly kind: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly concerns: readonly string[];
  readonly note: string;
}

export interface Strikes {
  readonly bands: readonly FaultBand[];
  /** Drawn, and without a chance until the episode had to end. */
  readonly never: readonly PlannedFault[];
}

const LOOK_EVERY_MS = 100;
/** What waits for what others have in their hands gets its turn within so many lengths of the episode. */
const LENGTHS_MAX = 3;

export async function strikeEpisode(stage: Stage, episode: Episode, onBand: (band: FaultBand) => void): Promise<Strikes> {
  const begunMs = performance.now();
  const elapsedMs = () => performance.now() - begunMs;
  const heal = new AbortController();
  const taken = new Set<string>();
  const bands: FaultBand[] = [];
  const going = new Set<Promise<void>>();
  const failures: unknown[] = [];
  let waiting = [...episode.faults];

  async function strike(fault: PlannedFault): Promise<void> {
    const kind = faultKind(fault.kind);
    const concerns = kind.concerns(fault);
    for (const each of concerns) taken.add(each);
    const fromMs = stage.record.nowMs();
    const { note, end } = await kind.begin(stage, fault);
    const [site, bucket] = [fault.site, null];
    stage.record.add({ what: "fault", name: kind.name, site, bucket, note });
    await sleep(fault.lastsMs, undefined, { signal: heal.signal }).catch(() => undefined);
    await end();
    for (const each of concerns) taken.delete(each);
    const band = { kind: kind.name, fromMs, toMs: stage.record.nowMs(), concerns, note };
    bands.push(band);
    onBand(band);
  }

  function start(fault: PlannedFault): void {
    const struck = strike(fault)
      .catch((thrown: unknown) => void failures.push(new Error(`${fault.kind} at ${fault.site}: ${String(thrown)}`, { cause: thrown })))
      .finally(() => going.delete(struck));
    going.add(struck);
  }

  const isFree = (fault: PlannedFault) => !faultKind(fault.kind).concerns(fault).some((each) => taken.has(each));
  const isOver = () =>
    failures.length > 0 ||
    (elapsedMs() >= episode.lengthMs && waiting.length === 0) ||
    elapsedMs() >= episode.lengthMs * LENGTHS_MAX;
  while (!isOver()) {
    const due = waiting.find((fault) => fault.atMs <= elapsedMs() && isFree(fault));
    if (due === undefined) {
      await sleep(LOOK_EVERY_MS);
      continue;
    }
    waiting = waiting.filter((fault) => fault !== due);
    start(due);
  }
  heal.abort();
  await Promise.all(going);
  if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join("; "));
  return { bands, never: waiting };
}
