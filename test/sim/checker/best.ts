/**
 * Which version of each key must stand in the end: the highest one, unless faults have taken it from everywhere. Then the
 * highest of those that still stood somewhere, since what a write has replaced is not anywhere to be found.
 */
import { type Entry, type Logged, nameOf, placeOf } from "./ledger.js";
import type { Clocks } from "./clocks.js";
import { type Version, compare, describe } from "./wire.js";

export interface Traces {
  readonly logged: readonly Logged[];
  /** By place, in order. */
  readonly entries: ReadonlyMap<string, readonly Entry[]>;
  /** Operations that their log does not have any more. */
  readonly purged: ReadonlyMap<Logged, number>;
  /** Entries that went with the tail of their stream. */
  readonly lost: ReadonlySet<Entry | Logged>;
  /** Entries that a client removed without an event. */
  readonly taken: ReadonlySet<Entry>;
  /** Values that a gateway has set aside, because no other site had them. */
  readonly ghosts: ReadonlySet<Entry>;
  readonly clocks: Clocks;
  /** What each local write stands in its log as, or stood last. */
  readonly loggedAs: ReadonlyMap<Entry, Logged>;
  readonly forgotten: ReadonlySet<Entry>;
  /** Sites, by bucket, without which others sweep; and keys, by bucket, that were swept. */
  readonly away: ReadonlySet<string>;
  readonly swept: ReadonlySet<string>;
}

/** The operation, and whether it may also be gone: what had replaced it is, and only its own log has it still. */
export interface Best {
  readonly operation: Logged;
  readonly mayBeGone: boolean;
  /** What a site that was away may have brought in place of it, where it is a tombstone that was swept meanwhile. */
  readonly mayReturn: readonly Logged[];
}

export function findBest(traces: Traces): Map<string, Best> {
  const best = new Map<string, Best>();
  const copiesByVersion = groupBy([...traces.entries.values()].flat().filter(({ by }) => by === "gateway"), nameOfVersion);
  const lastInLog = new Map(traces.logged.map((operation) => [placeOf(operation), operation]));
  for (const [name, operations] of groupBy(traces.logged.filter((each) => counts(traces, each)), nameOf)) {
    const ranked = operations.sort((a, b) => rank(traces.clocks, b.version, a.version));
    for (const [at, operation] of ranked.entries()) {
      // Logged again under another version, and not as this one any more: then only what others have of it.
      const { entry } = operation;
      const isNamed = !traces.purged.has(operation) || (entry !== null && traces.loggedAs.get(entry) === operation);
      const tracesOf = [isNamed ? entry : null, ...(copiesByVersion.get(nameOfVersion(operation)) ?? [])].filter((entry) => entry !== null);
      const isLogged = !traces.purged.has(operation) && (at === 0 || lastInLog.get(placeOf(operation)) === operation);
      // A later write of a client is above it, or nobody could know it any more.
      const isOver = (entry: Entry) => isReplaced(traces, entry, at === 0 ? "client" : null);
      // A ghost is one by right where another site had the value, and has lost it: whether it was deleted there nobody can tell.
      const isLost = tracesOf.some((entry) => isTaken(traces, entry));
      const stands = tracesOf.some((entry) => !isTaken(traces, entry) && !isOver(entry) && !(isLost && traces.ghosts.has(entry)));
      if (!isLogged && !stands) continue;
      const isSwept = operation.kind !== "put" && traces.swept.has(name);
      const mayReturn = isSwept ? ranked.slice(at + 1).filter(({ bucket, site }) => traces.away.has(`${bucket} ${site}`)) : [];
      best.set(name, { operation, mayBeGone: at > 0 && !stands, mayReturn });
      break;
    }
  }
  return best;
}

/** Not what the clock guard has brought down, nor what nobody can have known. */
function counts({ forgotten }: Traces, { version, entry }: Logged): boolean {
  if (version === null || (entry !== null && forgotten.has(entry))) return false;
  const far = entry?.far ?? null;
  return far === null || compare(version, far) !== 0;
}

const isTaken = ({ lost, taken }: Traces, entry: Entry): boolean => lost.has(entry) || taken.has(entry);

const isReplaced = ({ entries, lost }: Traces, entry: Entry, by: Entry["by"] | null): boolean =>
  entries.get(placeOf(entry))?.some((later) => later.order > entry.order && !lost.has(later) && (by ?? later.by) === later.by) === true;

/** What is days ahead is replaced by whatever is not. */
function rank({ isFar }: Clocks, a: Version | null, b: Version | null): number {
  if (a === null || b === null) return 0;
  return Number(isFar(b)) - Number(isFar(a)) || compare(a, b);
}

const nameOfVersion = (at: Entry | Logged): string => `${nameOf(at)} ${describe(at.version)}`;

function groupBy<T>(all: readonly T[], key: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const group = groups.get(key(one));
    if (group === undefined) groups.set(key(one), [one]);
    else group.push(one);
  }
  return groups;
}
