/**
 * A pull consumer on a memory stream: messages go out one by one over a connection, against credit, and what is removed
 * before its turn is never seen. It is over for good when the connection breaks or the server loses its consumers.
 */
import { GatewayError } from "../../src/core/errors.js";
import type { Sequence } from "../../src/core/ids.js";
import { READ_WINDOW_BYTES } from "../../src/core/limits.js";
import type { Reader } from "../../src/core/ports.js";
import type { MemoryConnection } from "./connection.js";
import type { MemoryStream, StreamMessage } from "./stream.js";

export interface ReaderSource {
  readonly stream: MemoryStream;
  readonly connection: MemoryConnection;
  readonly windowMessages: () => number;
  /** From a sequence on, or the last message of every subject and then whatever comes. */
  readonly from: Sequence | "last per subject";
}

export interface ReaderHandlers {
  /** @param bytes to be released when the message is settled */
  onMessage(message: StreamMessage, bytes: number): void;
  /** All that existed when the reader began has been delivered. */
  onCaughtUp?(): void;
  onLost(error: GatewayError): void;
}

export interface MemoryReader extends Reader {
  /** Lets the first messages come. */
  start(): void;
}

export function openMemoryReader(
  { stream, connection, windowMessages, from }: ReaderSource,
  handlers: ReaderHandlers,
): MemoryReader {
  const begunAt = stream.mark().lastSequence;
  const lasts = from === "last per subject" ? new Set(stream.lastOfEach()) : null;
  let next = from === "last per subject" ? 1 : from;
  let unsettled = 0;
  let unsettledBytes = 0;
  let caughtUp = false;
  let started = false;
  let over = false;

  const isSkipped = ({ sequence }: StreamMessage) => lasts !== null && sequence <= begunAt && !lasts.has(sequence);

  function upcoming(): StreamMessage | undefined {
    for (let message = stream.next(next); ; message = stream.next(message.sequence + 1)) {
      if (message === undefined || !isSkipped(message)) return message;
    }
  }

  function pump(): void {
    if (!started) return;
    while (!over && unsettled < windowMessages() && unsettledBytes < READ_WINDOW_BYTES) {
      const message = upcoming();
      if (message === undefined) break;
      next = message.sequence + 1;
      unsettled++;
      const bytes = message.block.length + message.payload.length;
      unsettledBytes += bytes;
      push(() => handlers.onMessage(message, bytes));
    }
    if (caughtUp || (upcoming()?.sequence ?? Infinity) <= begunAt) return;
    caughtUp = true;
    push(() => handlers.onCaughtUp?.());
  }

  const push = (deliver: () => void) => connection.push(() => (over ? undefined : deliver()));

  function finish(): void {
    over = true;
    unwatch();
    forget();
  }

  function lose(why: string): void {
    if (over) return;
    finish();
    handlers.onLost(new GatewayError("KVGW_READER_LOST", `${why}; reading starts again`));
  }

  const unwatch = stream.watch({ onChange: () => connection.whenServerIsReady(pump), onGone: () => push(() => lose("the consumer is gone")) });
  const forget = connection.onCut(() => lose("the connection broke"));

  return {
    start() {
      started = true;
      pump();
    },
    release(count, bytes) {
      unsettled -= count;
      unsettledBytes -= bytes;
      pump();
    },
    position: () => (upcoming() === undefined && stream.exists() ? Math.max(next - 1, stream.mark().lastSequence) : next - 1),
    isHeldBack: () => false,
    isWaiting: () => unsettled === 0,
    pending: () => [...stream.messages()].filter((message) => message.sequence >= next && !isSkipped(message)).length,
    stop() {
      if (!over) finish();
      return Promise.resolve();
    },
  };
}
