/**
 * Per site and key, in the order in which the server stored them: the visible version only rises, a local write is above
 * whatever it overwrote (I5), and what was deleted comes back by a newer write only.
 */
import type { Removed, Violation } from "../history.js";
import { type Entry, type Ledger, placeOf, versionAt, violation } from "./ledger.js";
import { type Span, besides } from "./beside.js";
import { type Version, compare, describe } from "./wire.js";

export function checkVersions(ledger: Ledger): Violation[] {
  const removals = removalsByPlace(ledger);
  const losses = ledger.history.flatMap((happening, order) => (happening.what === "lost" ? [{ ...happening, order }] : []));
  const beside = besides(ledger);
  return [...ledger.entries].flatMap(([place, entries]) => {
    const [{ site, bucket } = { site: "", bucket: "" }] = entries;
    // After a loss of the stream's tail nothing that stood there before says anything.
    const lossOrders = losses.flatMap((lost) => (lost.site === site && lost.bucket === bucket ? [lost.order] : []));
    return checkKey(ledger, entries, removals.get(place) ?? [], lossOrders, beside.get(site) ?? []);
  });
}

type Removal = Removed & { readonly order: number };

function removalsByPlace({ history }: Ledger): ReadonlyMap<string, Removal[]> {
  const removals = new Map<string, Removal[]>();
  for (const [order, happening] of history.entries()) {
    if (happening.what !== "removed" || happening.place !== "bucket") continue;
    const place = placeOf(happening);
    removals.set(place, [...(removals.get(place) ?? []), { ...happening, order }]);
  }
  return removals;
}

function checkKey(
  ledger: Ledger,
  entries: readonly Entry[],
  removals: readonly Removal[],
  lossOrders: readonly number[],
  beside: readonly Span[],
): Violation[] {
  const found: Violation[] = [];
  const sweeps = removals.filter(({ why }) => why === "forgotten");
  // The entry with the highest version so far; of two with one version, the later one.
  let highest: Entry | null = null;
  // The least that a local write would have been stamped with which no log names; what replaced it had to know it.
  let unlogged: { readonly entry: Entry; readonly least: Version } | null = null;
  for (const [at, entry] of entries.entries()) {
    const losses = lossOrders.filter((order) => order < entry.order);
    const wasLost = (before: Entry | undefined) => losses.some((order) => order > (before?.order ?? Infinity));
    // A value that a client removed without an event is not known any more: an older one of the own log may stand in for it.
    // The same of a delete that its log has lost as well, or that was applied and not noted yet when its gateway died.
    const isUnknown = highest !== null && isForgettable(ledger, highest, entry.order) && isGone(highest, entry, removals);
    // Of a tombstone that has been swept an older one may come again, from where the sweep is not over: a delete stays a delete.
    const isSwept = highest !== null && entry.kind !== "put" && isGone(highest, entry, sweeps);
    const isReturned = highest !== null && mayReturn(ledger, entry) && isGone(highest, entry, sweeps);
    if (isUnknown || isSwept || isReturned || wasLost(highest ?? undefined)) highest = null;
    if (wasLost(unlogged?.entry)) unlogged = null;
    if (unlogged !== null && isGone(unlogged.entry, entry, removals)) {
      // Written and removed before anybody saw it: what it had replaced may stand there again.
      unlogged = null;
      if (highest !== null && isForgettable(ledger, highest, entry.order)) highest = null;
    }
    // The same of a version days ahead: the log has only that, in place of what it had replaced.
    const previous = entries[at - 1];
    if (previous !== undefined && previous.far !== null && isGone(previous, entry, removals)) highest = null;
    const isUnseen = unlogged !== null && !isReused(ledger, entries, unlogged.entry);
    if (entry.by === "gateway" && unlogged !== null && isUnseen && entry.version !== null && compare(entry.version, unlogged.least) < 0) {
      found.push(violation("no write is overwritten unseen", entry, `${describe(entry.version)} replaced a write of at least ${describe(unlogged.least)}`));
    }
    unlogged = entry.by === "client" && entry.version === null ? { entry, least: leastVersion(entry, highest) } : null;
    // What is days ahead counts for nothing: whatever is not replaces it.
    if (entry.version === null || ledger.clocks.isFar(entry.version) || entry.isBelow) continue;
    if (entry.far !== null && highest !== null && ledger.forgotten.has(highest)) highest = null;
    if (highest !== null && (mayNotKnow(highest, entry, beside) || isNamedLater(highest, entry))) highest = null;
    if (highest !== null && isOutOfMemory(ledger, highest, entry)) highest = null;
    const wrong = highest === null ? null : wrongAfter(ledger, highest, previous ?? highest, entry, removals);
    if (wrong !== null) found.push(violation(wrong[0], entry, wrong[1]));
    const stood = highest === null ? null : stoodAs(ledger, highest, entry.order);
    if (stood === null || compare(entry.version, stood) >= 0) highest = entry;
  }
  return found;
}

