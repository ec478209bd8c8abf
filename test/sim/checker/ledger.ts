/**
 * The history of a run, put in order for questions: every entry that a bucket ever held, every operation that a log
 * ever took, and which entry it came from. A local write carries no version; its operation tells it.
 */
import { type Best, findBest } from "./best.js";
import { type Clocks, createClocks } from "./clocks.js";
import type { Called, Final, Happening, Lost, Message, Saved, Setup, Stored, Violation, WriteKind } from "../history.js";
import { type Headers, type Version, describe, readHeaders, takesPart, valueOfOperation } from "./wire.js";

export interface Entry extends Message {
  /** Position in the history. */
  readonly order: number;
  readonly ms: number;
  readonly kind: WriteKind;
  readonly by: "client" | "gateway" | "server";
  readonly op: number | null;
  /** Of the header, or of the operation that it was logged as; null for a local write that no log names. */
  version: Version | null;
  /** Where in the history a log first named its version, for a local write. */
  namedAt: number;
  /** Versions that it was logged as in a log that has lost them, and up to where in the history they were its own. */
  readonly earlier: { readonly version: Version | null; readonly until: number }[];
  /** The version days ahead that it was logged as before, null if there was none. */
  far: Version | null;
  /** When that was brought down, an operation of a peer stood in its place already: its version says only that it is below that. */
  isBelow: boolean;
}

export interface Logged extends Omit<Message, "value"> {
  readonly order: number;
  readonly ms: number;
  readonly kind: WriteKind;
  readonly value: string;
  readonly headers: Headers;
  readonly version: Version | null;
  /** The entry that it was captured from, null if there is none. */
  readonly entry: Entry | null;
}

export interface Ledger {
  readonly history: readonly Happening[];
  readonly setup: Setup;
  readonly clocks: Clocks;
  /** By place: see `placeOf`. In the order in which they were stored. */
  readonly entries: ReadonlyMap<string, readonly Entry[]>;
  readonly entryByOp: ReadonlyMap<number, Entry>;
  /** All operations of all logs, in order. */
  readonly logged: readonly Logged[];
  /** By bucket and key, the highest version that any log ever took. */
  readonly best: ReadonlyMap<string, Best>;
  readonly called: ReadonlyMap<number, Called>;
  /** Entries that the server removed at their deadline, or a client without an event. */
  readonly removed: ReadonlySet<Entry>;
  /** Operations that their log does not have any more, removed by a client or lost with its tail, with the place in the history where it did. */
  readonly purged: ReadonlyMap<Logged, number>;
  /** Operations that their log has again after they had been removed from it. */
  readonly returned: ReadonlySet<Logged>;
  /** Entries of which the log does not have the operation any more, with the place in the history where it lost it. */
  readonly unlogged: ReadonlyMap<Entry, number>;
  /** Deletes of other sites that a site has noted, by place and version: when for the first time. */
  readonly noted: ReadonlyMap<string, number>;
  /** Sites, by bucket, that others have noted as gone from the list: they sweep without them. */
  readonly away: ReadonlySet<string>;
  /** Keys, by bucket, of which a gateway has swept a tombstone. */
  readonly swept: ReadonlySet<string>;
  /** Operations that were logged once more, since their log had lost them. */
  readonly again: ReadonlySet<Logged>;
  /** Entries and operations that went with the tail of their stream. */
  readonly lost: ReadonlySet<Entry | Logged>;
  /** Local writes that a version days ahead has overwritten, and that no other site has: nobody can know their versions by the
   *  time that it is replaced. */
  readonly forgotten: ReadonlySet<Entry>;
  readonly finals: readonly Final[];
  readonly saved: readonly (Saved & { readonly order: number })[];
  /** Whether the key is replicated at all. */
  takesPart(bucket: string, key: string): boolean;
}

/** Strings, since they are the keys of maps. */
export const placeOf = ({ site, bucket, key }: Pick<Message, "site" | "bucket" | "key">): string => `${site}/${bucket}/${key}`;
export const nameOf = ({ bucket, key }: Pick<Message, "bucket" | "key">): string => `${bucket}/${key}`;

const messageId = (site: string, bucket: string, identity: string) => `${site}/${bucket}/${identity}`;

