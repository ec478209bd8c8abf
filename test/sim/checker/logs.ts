/**
 * I4 and "nothing invented": operations in all logs are local writes, each at most once and under one version; what a
 * gateway writes into a bucket is an operation of some log.
 */
import type { Violation } from "../history.js";
import { type Entry, type Ledger, type Logged, nameOf, placeOf, violation } from "./ledger.js";
import { type Version, compare, describe } from "./wire.js";

export function checkLogs(ledger: Ledger): Violation[] {
  const found: Violation[] = [];
  const loggedAs = new Map<Entry, Logged>();
  const byVersion = new Map<string, Logged>();
  const lastByPlace = new Map<string, Logged>();
  for (const operation of ledger.logged) {
    const wrong = wrongWith(ledger, operation, loggedAs);
    if (wrong !== null) found.push(violation(wrong[0], operation, `${wrong[1]} (${describe(operation.version)})`));
    if (operation.entry !== null) loggedAs.set(operation.entry, operation);
    if (operation.version === null) continue;
    const id = `${nameOf(operation)}/${describe(operation.version)}`;
    const twin = byVersion.get(id);
    // What is days ahead is brought down, and a log that is put back may have it once more.
    if (twin !== undefined && !ledger.clocks.isFar(operation.version) && twin.entry !== operation.entry && !ledger.again.has(operation) && !isOfOneMoment(ledger, twin, operation)) {
      found.push(violation("one version, one write", operation, `two writes were given the version ${describe(operation.version)}`));
    }
    // Two writes within one step of the clock: the version of the first may be given to the second.
    const isFirst = twin === undefined || ledger.again.has(operation) || isOfOneMoment(ledger, twin, operation);
    if (isFirst) byVersion.set(id, twin === undefined ? operation : { ...operation, order: twin.order });
    const last = lastByPlace.get(placeOf(operation));
    const before = last !== undefined && (ledger.purged.get(last) ?? Infinity) < operation.order ? undefined : last;
    const same = before?.created === operation.created ? (before.version ?? null) : null;
    const mayFall = before !== undefined && same !== null && (ledger.clocks.isBroughtDown(same, operation.version) || isFenceless(ledger, before, operation));
    if (before !== undefined && same !== null && !mayFall && compare(operation.version, same) <= 0) {
      found.push(violation("log order", operation, `${describe(operation.version)} was logged after ${describe(before.version)}`));
    }
    lastByPlace.set(placeOf(operation), operation);
  }
  return [...found, ...checkApplied(ledger, byVersion)];
}

function wrongWith(ledger: Ledger, operation: Logged, loggedAs: ReadonlyMap<Entry, Logged>): [string, string] | null {
  const { entry, version, site } = operation;
  if (version === null) return ["nothing invented", "an operation without a version was logged"];
  if (version.site !== site) return ["nothing invented", `the log of ${site} took a version of another site`];
  if (!ledger.takesPart(operation.bucket, operation.key)) return ["key filter", "an operation on an excluded key was logged"];
  if (entry === null) return ["nothing invented", "an operation was logged that comes from no message of the bucket"];
  if (entry.by === "gateway") return ["no echo in logs", "a gateway's own write was logged"];
  if (entry.by === "server") return ["no expiry in logs", "an expiry was logged as a write"];
  const sameValue = operation.kind !== "put" || operation.value === entry.value;
  if (operation.kind !== entry.kind || operation.key !== entry.key || !sameValue) {
    return ["nothing invented", `the operation differs from the write that it was captured from`];
  }
  const twin = loggedAs.get(entry);
  if (twin === undefined || twin.version === null || ledger.again.has(operation)) return null;
  if (isFenceless(ledger, twin, operation)) return null;
  if (!ledger.clocks.isFar(version) && ledger.clocks.isBroughtDown(twin.version, version)) return null;
  if (isTooLow(ledger, entry, twin.version) || hasComeBack(ledger, entry, twin, operation)) return null;
  return ["logged once", `one write was logged twice, first as ${describe(twin.version)}`];
}

/** One of two gateways knows the log from before it was put back or made anew, and the sequences that it names as those to follow
 *  are there again, of other operations. */
const isFenceless = (ledger: Ledger, first: Logged, second: Logged): boolean =>
  first.entry === second.entry && ledger.logged.some((each) => ledger.lost.has(each) && each.site === second.site && each.bucket === second.bucket);

/** Two writes within one step of the clock, of which the log has lost the first one: nobody else knows it. */
const isOfOneMoment = ({ purged }: Ledger, first: Logged, second: Logged): boolean =>
  (purged.get(first) ?? Infinity) < second.order && first.entry?.timestampNs === second.entry?.timestampNs;

/** The log had a later write of the key in its place, and the bucket has lost that. */
function hasComeBack({ entries, lost }: Ledger, entry: Entry, first: Logged, second: Logged): boolean {
  const later = entries.get(placeOf(entry)) ?? [];
  return later.some((each) => lost.has(each) && each.order > first.order && each.order < second.order);
}

/** By one of two gateways of the site, which had not seen what the write had overwritten. */
function isTooLow({ entries }: Ledger, entry: Entry, first: Version): boolean {
  const before = entries.get(placeOf(entry)) ?? [];
  return before.some(({ by, order, version }) => by === "gateway" && order < entry.order && version !== null && compare(version, first) > 0);
}

function checkApplied(ledger: Ledger, byVersion: ReadonlyMap<string, Logged>): Violation[] {
  const found: Violation[] = [];
  for (const list of ledger.entries.values()) {
    for (const entry of list) {
      if (entry.by !== "gateway") continue;
      if (!ledger.takesPart(entry.bucket, entry.key)) found.push(violation("key filter", entry, "an excluded key was written"));
      const wrong = wrongApply(entry, byVersion.get(`${nameOf(entry)}/${describe(entry.version)}`));
      if (wrong !== null) found.push(violation("nothing invented", entry, `${wrong} (${describe(entry.version)})`));
    }
  }
  return found;
}

function wrongApply(entry: Entry, operation: Logged | undefined): string | null {
  if (entry.version === null) return "a gateway wrote an entry without a version";
  if (operation === undefined || operation.order > entry.order) return "a gateway wrote a version that was in no log";
  const expired = entry.kind === "delete" && operation.kind === "put" && operation.headers.expiresUs !== null;
  if (expired) return null;
  if (entry.kind !== operation.kind) return `a ${operation.kind} was written as a ${entry.kind}`;
  return entry.kind === "put" && entry.value !== operation.value ? "a value was changed on its way" : null;
}