/** It has the revision of an entry that was lost: an apply on its way that names it was meant to follow that one. */
const isReused = ({ lost }: Ledger, entries: readonly Entry[], entry: Entry): boolean =>
  entries.some((each) => lost.has(each) && each.created === entry.created && each.sequence === entry.sequence && each !== entry);

function isForgettable({ unlogged, noted }: Ledger, entry: Entry, before: number): boolean {
  if (entry.kind === "put" || unlogged.has(entry)) return true;
  return entry.by === "gateway" && (noted.get(`${placeOf(entry)} ${describe(entry.version)}`) ?? Infinity) > before;
}

/** An operation of a site that was away while others swept, and which they had not read. */
const mayReturn = ({ away }: Ledger, { by, bucket, version }: Entry): boolean => by === "gateway" && version !== null && away.has(`${bucket} ${version.site}`);

function leastVersion({ site, timestampNs }: Entry, highest: Entry | null): Version {
  return { ts: Math.max(Number(timestampNs.slice(0, -3)), (highest?.version?.ts ?? 0) + 1), site };
}

/** @param previous what stood there last: where it is not the highest one, that has been covered, and has to come back */
function wrongAfter(ledger: Ledger, highest: Entry, previous: Entry, entry: Entry, removals: readonly Removal[]): [string, string] | null {
  const stood = stoodAs(ledger, highest, entry.order);
  if (stood === null || entry.version === null) return null;
  const order = compare(entry.version, stood);
  if (order > 0) return null;
  const story = `${describe(entry.version)} was written after ${describe(stood)} had stood there`;
  if (entry.by === "client") return ["causality", story];
  if (order === 0 && (previous !== highest || mayRepeat(highest, entry, removals))) return null;
  if (highest.kind !== "put" && entry.kind === "put") return ["no resurrection", story];
  return ["versions rise", story];
}

/** What was days ahead counts as what it was logged as when the clock was right again. */
function stoodAs({ clocks }: Ledger, entry: Entry, order: number): Version | null {
  const version = versionAt(entry, order);
  return version !== null && clocks.isFar(version) ? entry.version : version;
}

/** The site's log has lost its own write, and its clock has been set back since: nothing tells that the next write is not older. */
const isOutOfMemory = ({ unlogged }: Ledger, highest: Entry, entry: Entry): boolean =>
  entry.by === "client" &&
  highest.by === "client" &&
  (unlogged.get(highest) ?? Infinity) < entry.namedAt &&
  Number(highest.timestampNs.slice(0, -3)) > Number(entry.timestampNs.slice(0, -3));

/** Overwritten before anybody saw it, and back with a stream that was put back: it was logged behind what had replaced it. */
const isNamedLater = (highest: Entry, entry: Entry): boolean =>
  highest.by === "client" && entry.by === "client" && highest.namedAt > entry.namedAt;

/** One of two gateways of the site applied what is ahead of the clock there; the other logged the write that replaced it at
 *  once, and had never seen it. */
const mayNotKnow = (highest: Entry, entry: Entry, beside: readonly Span[]): boolean =>
  entry.by === "client" &&
  highest.by === "gateway" &&
  (highest.version?.ts ?? 0) > Number(entry.timestampNs.slice(0, -3)) &&
  beside.some(([from, to]) => from < entry.order && entry.order < to);

/** The same version again: its deadline has passed, or its message was gone. */
function mayRepeat(before: Entry, entry: Entry, removals: readonly Removal[]): boolean {
  if (before.kind === "put" && entry.kind !== "put") return true;
  return isGone(before, entry, removals);
}

const isGone = (before: Entry, now: Entry, removals: readonly Removal[]): boolean =>
  removals.some(({ order, sequence }) => order > before.order && order < now.order && sequence === before.sequence);
