/** The few questions that all adapters ask JetStream about streams, over a lease and within a domain. */
import { type JetStreamManager, type LastForMsgRequest, type NextMsgRequest, type SeqMsgRequest, type StoredMsg, type StreamInfo, jetstreamManager } from "@nats-io/jetstream";
import { REQUEST_TIMEOUT_MS, YOUNG_STREAM_MS, YOUNG_STREAM_WAIT_MS } from "../core/limits.js";
import type { Clock, StreamMark } from "../core/ports.js";
import type { Lease } from "./connections.js";
import { API_ERROR, isApiError } from "./failure.js";
import { isoToNanos } from "./message.js";
import { ANSWERS_OF_YOUNG_STREAMS, PURGES_LEAVE_CONSUMERS, isBefore } from "./server-version.js";
import { apiPrefix } from "./subjects.js";

export interface StreamPlace {
  readonly lease: Lease;
  /** The JetStream domain behind the lease, null for the server's own. */
  readonly domain: string | null;
  readonly clock: Clock;
}

/** Sends nothing: a manager is only a set of functions over the connection. */
export function streamManager(lease: Lease, domain: string | null, timeout = REQUEST_TIMEOUT_MS): Promise<JetStreamManager> {
  return jetstreamManager(lease.link().nats, { apiPrefix: apiPrefix(domain), checkAPI: false, timeout });
}

/** Null if there is no such stream; any other failure is thrown as the client library throws it. */
export async function findStream(api: JetStreamManager, stream: string): Promise<StreamInfo | null> {
  try {
    return await api.streams.info(stream);
  } catch (thrown) {
    if (isApiError(thrown, API_ERROR.streamNotFound)) return null;
    throw thrown;
  }
}

/** The last message that exists below a subject, null if none does. */
export function lastMessage(place: StreamPlace, stream: string, subject: string): Promise<StoredMsg | null> {
  return findMessage(place, stream, { last_by_subj: subject });
}

/** Asked of the leader: a replica may lag behind. */
async function findMessage(place: StreamPlace, stream: string, which: LastForMsgRequest | (SeqMsgRequest & NextMsgRequest)): Promise<StoredMsg | null> {
  const api = await streamManager(place.lease, place.domain);
  await untilMade(place, api, stream);
  try {
    return await api.streams.getMessage(stream, which);
  } catch (thrown) {
    if (isApiError(thrown, API_ERROR.messageNotFound)) return null;
    throw thrown;
  }
}

/** Its sequence, 0 if there is none. The stream's last sequence itself may be gone. */
export const lastExisting = async (place: StreamPlace, stream: string, subject: string): Promise<number> =>
  (await lastMessage(place, stream, subject))?.seq ?? 0;

/** nats-server 2.9.10 dies of a request for a message of a stream that it is just making: the stream can be found already,
 *  and has no store yet (seen; 2.10.27 and 2.15.1 answer). So there a young stream is given time first, once per connection.
 *  Behind a domain it may be another server than the connected one. */
export async function untilMade({ lease, domain, clock }: StreamPlace, api: JetStreamManager, stream: string): Promise<void> {
  const { nats, made } = lease.link();
  const name = `${domain ?? ""} ${stream}`;
  if (made.has(name) || (domain === null && !isBefore(nats.info?.version, ANSWERS_OF_YOUNG_STREAMS))) return;
  const { created } = await api.streams.info(stream);
  if (clock.nowMs() - Date.parse(created) < YOUNG_STREAM_MS) {
    await new Promise<void>((resolve) => clock.schedule(YOUNG_STREAM_WAIT_MS, resolve));
  }
  made.add(name);
}

/** The first message of the subjects at the sequence or behind it, null if there is none. */
export function nextMessage(place: StreamPlace, stream: string, subject: string, sequence: number): Promise<StoredMsg | null> {
  return findMessage(place, stream, { seq: sequence, next_by_subj: subject });
}

/** Whether a consumer there may pass over messages. The connected server is asked, which behind a domain may be another one, so
 *  there it is always thought possible; in a cluster of different versions it may be wrong. */
export const passesOver = ({ lease, domain }: StreamPlace): boolean =>
  domain !== null || isBefore(lease.link().nats.info?.version, PURGES_LEAVE_CONSUMERS);

/** Without a trace. Where a purge would move consumers, be it an application's, each message is removed by itself. */
export async function removeUpTo(place: StreamPlace, stream: string, subject: string, upTo: number): Promise<void> {
  const api = await streamManager(place.lease, place.domain);
  if (passesOver(place) && (await removeSingly(place, api, stream, subject, upTo))) return;
  // The server takes the first sequence that stays.
  await api.streams.purge(stream, { filter: subject, seq: upTo + 1 });
}

/** False where it cannot be done so: clients may make buckets that deny it, and servers before 2.9 do not know the question. */
async function removeSingly(place: StreamPlace, api: JetStreamManager, stream: string, subject: string, upTo: number): Promise<boolean> {
  for (;;) {
    const next = await nextMessage(place, stream, subject, 1);
    if (next === null || next.seq > upTo) return true;
    if (next.subject !== subject) return false;
    try {
      await api.streams.deleteMessage(stream, next.seq, false);
    } catch (thrown) {
      if (isApiError(thrown, API_ERROR.messageDeleteFailed)) return false;
      // Gone meanwhile.
      if (!isApiError(thrown, API_ERROR.sequenceNotFound)) throw thrown;
    }
  }
}

export const markOf = (info: StreamInfo): StreamMark => ({
  created: isoToNanos(info.created),
  lastSequence: info.state.last_seq,
});
