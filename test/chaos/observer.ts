/**
 * Sees every message that one server stores in the streams of a site, with its headers, also those that the next one
 * replaces: the streams republish what they store. What is stored while nobody listens, around the death of a server, is
 * fetched afterwards; what had been replaced by then stays unseen, and is counted.
 */
import { type JetStreamManager, JetStreamApiError, jetstreamManager } from "@nats-io/jetstream";
import type { Msg, MsgHdrs, NatsConnection } from "@nats-io/transport-node";
import { connectTo } from "../support/clients.js";
import { eventually } from "../support/eventually.js";
import { type Record, type Seen, shortValue } from "./record.js";
import type { Unseen } from "./unseen.js";

export interface WatchedStream {
  readonly stream: string;
  readonly place: Seen["place"];
  readonly bucket: string;
  /** What its subjects have before the key. */
  readonly prefix: string;
}

export interface Observer {
  /** The connection past all proxies, for looking on. */
  readonly nats: NatsConnection;
  watch(watched: WatchedStream): Promise<void>;
  /** After the server was away: listens again, and has fetched what was stored meanwhile. */
  catchUp(): Promise<void>;
  /** Waits until everything stored so far was seen. */
  untilSeen(): Promise<void>;
  /** The last message of a stream that was seen. */
  last(stream: string): number;
  /** The record that stands in the site's state. */
  state(key: string): string | null;
  /** Messages that were stored and nobody saw. */
  unseen(): readonly Unseen[];
  /** Messages that a server had told of and did not have any more after its death. */
  forgotten(): number;
  close(): Promise<void>;
}

interface Followed {
  readonly watched: WatchedStream;
  created: string;
  next: number;
  /** Below `next`, and not seen. */
  readonly missing: Set<number>;
  readonly given: Set<number>;
}

const SEEN_WITHIN_MS = 60_000;
const REPUBLISHED = /^Nats-(?:Stream|Subject|Sequence|Time-Stamp|Last-Sequence|Num-Pending)$/;
/** In values that are long enough, so that most writes look as plain clients write them. */
export const OP_HEADER = "Chaos-Op";
const OP_IN_VALUE = /^op (\d+) /;

