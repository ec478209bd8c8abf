/**
 * Reads a stream through a named pull consumer against credit: the server is asked for as many messages as the receiver
 * has settled, so a slow receiver slows the server down and memory stays bounded (I11).
 *
 * Nothing is acknowledged and no consumer is trusted with a position: whoever reads keeps its own checkpoint, and a
 * consumer is made anew at every start. A hole in the consumer's numbering, silence, or a consumer that is gone ends
 * the reader with `onLost`; the caller looks where it stands and starts another one.
 */
import type { StoredMsg } from "@nats-io/jetstream";
import { type Msg, createInbox } from "@nats-io/transport-node";
import { GatewayError, toGatewayError } from "../core/errors.js";
import { PULL_EXPIRES_MS, PULL_HEARTBEAT_MS, PULL_SILENCE_MS, READ_WINDOW_BYTES } from "../core/limits.js";
import type { Clock, Reader } from "../core/ports.js";
import { toFailure } from "./failure.js";
import {
  type Delivery,
  type Received,
  headerBlock,
  headerValue,
  isoToNanos,
  parseDelivery,
  statusCode,
  statusText,
  storedHeaderBlock,
} from "./message.js";
import { type PassedOver, createPassedOver } from "./passed-over.js";
import { type ConsumerSource, type PullConsumer, makePullConsumer } from "./pull-consumer.js";
import { type LinkShare, createReadCredit } from "./read-credit.js";
import { createSlices } from "./slices.js";
import { nextMessage } from "./streams.js";
import { ANY_SUBJECT, HEADER, nextMessages } from "./subjects.js";

/** The subject and the reply subject of a message, which the server counts beside headers and value; each of them fits a
 *  protocol line of 4 KiB. */
const SUBJECTS_BYTES = 8 * 1024;

export interface PullSource extends ConsumerSource {
  readonly clock: Clock;
  /** Messages asked for and not settled, at most; may change while reading. */
  readonly windowMessages: () => number;
  /** Whatever stands behind it in the stream is given, also where the server passes over it; left out, that is not looked at. */
  readonly completeFrom?: number;
  /** The bucket's part of what may be asked of a peer; left out, nothing is shared. */
  readonly share?: LinkShare | undefined;
}

export interface PullHandlers {
  /** @param bytes to be released when the message is settled: headers are in memory, too */
  onMessage(message: Received, block: string, delivery: Delivery, bytes: number): void;
  /** Called while nothing is on its way: the server has no more for now. */
  onIdle?(): void;
  onLost(error: GatewayError): void;
}

export interface PullReader extends Reader {
  /** Asks for the first messages. */
  start(): void;
}

export async function openPullReader(source: PullSource, handlers: PullHandlers): Promise<PullReader> {
  const { lease } = source;
  const where = `consumer on ${source.stream}`;
  try {
    return await lease.whileUp(async (_link, signal) => createPuller(source, handlers, await makePullConsumer(source, signal)));
  } catch (thrown) {
    throw toFailure(thrown, where);
  }
}

