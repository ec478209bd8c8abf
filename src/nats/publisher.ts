/**
 * Publishes that are answered by callback: one reply inbox for a whole connection, numbered replies, no promise and no
 * timer per message. Many publishes in one tick leave in one socket write.
 *
 * Every answer comes exactly once: the server's, `unknown` when the connection breaks or nothing comes in time, or
 * `refused` when it certainly was not sent or not taken. Bounded by what the callers keep in flight.
 */
import { type Msg, type NatsConnection, createInbox } from "@nats-io/transport-node";
import { type GatewayError, toGatewayError } from "../core/errors.js";
import { PUBLISH_SWEEP_MS, PUBLISH_TIMEOUT_MS } from "../core/limits.js";
import type { Clock } from "../core/ports.js";
import { type ReadyHeaders, headerBlock, statusCode } from "./message.js";

export type Answer =
  | { readonly kind: "stored"; readonly sequence: number }
  | { readonly kind: "error"; readonly code: number; readonly description: string }
  | { readonly kind: "no-stream" }
  | { readonly kind: "unknown" }
  | { readonly kind: "refused"; readonly why: "too-large" | "disconnected" | "denied" };

export interface Publisher {
  publish(subject: string, payload: Uint8Array, headers: ReadyHeaders, done: (answer: Answer) => void): void;
  /** The server denied a publish to the subject: it does not answer those, it says so to the connection. */
  denied(subject: string): void;
  /** The connection broke: whatever waits has an unknown outcome. */
  connectionLost(): void;
  connectionBack(): void;
  close(): void;
}

interface Waiting {
  readonly subject: string;
  readonly sentMs: number;
  readonly done: (answer: Answer) => void;
}

const UNKNOWN: Answer = Object.freeze({ kind: "unknown" });
const NO_STREAM: Answer = Object.freeze({ kind: "no-stream" });
const TOO_LARGE: Answer = Object.freeze({ kind: "refused", why: "too-large" });
const DENIED: Answer = Object.freeze({ kind: "refused", why: "denied" });
const DISCONNECTED: Answer = Object.freeze({ kind: "refused", why: "disconnected" });

export function createPublisher(
  connection: NatsConnection,
  clock: Clock,
  onBug: (error: GatewayError) => void,
): Publisher {
  const inbox = createInbox();
  const numberAt = inbox.length + 1;
  const waitingByNumber = new Map<number, Waiting>();
  let lastNumber = 0;
  let connected = true;
  let cancelSweep: (() => void) | null = null;

  function settle(number: number, answer: Answer): void {
    const waiting = waitingByNumber.get(number);
    if (waiting === undefined) return;
    waitingByNumber.delete(number);
    try {
      waiting.done(answer);
    } catch (thrown) {
      // A mistake of ours must not reach the client library, which would close the shared connection over it.
      onBug(toGatewayError(thrown));
    }
  }

  // The map keeps the order of sending and all waits are equally long, so the oldest stand first.
  function sweep(): void {
    cancelSweep = null;
    const tooOldMs = clock.elapsedMs() - PUBLISH_TIMEOUT_MS;
    for (const [number, waiting] of waitingByNumber) {
      if (waiting.sentMs > tooOldMs) break;
      settle(number, UNKNOWN);
    }
    armSweep();
  }

  function armSweep(): void {
    if (cancelSweep === null && waitingByNumber.size > 0) cancelSweep = clock.schedule(PUBLISH_SWEEP_MS, sweep);
  }

  function settleAll(): void {
    for (const number of [...waitingByNumber.keys()]) settle(number, UNKNOWN);
  }

  const subscription = connection.subscribe(`${inbox}.*`, {
    callback: (failure, message) => {
      if (failure === null) settle(Number(message.subject.slice(numberAt)), readAnswer(message));
    },
  });

  return {
    publish(subject, payload, headers, done) {
      if (!connected) return done(DISCONNECTED);
      const number = ++lastNumber;
      try {
        connection.publish(subject, payload, { reply: `${inbox}.${number}`, headers });
      } catch {
        return done(payload.length + headers.byteLength > maxPayload(connection) ? TOO_LARGE : DISCONNECTED);
      }
      waitingByNumber.set(number, { subject, sentMs: clock.elapsedMs(), done });
      armSweep();
    },
    denied(subject) {
      for (const [number, waiting] of waitingByNumber) if (waiting.subject === subject) return settle(number, DENIED);
    },
    connectionLost() {
      connected = false;
      settleAll();
    },
    connectionBack() {
      connected = true;
    },
    close() {
      connected = false;
      cancelSweep?.();
      subscription.unsubscribe();
      settleAll();
    },
  };
}

const maxPayload = (connection: NatsConnection): number => connection.info?.max_payload ?? Infinity;

/** `{"stream":"KV_b","seq":7}`, or `{"error":{"code":400,"err_code":10071,"description":"…"},…}`. A stream or domain may
 *  be called `error` too, but only a name of a field is followed by a colon. */
function readAnswer(message: Msg): Answer {
  const { data } = message;
  if (data.length === 0) return statusCode(headerBlock(message)) === 503 ? NO_STREAM : UNKNOWN;
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("latin1");
  if (!text.includes('"error":')) {
    const at = text.indexOf('"seq":');
    return at < 0 ? UNKNOWN : { kind: "stored", sequence: Number.parseInt(text.slice(at + 6), 10) };
  }
  const { error } = JSON.parse(text) as { error?: { err_code?: number; description?: string } };
  return { kind: "error", code: error?.err_code ?? 0, description: error?.description ?? "refused" };
}