export async function createObserver(site: string, url: string, record: Record): Promise<Observer> {
  const nats = await connectTo(url, { reconnectTimeWait: 20, reconnectJitter: 0, waitOnFirstConnect: true });
  const api = await jetstreamManager(nats, { timeout: 10_000 });
  const followed = new Map<string, Followed>();
  const state = new Map<string, { readonly sequence: number; readonly text: string }>();
  let forgotten = 0;

  nats.subscribe("seen.>", { callback: (failure, message) => void (failure === null && hear(message)) });

  function hear({ headers, data }: Msg): void {
    const stream = followed.get(headers?.get("Nats-Stream") ?? "");
    if (headers === undefined || stream === undefined) return;
    take(stream, {
      subject: headers.get("Nats-Subject"),
      sequence: Number(headers.get("Nats-Sequence")),
      timestampNs: nanosOf(headers.get("Nats-Time-Stamp")),
      headers,
      data,
    });
  }

  interface Message {
    readonly subject: string;
    readonly sequence: number;
    readonly timestampNs: string;
    readonly headers: MsgHdrs | undefined;
    readonly data: Uint8Array;
  }

  function take(stream: Followed, { subject, sequence, timestampNs, headers, data }: Message): void {
    if (sequence < stream.next && !stream.missing.delete(sequence)) return;
    for (; stream.next < sequence; stream.next++) stream.missing.add(stream.next);
    stream.next = Math.max(stream.next, sequence + 1);
    const { place, bucket, prefix } = stream.watched;
    const block = blockOf(headers);
    const value = place === "state" ? Buffer.from(data).toString("utf8") : shortValue(data);
    const key = subject.slice(prefix.length);
    if (place === "state" && sequence > (state.get(key)?.sequence ?? 0)) state.set(key, { sequence, text: value });
    const op = place === "bucket" ? writtenBy(headers, data) : null;
    record.see({ place, site, bucket, key, created: stream.created, sequence, timestampNs, block, value, op });
  }

  async function follow(stream: Followed): Promise<void> {
    const info = await api.streams.info(stream.watched.stream);
    const created = nanosOf(info.created);
    if (created !== stream.created) {
      // Of its life before nothing is left.
      if (stream.created !== "") lose(stream, 0);
      stream.created = created;
      stream.next = 1;
      stream.missing.clear();
      stream.given.clear();
    }
    const last = info.state.last_seq;
    if (last < stream.next - 1) {
      forgotten += stream.next - 1 - last;
      lose(stream, last);
    }
    for (let sequence = stream.next; sequence <= last; sequence++) stream.missing.add(sequence);
    stream.next = last + 1;
    for (const sequence of [...stream.missing]) if (!stream.given.has(sequence)) await fetchOne(stream, sequence);
  }

  function lose(stream: Followed, last: number): void {
    const { place, bucket } = stream.watched;
    for (const sequence of stream.missing) if (sequence > last) stream.missing.delete(sequence);
    stream.next = last + 1;
    stream.given.clear();
    if (place === "state") {
      // As it stands now, it is read again.
      state.clear();
      stream.next = 1;
    }
    record.lose({ place, site, bucket, sequence: last });
  }

  async function fetchOne(stream: Followed, sequence: number): Promise<void> {
    try {
      const stored = await api.streams.getMessage(stream.watched.stream, { seq: sequence });
      if (stored === null) return void stream.given.add(sequence);
      const { subject, header, data, timestamp } = stored;
      take(stream, { subject, sequence, timestampNs: nanosOf(timestamp), headers: header, data });
    } catch (thrown) {
      if (!(thrown instanceof JetStreamApiError)) throw thrown;
      // Replaced by a later one of its key, before anybody saw it.
      stream.given.add(sequence);
    }
  }

  const isSettled = async (stream: Followed) => (await lastOf(api, stream.watched.stream)) < stream.next;
  return {
    nats,
    async watch(watched) {
      const stream: Followed = { watched, created: "", next: 1, missing: new Set(), given: new Set() };
      await api.streams.update(watched.stream, { republish: { src: ">", dest: `seen.${watched.stream}.>` } });
      followed.set(watched.stream, stream);
      await follow(stream);
    },
    async catchUp() {
      await eventually(() => nats.rtt(), { what: `${site} can be looked at again`, withinMs: SEEN_WITHIN_MS, everyMs: 20 });
      for (const stream of followed.values()) await follow(stream);
    },
    async untilSeen() {
      const settled = async () => (await Promise.all([...followed.values()].map(isSettled))).every(Boolean);
      await eventually(settled, { what: `all that ${site} stored was seen`, withinMs: SEEN_WITHIN_MS, everyMs: 50 });
    },
    last: (stream) => (followed.get(stream)?.next ?? 1) - 1,
    state: (key) => state.get(key)?.text ?? null,
    unseen: () =>
      [...followed.values()].flatMap(({ watched: { place, bucket }, created, missing }) =>
        // Of a site's state only what stands matters.
        place === "state" ? [] : [...missing].map((sequence) => ({ place, site, bucket, created, sequence })),
      ),
    forgotten: () => forgotten,
    close: () => nats.close().catch(() => undefined),
  };
}

const lastOf = async (api: JetStreamManager, stream: string) => (await api.streams.info(stream)).state.last_seq;

/** The header block as on the wire, without what republishing adds. */
function blockOf(headers: MsgHdrs | undefined): string {
  const lines = [...(headers ?? [])].flatMap(([name, values]) => {
    return REPUBLISHED.test(name) ? [] : values.map((value) => `${name}: ${value}\r\n`);
  });
  return lines.length === 0 ? "" : `NATS/1.0\r\n${lines.join("")}\r\n`;
}

/** Null for a gateway's or the server's own, 0 for somebody's whom we do not know. */
function writtenBy(headers: MsgHdrs | undefined, data: Uint8Array): number | null {
  const named = headers?.get(OP_HEADER) ?? "";
  if (named !== "") return Number(named);
  if ((headers?.get("Kvgw-Version") ?? "") !== "" || (headers?.get("Nats-Marker-Reason") ?? "") !== "") return null;
  const [, op] = OP_IN_VALUE.exec(Buffer.from(data.subarray(0, 24)).toString("latin1")) ?? [];
  return op === undefined ? 0 : Number(op);
}

/** An RFC 3339 time, up to nanoseconds, as nanoseconds since the epoch. */
export function nanosOf(time: string): string {
  const [, seconds = "", fraction = "", zone = "Z"] = /^([^.Z+]+)(?:\.(\d+))?(Z|[+-].*)?$/.exec(time) ?? [];
  return `${Date.parse(`${seconds}${zone}`) / 1_000}${fraction.padEnd(9, "0").slice(0, 9)}`;
}
