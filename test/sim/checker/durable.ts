/** What gateways keep in their site's state: checkpoints that only rise and never pass what was not settled (I6), and a
 *  causality floor that never falls. */
import type { Violation } from "../history.js";
import { besides } from "./beside.js";
import { type Entry, type Ledger, type Logged, placeOf, violation } from "./ledger.js";
import { type Version, compare, describe, takesPart } from "./wire.js";

export function checkDurable(ledger: Ledger): Violation[] {
  const losses = firstLosses(ledger);
  const beside = besides(ledger);
  const found: Violation[] = [];
  const checkpoints = new Map<string, Checkpoint>();
  const floors = new Map<string, number>();
  const appends = readAppends(ledger);
  for (const saved of ledger.saved) {
    const stateKey = `${saved.site} ${saved.key}`;
    const [kind, bucket = "", peer = ""] = saved.key.split(".");
    if (kind === "checkpoint") {
      const next = { ...(JSON.parse(saved.text) as Pick<Checkpoint, "created" | "sequence">), order: saved.order };
      const before = checkpoints.get(stateKey);
      checkpoints.set(stateKey, next);
      const isLost = (losses.get(`${peer}/${bucket}`) ?? Infinity) < next.order;
      // A save may have been on its way while the log lost its tail, so a loss counts from the beginning.
      const same = before?.created === next.created && !isLost ? before : null;
      // Each of two gateways saves how far it has come itself.
      const isBeside = beside.get(saved.site)?.some(([span]) => span < next.order) === true;
      if (same !== null && next.sequence < same.sequence && !isBeside) {
        const message = `of ${peer} fell from ${same.sequence} to ${next.sequence}`;
        found.push(violation("checkpoints rise", { site: saved.site, bucket }, message));
      }
      const place = { site: saved.site, bucket, peer };
      // A log that lost its tail gives the same sequences once more; who has passed them gets the rest by reconcile.
      if (isLost) continue;
      found.push(...checkCovered(ledger, place, same?.sequence ?? 0, next, appends));
    }
    if (kind === "causality") {
      const { floorUs } = JSON.parse(saved.text) as { readonly floorUs: number };
      const before = floors.get(stateKey) ?? 0;
      floors.set(stateKey, floorUs);
      // A clock that was far ahead has written it.
      if (floorUs < before && before < ledger.clocks.farFrom(saved.ms)) {
        found.push(violation("the floor never falls", { site: saved.site, bucket }, `${before} to ${floorUs}`));
      }
    }
  }
  return found;
}

/** Of every log that was put back to an older copy, when it was for the first time. */
function firstLosses({ history }: Ledger): ReadonlyMap<string, number> {
  const losses = new Map<string, number>();
  for (const [order, happening] of history.entries()) {
    if (happening.what !== "lost" || happening.place !== "log") continue;
    const log = `${happening.site}/${happening.bucket}`;
    if (!losses.has(log)) losses.set(log, order);
  }
  return losses;
}

interface Checkpoint {
  readonly created: string;
  readonly sequence: number;
  readonly order: number;
}

interface Appends {
  /** By log and life of it, what was not lost: with rising sequences. */
  readonly appends: ReadonlyMap<string, readonly Logged[]>;
  /** Of each operation the next one of its key in the same life, lost later or not: it took the other's place. */
  readonly successors: ReadonlyMap<Logged, Logged>;
}

const lifeOf = (site: string, bucket: string, created: string) => `${site}/${bucket}/${created}`;

function readAppends({ logged, lost }: Ledger): Appends {
  const appends = new Map<string, Logged[]>();
  const successors = new Map<Logged, Logged>();
  const lastOfKey = new Map<string, Logged>();
  for (const operation of logged) {
    const life = lifeOf(operation.site, operation.bucket, operation.created);
    const list = appends.get(life) ?? [];
    appends.set(life, list);
    if (!lost.has(operation)) list.push(operation);
    const name = `${life}/${operation.key}`;
    const before = lastOfKey.get(name);
    if (before !== undefined) successors.set(before, operation);
    lastOfKey.set(name, operation);
  }
  return { appends, successors };
}

function checkCovered(
  ledger: Ledger,
  { site, bucket, peer }: { readonly site: string; readonly bucket: string; readonly peer: string },
  from: number,
  to: Checkpoint,
  { appends, successors }: Appends,
): Violation[] {
  const log = appends.get(lifeOf(peer, bucket, to.created)) ?? [];
  const passed = log.slice(countWhile(log, ({ sequence }) => sequence <= from), countWhile(log, ({ sequence }) => sequence <= to.sequence));
  return passed.flatMap((operation) => {
    const { sequence, key, order } = operation;
    if (order >= to.order || !ledger.takesPart(bucket, key)) return [];
    const superseded = (successors.get(operation)?.order ?? Infinity) < to.order;
    // What was removed from the log comes by reconcile, or not at all.
    if ((ledger.purged.get(operation) ?? Infinity) < to.order || ledger.returned.has(operation)) return [];
    if (superseded || isSettled(ledger, site, operation, to.order)) return [];
    const message = `of ${peer} passed ${sequence} (${describe(operation.version)}), which was not settled`;
    return [violation("checkpoints pass what is settled", { site, bucket, key }, message)];
  });
}

/** Something as new stood at the site before, or a local write of which nobody knows the version; or it was set aside, or
 *  left out. */
function isSettled(ledger: Ledger, site: string, operation: Logged, before: number): boolean {
  const { bucket, key, version } = operation;
  const isAsNew = (stood: Version | null) => stood === null || version === null || compare(stood, version) >= 0;
  // Under any of its versions: what is logged again has its next one here before the log does.
  const settles = (entry: Entry) =>
    entry.by !== "server" && (entry.far !== null || isAsNew(entry.version) || entry.earlier.some((each) => isAsNew(each.version)));
  // From there backwards: what settles it is mostly the last one.
  const entries = ledger.entries.get(placeOf({ site, bucket, key })) ?? [];
  for (let index = countWhile(entries, ({ order }) => order < before) - 1; index >= 0; index--) {
    const entry = entries[index];
    if (entry !== undefined && settles(entry)) return true;
  }
  const note = `set aside ${key}:`;
  return ledger.history.slice(0, before).some((told) => {
    // Where the answer to it was lost, only the record itself says so.
    if (told.what === "saved") return told.site === site && told.key.startsWith(`set-aside.${bucket}.`) && told.text.includes(`"key":${JSON.stringify(key)}`);
    if (told.what === "excluding") return told.site === site && takesPart(key, { include: told.keys, exclude: [] });
    return told.what === "gateway" && told.site === site && told.note.startsWith(note);
  });
}

/** How many at the beginning of a list are so, when none behind them is: by halving, since histories are long. */
function countWhile<T>(list: readonly T[], isSo: (each: T) => boolean): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const each = list[middle];
    if (each !== undefined && isSo(each)) low = middle + 1;
    else high = middle;
  }
  return low;
}
