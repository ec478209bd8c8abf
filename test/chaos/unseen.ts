/**
 * Messages that nobody saw: stored in the last moment of a server that was killed, and replaced in that moment, too. Their
 * sequences are known; what they were mostly follows from what others say of them: a client that was told its revision, an
 * operation that names the entry which it came from, a gateway that applied it elsewhere. The history gets those back, as
 * otherwise the checker would take what follows from them for invented. What nobody speaks of stays away.
 */
import { describe, readHeaders } from "../sim/checker/wire.js";
import type { Called, Stored } from "../sim/history.js";
import type { Record, Seen } from "./record.js";

export interface Unseen {
  readonly place: Seen["place"];
  readonly site: string;
  readonly bucket: string;
  readonly created: string;
  readonly sequence: number;
}

type Message = Omit<Seen, "place" | "site" | "bucket" | "created" | "sequence">;

/** How many of them could be put back. */
export function putBackUnseen(record: Record, unseen: readonly Unseen[]): number {
  let count = 0;
  for (const place of ["bucket", "log"] as const) {
    const told = unseen.filter((each) => each.place === place);
    if (told.length === 0) continue;
    // Anew for the logs, since what they come from may have been put back just now.
    const evidence = gather(record);
    for (const missing of told) {
      const message = place === "bucket" ? entryOf(missing, evidence) : operationOf(missing, evidence);
      if (message === null) continue;
      record.see({ ...missing, ...message });
      count++;
    }
  }
  return count;
}

interface Evidence {
  readonly calls: ReadonlyMap<number, Called>;
  /** By site, bucket and revision: the write that a client was told to stand there. */
  readonly told: ReadonlyMap<string, number>;
  readonly stored: readonly Stored[];
  readonly storedOps: ReadonlySet<number>;
}

function gather(record: Record): Evidence {
  const history = record.history();
  const calls = new Map(history.flatMap((each) => (each.what === "called" ? [[each.op, each] as const] : [])));
  const told = new Map<string, number>();
  for (const each of history) {
    const call = each.what === "answered" && each.outcome === "acknowledged" ? calls.get(each.op) : undefined;
    if (each.what === "answered" && call !== undefined) told.set(`${call.site} ${call.bucket} ${each.revision}`, each.op);
  }
  const stored = history.filter((each) => each.what === "stored");
  return { calls, told, stored, storedOps: new Set(stored.flatMap(({ op }) => (op === null ? [] : [op]))) };
}

const KV = { put: "", delete: "KV-Operation: DEL\r\n", purge: "KV-Operation: PURGE\r\n" } as const;
const blockOf = (lines: string) => (lines === "" ? "" : `NATS/1.0\r\n${lines}\r\n`);

function entryOf({ site, bucket, created, sequence }: Unseen, { calls, told, stored, storedOps }: Evidence): Message | null {
  const start = `${created} ${sequence} `;
  const log = stored.filter((each) => each.place === "log" && each.site === site && each.bucket === bucket);
  const logged = log.find(({ block }) => readHeaders(block).identity?.startsWith(start));
  const isIt = (call: Called) => {
    const same = call.site === site && call.bucket === bucket && call.key === logged?.key && !storedOps.has(call.op);
    return same && call.value === logged?.value && call.kind === readHeaders(logged.block).kind;
  };
  const op = told.get(`${site} ${bucket} ${sequence}`) ?? [...calls.values()].find(isIt)?.op;
  const call = op === undefined ? undefined : calls.get(op);
  if (op === undefined || call === undefined) return null;
  const identity = logged === undefined ? null : readHeaders(logged.block).identity;
  const timestampNs = identity?.slice(start.length) ?? timeBefore(stored, { place: "bucket", site, bucket, created, sequence });
  return { key: call.key, timestampNs, block: blockOf(KV[call.kind]), value: call.value, op };
}

function operationOf({ site, bucket, created, sequence }: Unseen, { stored }: Evidence): Message | null {
  const here = stored.filter((each) => each.bucket === bucket);
  const log = here.filter((each) => each.place === "log" && each.site === site);
  const known = new Set(log.map(({ key, block }) => `${key} ${describe(readHeaders(block).version)}`));
  const named = new Set(log.map(({ block }) => readHeaders(block).identity));
  const timestampNs = timeBefore(stored, { place: "log", site, bucket, created, sequence });
  for (const applied of here) {
    const { version, kind } = readHeaders(applied.block);
    const isUnknown = applied.place === "bucket" && version?.site === site && !known.has(`${applied.key} ${describe(version)}`);
    // It was logged before it was applied, and at about the time of its neighbours.
    if (!isUnknown || applied.timestampNs < timestampNs) continue;
    const origin = here.findLast((entry) => {
      const isWrite = entry.place === "bucket" && entry.site === site && entry.op !== null && entry.key === applied.key;
      const same = readHeaders(entry.block).kind === kind && entry.value === applied.value;
      return isWrite && same && !named.has(identityOf(entry)) && entry.timestampNs <= applied.timestampNs;
    });
    if (origin === undefined) continue;
    const lines = `Kvgw-Version: ${describe(version)}\r\nKvgw-Revision: ${identityOf(origin)}\r\n${KV[kind]}`;
    return { key: applied.key, timestampNs: later(timestampNs, origin.timestampNs), block: blockOf(lines), value: applied.value, op: null };
  }
  return null;
}

const identityOf = ({ created, sequence, timestampNs }: Stored) => `${created} ${sequence} ${timestampNs}`;
const later = (a: string, b: string) => (a > b ? a : b);

/** Of the last message that was seen before it. */
function timeBefore(stored: readonly Stored[], { place, site, bucket, created, sequence }: Unseen): string {
  const before = stored.filter((each) => {
    return each.place === place && each.site === site && each.bucket === bucket && each.created === created && each.sequence < sequence;
  });
  return before.reduce((last, { timestampNs }) => later(last, timestampNs), created);
}