function createPuller(source: PullSource, handlers: PullHandlers, consumer: PullConsumer): PullReader {
  const { lease, clock, stream } = source;
  const { nats } = lease.link();
  const inbox = createInbox();
  const pullSubject = nextMessages(source.domain, stream, consumer.name);
  // What a server may take it must also be able to give: else it would refuse the largest message for ever.
  const requestBytes = Math.max(READ_WINDOW_BYTES, (nats.info?.max_payload ?? 0) + SUBJECTS_BYTES);
  const credit = source.share === undefined ? null : createReadCredit(source.share, pull);
  let requested = 0;
  // What the last request was told to bring at most.
  let requestedBytes = 0;
  let unsettled = 0;
  let unsettledBytes = 0;
  // Of those, what the receiver has in hand; the rest waits for what was passed over.
  let given = 0;
  let givenBytes = 0;
  let expectedConsumerSequence = 1;
  let position = "sequence" in source.from ? Math.max(1, source.from.sequence) - 1 : 0;
  let pending = consumer.pending;
  let lastSignMs = clock.elapsedMs();
  let over = false;
  let cancelWatch = clock.schedule(PULL_SILENCE_MS, watch);
  const passedOver = source.completeFrom === undefined ? null : findPassedOver(source.completeFrom);

  const slices = createSlices(clock, (message: Msg) => {
    const block = headerBlock(message);
    const status = block === "" ? 0 : statusCode(block);
    if (status === 0) deliver(message, block);
    else onStatus(status, block);
  });
  const subscription = nats.subscribe(inbox, {
    callback: (failure, message) => {
      if (over) return;
      if (failure !== null) return lose(toFailure(failure, `consumer on ${stream}`));
      lastSignMs = clock.elapsedMs();
      slices.take(message);
    },
  });
  const stopListening = lease.onChange((up) => {
    if (!up) lose(new GatewayError("KVGW_READER_LOST", `consumer on ${stream}: the connection broke; reading starts again`));
  });

  const missing = () =>
    new GatewayError("KVGW_READER_LOST", `consumer on ${stream}: messages are missing; reading starts again`);

  const setBack = () =>
    new GatewayError("KVGW_READER_LOST", `consumer on ${stream}: it stands before what it has delivered; reading starts again`);

  function deliver(message: Msg, block: string): void {
    const delivery = parseDelivery(message.reply ?? "");
    if (delivery === null || delivery.consumerSequence !== expectedConsumerSequence) {
      return lose(missing());
    }
    // A consumer that is put on a server whose copy of the stream is behind begins where that ends: what it brings has passed.
    if ("sequence" in source.from && delivery.streamSequence <= position) return lose(setBack());
    expectedConsumerSequence++;
    requested--;
    pending = delivery.pending;
    const bytes = counted(message, block);
    if (credit !== null) {
      credit.received(bytes + message.subject.length + (message.reply?.length ?? 0), pending);
      if (requested === 0) credit.rests();
    }
    if (passedOver === null) return give(message, block, delivery, bytes);
    passedOver.delivered(delivery.streamSequence, () => give(message, block, delivery, bytes));
  }

  /** From now on it takes its part of the window. */
  function counted({ data }: Received, block: string): number {
    const bytes = block.length + data.length;
    unsettled++;
    unsettledBytes += bytes;
    return bytes;
  }

  function give(message: Received, block: string, delivery: Delivery, bytes: number): void {
    if (over) return;
    given++;
    givenBytes += bytes;
    position = delivery.streamSequence;
    try {
      handlers.onMessage(message, block, delivery, bytes);
    } catch (thrown) {
      // A mistake of ours must not reach the client library, which would close the shared connection over it.
      lose(toGatewayError(thrown));
    }
  }

  function findPassedOver(from: number): PassedOver {
    const filter = "lastPerSubject" in source.from ? source.from.lastPerSubject : ANY_SUBJECT;
    const find = (sequence: number) => lease.whileUp(() => nextMessage(source, stream, filter, sequence));
    const hasRoom = () => given < source.windowMessages() && givenBytes < READ_WINDOW_BYTES;
    const giveFound = (found: StoredMsg) => {
      const [block, timestampNs] = [storedHeaderBlock(found), isoToNanos(found.timestamp)];
      const delivery = { streamSequence: found.seq, consumerSequence: 0, timestampNs, pending };
      give(found, block, delivery, counted(found, block));
    };
    const onFailure = (thrown: unknown) => lose(toFailure(thrown, `consumer on ${stream}`));
    return createPassedOver({ from, find, give: giveFound, hasRoom, onFailure });
  }

  function onStatus(status: number, block: string): void {
    if (status === 100) return onSignOfLife(block);
    const undelivered = headerValue(block, HEADER.pendingMessages);
    // A pull that was refused before it brought anything would be refused again at once.
    const untouched = undelivered === null || Number(headerValue(block, HEADER.pendingBytes)) >= requestedBytes;
    const isRefused = status === 409 && untouched && (undelivered === null || credit?.widen() !== true);
    if (status === 503 || isRefused) {
      return lose(new GatewayError("KVGW_READER_LOST", `consumer on ${stream}: ${statusText(block)}; reading starts again`));
    }
    requested = Math.max(0, requested - Number(undelivered ?? requested));
    if (requested === 0) credit?.rests();
    pull();
  }

  /** A sign of life counts what has been delivered. More than came here means that messages went into a link that was
   *  down: the server does not send them again, and without a next message nothing else would tell. Less, or a place in the
   *  stream that has been passed, means that it is not the consumer or the stream that it was. */
  function onSignOfLife(block: string): void {
    const delivered = Number(headerValue(block, HEADER.lastConsumer) ?? expectedConsumerSequence - 1);
    const passed = Number(headerValue(block, HEADER.lastStream) ?? position);
    if (delivered >= expectedConsumerSequence) return lose(missing());
    // While the last message of each subject is read the server counts the place only afterwards.
    if (delivered < expectedConsumerSequence - 1 || ("sequence" in source.from && passed < position)) return lose(setBack());
    const stand = () => (position = Math.max(position, passed));
    if (passedOver === null) stand();
    else passedOver.passed(passed, stand);
    if (unsettled === 0) handlers.onIdle?.();
  }

  /** Asks again once half of the window is free, so that requests are few and the server never runs dry. */
  function pull(): void {
    const full = source.windowMessages();
    const window = credit === null ? full : credit.window(full, pending);
    const room = window - requested - unsettled;
    if (over || room < window / 2 || unsettledBytes >= READ_WINDOW_BYTES) return;
    const bytes = credit === null ? requestBytes : credit.bytes(requestBytes, requested, pending);
    if (bytes === 0) return;
    const batch = credit === null ? room : credit.messages(room);
    // While nothing is asked for the server is silent; that counts from now on.
    if (requested === 0) lastSignMs = clock.elapsedMs();
    requested += batch;
    requestedBytes = bytes;
    credit?.asked(full, pending);
    const request = {
      batch,
      max_bytes: bytes,
      expires: PULL_EXPIRES_MS * 1e6,
      idle_heartbeat: PULL_HEARTBEAT_MS * 1e6,
    };
    try {
      nats.publish(pullSubject, JSON.stringify(request), { reply: inbox });
    } catch (thrown) {
      lose(toFailure(thrown, `consumer on ${stream}`));
    }
  }

  function watch(): void {
    const silentMs = Math.round(clock.elapsedMs() - lastSignMs);
    if (requested > 0 && silentMs >= PULL_SILENCE_MS) {
      return lose(new GatewayError("KVGW_READER_LOST", `consumer on ${stream}: silent for ${silentMs} ms; reading starts again`));
    }
    cancelWatch = clock.schedule(PULL_HEARTBEAT_MS, watch);
  }

  function finish(): void {
    over = true;
    credit?.end();
    slices.stop();
    passedOver?.stop();
    cancelWatch();
    stopListening();
    subscription.unsubscribe();
  }

  function lose(error: GatewayError): void {
    if (over) return;
    finish();
    handlers.onLost(error);
  }

  return {
    start: pull,
    release(count, bytes) {
      unsettled -= count;
      unsettledBytes -= bytes;
      given -= count;
      givenBytes -= bytes;
      passedOver?.resume();
      pull();
    },
    pending: () => pending,
    position: () => position,
    isWaiting: () => unsettled === 0 && requested > 0,
    isHeldBack: () => unsettled === 0 && credit?.isHeldBack() === true,
    async stop() {
      if (over) return;
      finish();
      await consumer.remove();
    },
  };
}
