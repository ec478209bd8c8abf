/** The few questions that all adapters ask JetStream about streams, over a lease and within a domain. */
import { type JetStreamManager, type StoredMsg, type StreamInfo, jetstreamManager } from "@nats-io/jetstream";
import { REQUEST_TIMEOUT_MS } from "../core/limits.js";
import type { StreamMark } from "../core/ports.js";
import type { Lease } from "./connections.js";
import { API_ERROR, isApiError } from "./failure.js";
import { isoToNanos } from "./message.js";
import { apiPrefix } from "./subjects.js";

/** Sends nothing: a manager is only a set of functions over the connection. */
export function streamManager(lease: Lease, domain: string | null): Promise<JetStreamManager> {
  return jetstreamManager(lease.link().nats, {
    apiPrefix: apiPrefix(domain),
    checkAPI: false,
    timeout: REQUEST_TIMEOUT_MS,
  });
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

/** The last message that exists below a subject, null if none does. Asked of the leader: a replica may lag behind. */
export async function lastMessage(api: JetStreamManager, stream: string, subject: string): Promise<StoredMsg | null> {
  try {
    return await api.streams.getMessage(stream, { last_by_subj: subject });
  } catch (thrown) {
    if (isApiError(thrown, API_ERROR.messageNotFound)) return null;
    throw thrown;
  }
}

/** Its sequence, 0 if there is none. The stream's last sequence itself may be gone. */
export const lastExisting = async (api: JetStreamManager, stream: string, subject: string): Promise<number> =>
  (await lastMessage(api, stream, subject))?.seq ?? 0;

/** Without a trace. The server takes the first sequence that stays. */
export async function purgeUpTo(api: JetStreamManager, stream: string, subject: string, upTo: number): Promise<void> {
  await api.streams.purge(stream, { filter: subject, seq: upTo + 1 });
}

export const markOf = (info: StreamInfo): StreamMark => ({
  created: isoToNanos(info.created),
  lastSequence: info.state.last_seq,
});
