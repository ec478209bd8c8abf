/**
 * Messages as the hot paths read and write them: header bytes are scanned once and written ready-made. The client
 * library decodes headers into objects and scans them on every access; measured here, that costs more than all the
 * rest of a message. This is the only file that knows undocumented shapes of the library.
 */
import type { StoredMsg } from "@nats-io/jetstream";
import type { Msg, MsgHdrs } from "@nats-io/transport-node";
import { DELIVERY_PREFIX } from "./subjects.js";

const NO_HEADERS = "";

interface MessageInside {
  readonly _rdata: Uint8Array;
  readonly _msg: { readonly hdr: number };
}

/** What is read of a message, whether a consumer has delivered it or it was asked for by itself. */
export type Received = Pick<Msg, "subject" | "data" | "json">;

/** The header block of a message as text (`NATS/1.0 …\r\nName: value\r\n…`), empty without headers. */
export function headerBlock(message: Msg): string {
  const { _rdata: bytes, _msg: parsed } = message as unknown as MessageInside;
  if (parsed.hdr <= 0) return NO_HEADERS;
  return Buffer.from(bytes.buffer, bytes.byteOffset, parsed.hdr).toString("latin1");
}

/** The same of a message that was asked for by itself. */
export function storedHeaderBlock(message: StoredMsg): string {
  const { hdrs } = (message as unknown as { readonly smr: { readonly message: { readonly hdrs?: string } } }).smr.message;
  return hdrs === undefined ? NO_HEADERS : Buffer.from(hdrs, "base64").toString("latin1");
}

/** The first value of a header, trimmed; null if absent. Names are compared exactly. */
export function headerValue(block: string, name: string): string | null {
  const start = block.indexOf(`\r\n${name}:`);
  if (start < 0) return null;
  const from = start + name.length + 3;
  return block.slice(from, block.indexOf("\r\n", from)).trim();
}

/** Status code of a message that the server sent instead of data (`NATS/1.0 408 Request Timeout`), 0 for data. */
export function statusCode(block: string): number {
  return block.charCodeAt(8) === SPACE ? Number(block.slice(9, 12)) : 0;
}

export function statusText(block: string): string {
  return block.slice(13, block.indexOf("\r\n")).trim();
}

const SPACE = 0x20;

/** One `Name: value` line. The value must come from our own formatting: CR and LF are not looked for here. */
export const headerLine = (name: string, value: string | number): string => `${name}: ${value}\r\n`;

export type ReadyHeaders = MsgHdrs & { readonly byteLength: number };

/** Header lines ready for `publish`, which only ever asks them for their bytes. */
export function readyHeaders(lines: string): ReadyHeaders {
  const bytes = Buffer.from(`NATS/1.0\r\n${lines}\r\n`, "latin1");
  return { encode: () => bytes, byteLength: bytes.length } as unknown as ReadyHeaders;
}

/** What the reply subject of a delivered message says of its place. */
export interface Delivery {
  readonly streamSequence: number;
  readonly consumerSequence: number;
  /** The server's time of the message, nanoseconds as text (too large for a number). */
  readonly timestampNs: string;
  /** Messages that the consumer still has for us after this one. */
  readonly pending: number;
}

/**
 *     $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>
 *     $JS.ACK.<domain>.<account>.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>[.<random>]
 */
export function parseDelivery(reply: string): Delivery | null {
  if (!reply.startsWith(DELIVERY_PREFIX)) return null;
  // Read from the end: splitting would make a dozen strings for every message.
  const dots = dotsIn(reply);
  let end = dots === LONGEST_DOTS ? reply.lastIndexOf(".") : reply.length;
  if (dots < SHORTEST_DOTS) return null;
  const back = (): string => {
    const start = reply.lastIndexOf(".", end - 1);
    const token = reply.slice(start + 1, end);
    end = start;
    return token;
  };
  const pending = Number(back());
  const timestampNs = back();
  const consumerSequence = Number(back());
  const streamSequence = Number(back());
  return Number.isSafeInteger(streamSequence) ? { streamSequence, consumerSequence, timestampNs, pending } : null;
}

const SHORTEST_DOTS = 8;
const LONGEST_DOTS = 11;
const DOT = 0x2e;

function dotsIn(text: string): number {
  let dots = 0;
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) === DOT) dots++;
  return dots;
}

const RFC3339 = /^(.+?)(?:\.([0-9]{1,9}))?Z$/;

/** A server's `2026-01-02T03:04:05.123456789Z` as nanoseconds since the epoch, as text. */
export function isoToNanos(iso: string): string {
  const parts = RFC3339.exec(iso);
  const seconds = Date.parse(`${parts?.[1] ?? iso}Z`) / 1000;
  return `${seconds}${(parts?.[2] ?? "").padEnd(9, "0")}`;
}
