/**
 * Everything that is seen during a run, as it comes in: what clients asked and were answered, and every message that a
 * server said it has stored. In the end it becomes the history that the simulator's checker reads.
 *
 * What comes in last may have happened first, because three servers tell of themselves on connections of their own. All
 * run on one machine and thus by one clock: the servers' timestamps say in which order things happened. Within one
 * stream the sequence does.
 */
import { createHash } from "node:crypto";
import type { Happening } from "../sim/history.js";

type Unstamped<T> = T extends unknown ? Omit<T, "ms"> : never;

/** What a server stored. A site's state is a bucket, too. */
export interface Seen {
  readonly place: "bucket" | "log" | "state";
  readonly site: string;
  readonly bucket: string;
  readonly key: string;
  readonly created: string;
  readonly sequence: number;
  readonly timestampNs: string;
  readonly block: string;
  readonly value: string;
  readonly op: number | null;
}

export interface Record {
  /** Happens now, by the clock of this process. */
  add(happening: Unstamped<Happening>): void;
  see(seen: Seen): void;
  /** A stream was put back to an older copy, or made anew: its sequences come again. What was saved in a site's state before
   *  that cannot be compared with what comes. */
  lose(lost: Pick<Seen, "place" | "site" | "bucket" | "sequence">): void;
  seen(): number;
  /** Milliseconds since the run began. */
  nowMs(): number;
  /** Everything, in the order in which it happened. */
  history(): readonly Happening[];
}

/** Values are compared, not read: long ones are kept as their digest. */
const WHOLE_VALUE_BYTES_MAX = 40;

export function shortValue(value: Uint8Array): string {
  if (value.length <= WHOLE_VALUE_BYTES_MAX) return Buffer.from(value).toString("latin1");
  const start = Buffer.from(value.subarray(0, 12)).toString("latin1");
  return `${start}… ${value.length} bytes ${createHash("sha1").update(value).digest("base64url").slice(0, 12)}`;
}

interface Stamped {
  /** Nanoseconds since the epoch, as text of one length. */
  readonly atNs: string;
  readonly happening: Unstamped<Happening>;
}

const nsOfMs = (ms: number) => `${Math.round(ms * 1_000)}000`;

export function createRecord(): Record {
  const begunMs = Date.now();
  const own: Stamped[] = [];
  const streams = new Map<string, Seen[]>();
  /** By stream: how often it lost something. */
  const losses = new Map<string, number>();
  const forgottenNs = new Map<string, string>();
  let count = 0;
  const add = (happening: Unstamped<Happening>) => void own.push({ atNs: nsOfMs(Date.now()), happening });
  const nameOf = ({ place, site, bucket }: Pick<Seen, "place" | "site" | "bucket">) => `${place} ${site} ${bucket}`;
  return {
    add,
    see(seen) {
      count++;
      const name = `${nameOf(seen)} ${seen.created} ${losses.get(nameOf(seen)) ?? 0}`;
      const stream = streams.get(name);
      if (stream === undefined) streams.set(name, [seen]);
      else stream.push(seen);
    },
    lose({ place, ...lost }) {
      const name = nameOf({ place, ...lost });
      losses.set(name, (losses.get(name) ?? 0) + 1);
      if (place === "state") forgottenNs.set(lost.site, nsOfMs(Date.now()));
      else add({ what: "lost", place, ...lost });
    },
    seen: () => count,
    nowMs: () => Date.now() - begunMs,
    history() {
      const isKept = ({ atNs, happening }: Stamped) => happening.what !== "saved" || atNs >= (forgottenNs.get(happening.site) ?? "");
      const all = [...own, ...[...streams.values()].flatMap(inOrder).filter(isKept)];
      all.sort((a, b) => (a.atNs < b.atNs ? -1 : a.atNs > b.atNs ? 1 : 0));
      return all.map(({ atNs, happening }) => ({ ...happening, ms: Number(BigInt(atNs) / 1_000_000n) - begunMs }));
    },
  };
}

/** One stream's messages by sequence, none earlier than the one before it. */
function inOrder(stream: readonly Seen[]): Stamped[] {
  let last = "";
  return [...stream]
    .sort((a, b) => a.sequence - b.sequence)
    .map((seen) => {
      last = seen.timestampNs > last ? seen.timestampNs : last;
      return { atNs: last, happening: toHappening(seen) };
    });
}

function toHappening({ place, ...message }: Seen): Unstamped<Happening> {
  if (place === "state") return { what: "saved", site: message.site, key: message.key, text: message.value };
  return { what: "stored", place, ...message };
}