export function createLedger(history: readonly Happening[], setup: Setup): Ledger {
  const entries = new Map<string, Entry[]>();
  const entryById = new Map<string, Entry>();
  const entryByOp = new Map<number, Entry>();
  const removed = new Set<Entry>();
  // By a client, without an event.
  const taken = new Set<Entry>();
  // Values that a gateway has set aside.
  const ghosts = new Set<Entry>();
  const purged = new Map<Logged, number>();
  const again = new Set<Logged>();
  const returned = new Set<Logged>();
  const loggedAs = new Map<Entry, Logged>();
  const lost = new Set<Entry | Logged>();
  const copies = new Map<string, Entry[]>();
  const forgotten = new Set<Entry>();
  const logged: Logged[] = [];
  const clocks = createClocks(setup.beganMs);
  const formats = new Map(setup.buckets.map(({ name, format }) => [name, format]));

  function takeEntry(stored: Stored, order: number): void {
    const entry = toEntry(stored, order);
    const place = placeOf(entry);
    const list = entries.get(place);
    if (list === undefined) entries.set(place, [entry]);
    else list.push(entry);
    entryById.set(messageId(entry.site, entry.bucket, `${entry.created} ${entry.sequence} ${entry.timestampNs}`), entry);
    if (entry.op !== null) entryByOp.set(entry.op, entry);
    if (entry.by !== "gateway" || entry.version === null) return;
    const name = `${nameOf(entry)} ${describe(entry.version)}`;
    copies.set(name, [...(copies.get(name) ?? []), entry]);
  }

  function lose({ place, site, bucket, sequence, back = [] }: Lost, order: number): void {
    const isLost = (each: Entry | Logged) => each.site === site && each.bucket === bucket && each.sequence > sequence;
    // What was not there any more was not lost with the rest.
    if (place === "bucket") for (const entry of [...entries.values()].flat()) if (isLost(entry) && !removed.has(entry)) lost.add(entry);
    if (place !== "log") return;
    for (const operation of logged) {
      if (!isLost(operation)) continue;
      lost.add(operation);
      if (!purged.has(operation)) purged.set(operation, order);
    }
    for (const operation of logged) {
      const isBack = operation.site === site && operation.bucket === bucket && back.includes(operation.sequence);
      if (!isBack || lost.has(operation) || !purged.delete(operation)) continue;
      returned.add(operation);
      nameEntry(operation, order);
    }
  }

  /** The entry has the operation's version from here on. */
  function nameEntry(operation: Logged, order: number): void {
    const { entry, version } = operation;
    if (entry?.by !== "client") return;
    if (loggedAs.has(entry)) entry.earlier.push({ version: entry.version, until: order });
    else entry.namedAt = order;
    entry.version = version;
    loggedAs.set(entry, operation);
  }

  /** What is days ahead is replaced: what it had overwritten is known only where a copy of it stands. */
  function bringDown(entry: Entry): void {
    const all = entries.get(placeOf(entry)) ?? [];
    entry.far = entry.version;
    entry.isBelow = all.at(-1)?.by === "gateway";
    for (const before of all) {
      if (before === entry) return;
      const isKnown = copies.get(`${nameOf(before)} ${describe(before.version)}`)?.some((each) => !lost.has(each) && !taken.has(each)) === true;
      if (before.by === "client" && !isKnown) forgotten.add(before);
    }
  }

  function takeLogged(stored: Stored, order: number): void {
    const headers = readHeaders(stored.block);
    const { version, kind, identity } = headers;
    const entry = identity === null ? null : (entryById.get(messageId(stored.site, stored.bucket, identity)) ?? null);
    const value = kind === "put" ? valueOfOperation(stored, formats.get(stored.bucket) ?? "raw") : "";
    const operation: Logged = { ...stored, order, kind, value, headers, version, entry };
    logged.push(operation);
    if (version === null) return;
    if (entry?.by !== "client") return;
    // A log that has lost the operation is given it again, maybe under another version: nobody else knows the first one.
    const before = loggedAs.get(entry);
    const isAgain = before !== undefined && purged.has(before);
    if (isAgain) again.add(operation);
    // The same of a version far ahead, which others do know.
    if (entry.version !== null && clocks.isBroughtDown(entry.version, version)) bringDown(entry);
    nameEntry(operation, order);
  }

  for (const [order, happening] of history.entries()) {
    if (happening.what === "removed" && happening.place === "bucket") {
      const entry = entries.get(placeOf(happening))?.findLast(({ sequence }) => sequence === happening.sequence);
      if (entry !== undefined) removed.add(entry);
      if (entry !== undefined && happening.why === "purged") taken.add(entry);
      if (entry?.kind === "put" && happening.why === "forgotten") ghosts.add(entry);
    }
    if (happening.what === "removed" && happening.place === "log") {
      const { site, bucket, key, sequence } = happening;
      const gone = logged.findLast((each) => each.sequence === sequence && each.key === key && each.site === site && each.bucket === bucket);
      if (gone !== undefined) purged.set(gone, order);
    }
    if (happening.what === "lost") lose(happening, order);
    if (happening.what !== "stored") continue;
    if (happening.place === "bucket") takeEntry(happening, order);
    else if (happening.op === null) takeLogged(happening, order);
  }
  const unlogged = new Map([...loggedAs].map(([entry, operation]) => [entry, purged.get(operation) ?? Infinity] as const).filter(([, at]) => at < Infinity));
  const [away, swept] = [readAway(history), readSwept(history)];
  const best = findBest({ logged, loggedAs, entries, purged, lost, taken, ghosts, clocks, forgotten, away, swept });
  const filters = new Map(setup.buckets.map((bucket) => [bucket.name, bucket]));
  return {
    ...{ history, setup, entries, entryByOp, logged, best, removed, purged, returned, unlogged, noted: readNotes(history), again, lost },
    ...{ forgotten, clocks, away, swept },
    called: new Map(history.flatMap((happening) => (happening.what === "called" ? [[happening.op, happening]] : []))),
    finals: history.filter((happening) => happening.what === "final"),
    saved: history.flatMap((happening, order) => (happening.what === "saved" ? [{ ...happening, order }] : [])),
    takesPart(bucket, key) {
      const filter = filters.get(bucket);
      return filter !== undefined && takesPart(key, filter);
    },
  };
}

