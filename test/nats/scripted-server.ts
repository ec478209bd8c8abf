/**
 * The server's end of a lease, played by a test: what is asked of it is written down, and what it sends is what the test
 * says. So time-outs and windows are shown under virtual time, where a real server would have its own.
 */
import { type Msg, type NatsConnection, errors } from "@nats-io/transport-node";
import type { Lease, Link } from "../../src/nats/connections.js";
import { headerLine } from "../../src/nats/message.js";
import type { Publisher } from "../../src/nats/publisher.js";

export interface Asked {
  readonly subject: string;
  readonly reply: string;
  readonly payload: string;
}

export interface ScriptedServer {
  readonly nats: NatsConnection;
  readonly lease: Lease;
  /** Everything published to it, in order. */
  readonly asked: Asked[];
  /** Sends to whoever subscribed last. */
  send(message: Partial<Sent>): void;
}

export interface Sent {
  readonly subject: string;
  readonly reply: string;
  /** Header block as text, empty without headers. */
  readonly block: string;
  readonly payload: string;
}

/** Header block of a message, or of a status such as `409 Consumer Deleted`. */
export const blockOf = (headers: Readonly<Record<string, string | number>>, status = ""): string =>
  `NATS/1.0${status === "" ? "" : ` ${status}`}\r\n${Object.entries(headers)
    .map(([name, text]) => headerLine(name, text))
    .join("")}\r\n`;

/** @param answer what is requested; the time-out of the client library for what is not answered */
export function createScriptedServer(maxPayload = 1_048_576, answer: (subject: string) => object | null = answerTo): ScriptedServer {
  const asked: Asked[] = [];
  let callback: (failure: Error | null, message: Msg) => void = () => undefined;
  const nats = {
    options: {},
    info: { max_payload: maxPayload },
    features: { get: () => ({ ok: true, min: "2.9.0" }) },
    async request(subject: string) {
      const answered = await Promise.resolve(answer(subject));
      if (answered === null) throw new errors.TimeoutError();
      return { data: Buffer.from(JSON.stringify(answered)) };
    },
    subscribe(_subject: string, options: { callback: typeof callback }) {
      callback = options.callback;
      return { unsubscribe: () => undefined };
    },
    publish: (subject: string, payload: Uint8Array | string, { reply }: { reply: string }) =>
      void asked.push({ subject, reply, payload: Buffer.from(payload).toString("latin1") }),
  } as unknown as NatsConnection;
  return { nats, lease: leaseOver(nats), asked, send: (message) => callback(null, messageOf(message)) };
}

/** There are no consumers yet, and any may be made. */
const answerTo = (subject: string): object =>
  subject.includes(".CONSUMER.NAMES.")
    ? { type: "io.nats.jetstream.api.v1.consumer_names_response", total: 0, offset: 0, limit: 1024, consumers: [] }
    : { type: "io.nats.jetstream.api.v1.consumer_create_response", num_pending: 0, config: {} };

/** Always up. */
function leaseOver(nats: NatsConnection): Lease {
  const link: Link = { nats, publisher: {} as Publisher, made: new Set() };
  return {
    link: () => link,
    connected: () => true,
    whileUp: (work) => work(link, new AbortController().signal),
    ready: () => Promise.resolve(link),
    rttMs: () => null,
    onChange: () => () => undefined,
    release: () => undefined,
  };
}

/** As the client library has them, in the shapes that src/nats/message.ts knows. */
function messageOf({ subject = "", reply = "", block = "", payload = "" }: Partial<Sent>): Msg {
  const _rdata = Buffer.from(block + payload, "latin1");
  const _msg = { hdr: block === "" ? -1 : block.length };
  return { subject, reply, data: _rdata.subarray(block.length), _rdata, _msg } as unknown as Msg;
}
