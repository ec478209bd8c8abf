/** What gateways keep in their site's state: checkpoints that only rise and never pass what was not settled (I6), and a
 *  causality floor that never falls. */
import type { Violation } from "../history.js";
import { type Entry, type Ledger, type Logged, placeOf, violation } from "./ledger.js";
import { compare, describe, isFar, takesPart } from "./wire.js";

export function checkDurable(ledger: Ledger): Violation[] {
  const found: Violation[] = [];
  const checkpoints = new Map<string, Checkpoint>();
  const floors = new Map<string, number>();
  const appends = appendsByLog(ledger);
  for (const saved of ledger.saved) {
    const stateKey = `${saved.site} ${saved.key}`;
    const [kind, bucket = "", peer = ""] = saved.key.split(".");
    if (kind === "checkpoint") {
      const next = { ...(JSON.parse(saved.text) as Pick<Checkpoint, "created" | "sequence">), order: saved.order };
      const before = checkpoints.get(stateKey);
      checkpoints.set(stateKey, next);
      const same = before?.created === next.created && !isLostBetween(ledger, peer, bucket, before.order, next.order) ? before : null;
      if (same !== null && next.sequence < same.sequence) {
        const message = `of ${peer} fell from ${same.sequence} to ${next.sequence}`;
        found.push(violation("checkpoints rise", { site: saved.site, bucket }, message));
      }
      const place = { site: saved.site, bucket, peer };
      found.push(...checkCovered(ledger, place, same?.sequence ?? 0, next, appends));
    }
    if (kind === "causality") {
      const { floorUs } = JSON.parse(saved.text) as { readonly floorUs: number };
      const before = floors.get(stateKey) ?? 0;
      floors.set(stateKey, floorUs);
      // A clock that was days ahead has written it.
      if (floorUs < before && !isFar({ ts: before, site: saved.site })) found.push(violation("the floor never falls", { site: saved.site, bucket }, `${before} to ${floorUs}`));
    }
  }
  return found;
}

/** The peer's log was put back to an older copy in between. */
const isLostBetween = ({ history }: Ledger, site: string, bucket: string, from: number, to: number): boolean =>
  history.slice(from, to).some((happening) => {
    return happening.what === "lost" && happening.place === "log" && happening.site === site && happening.bucket === bucket;
  });

interface Checkpoint {
  readonly created: string;
  readonly sequence: number;
  readonly order: number;
}

function appendsByLog({ logged }: Ledger): ReadonlyMap<string, Logged[]> {
  const appends = new Map<string, Logged[]>();
  for (const operation of logged) {
    const log = `${operation.site}/${operation.bucket}`;
    const list = appends.get(log);
    if (list === undefined) appends.set(log, [operation]);
    else list.push(operation);
  }
  return appends;
}

function checkCovered(
  ledger: Ledger,
  { site, bucket, peer }: { readonly site: string; readonly bucket: string; readonly peer: string },
  from: number,
  to: Checkpoint,
  appends: ReadonlyMap<string, readonly Logged[]>,
): Violation[] {
  const inLog = (appends.get(`${peer}/${bucket}`) ?? []).filter((logged) => {
    return logged.order < to.order && logged.created === to.created && !ledger.lost.has(logged);
  });
  return inLog.flatMap((operation) => {
    const { sequence, key } = operation;
    if (sequence <= from || sequence > to.sequence || !ledger.takesPart(bucket, key)) return [];
    const superseded = inLog.some((later) => later.key === key && later.sequence > sequence);
    if (superseded || isSettled(ledger, site, operation, to.order)) return [];
    const message = `of ${peer} passed ${sequence} (${describe(operation.version)}), which was not settled`;
    return [violation("checkpoints pass what is settled", { site, bucket, key }, message)];
  });
}

/** Something as new stood at the site before, or a local write of which nobody knows the version; or it was set aside, or
 *  left out. */
function isSettled(ledger: Ledger, site: string, operation: Logged, before: number): boolean {
  const { bucket, key, version } = operation;
  const settles = (entry: Entry) =>
    entry.order < before &&
    entry.by !== "server" &&
    (entry.version === null || entry.far !== null || version === null || compare(entry.version, version) >= 0);
  if (ledger.entries.get(placeOf({ site, bucket, key }))?.some(settles) === true) return true;
  const note = `set aside ${key}:`;
  return ledger.history.slice(0, before).some((told) => {
    // Where the answer to it was lost, only the record itself says so.
    if (told.what === "saved") return told.site === site && told.key.startsWith(`set-aside.${bucket}.`) && told.text.includes(`"key":${JSON.stringify(key)}`);
    if (told.what === "excluding") return told.site === site && takesPart(key, { include: told.keys, exclude: [] });
    return told.what === "gateway" && told.site === site && told.note.startsWith(note);
  });
}