/** The entry's version as it was at a place in the history. */
export const versionAt = ({ version, earlier }: Entry, order: number): Version | null =>
  earlier.find(({ until }) => order < until)?.version ?? version;

function readNotes(history: readonly Happening[]): ReadonlyMap<string, number> {
  const notes = new Map<string, number>();
  for (const [order, happening] of history.entries()) {
    const [kind, bucket = ""] = happening.what === "saved" ? happening.key.split(".") : [];
    if (happening.what !== "saved" || kind !== "tombstone") continue;
    const { key, version } = JSON.parse(happening.text) as { readonly key: string; readonly version: string };
    const name = `${placeOf({ site: happening.site, bucket, key })} ${version}`;
    if (!notes.has(name)) notes.set(name, order);
  }
  return notes;
}

function readAway(history: readonly Happening[]): ReadonlySet<string> {
  const away = new Set<string>();
  for (const happening of history) {
    const [kind, bucket = "", site = ""] = happening.what === "saved" ? happening.key.split(".") : [];
    if (happening.what !== "saved" || kind !== "seen") continue;
    if ((JSON.parse(happening.text) as { readonly left?: unknown }).left === true) away.add(`${bucket} ${site}`);
  }
  return away;
}

const readSwept = (history: readonly Happening[]): ReadonlySet<string> =>
  new Set(history.flatMap((happening) => (happening.what === "removed" && happening.why === "forgotten" ? [nameOf(happening)] : [])));

function toEntry(stored: Stored, order: number): Entry {
  const { version, kind, marker } = readHeaders(stored.block);
  const by = marker ? "server" : stored.op === null ? "gateway" : "client";
  return { ...stored, order, kind: marker ? "delete" : kind, by, version: by === "client" ? null : version, earlier: [], far: null, isBelow: false, namedAt: Infinity };
}

export const violation = (
  property: string,
  at: { readonly site?: string | null; readonly bucket?: string | null; readonly key?: string | null },
  message: string,
): Violation => ({ property, site: at.site ?? null, bucket: at.bucket ?? null, key: at.key ?? null, message });
