/** A peer's operation log over memory, read only. */
import { GatewayError } from "../../src/core/errors.js";
import type { PeerHandlers, PeerLink } from "../../src/core/ports.js";
import { type MemoryLog, readStored } from "./operation-log.js";
import { openMemoryReader } from "./reader.js";
import type { StreamMessage } from "./stream.js";

/** @param log the peer's, over the connection that leads there */
export function createMemoryPeerLink(log: MemoryLog): PeerLink {
  const { connection, stream, site } = log;
  const mark = () => {
    if (stream.exists()) return stream.mark();
    throw new GatewayError(
      "KVGW_LOG_MISSING",
      `the operation log of ${site} does not exist yet; start its gateway: retried`,
    );
  };
  return {
    open: () => connection.request(mark),
    lastExisting: () =>
      connection.request(() => ({ created: mark().created, lastSequence: Math.max(0, ...[...stream.messages()].map((each) => each.sequence)) })),
    async read(from, windowMessages, handlers) {
      const source = { stream, connection, windowMessages, from: Math.max(1, from) };
      const reader = await connection.request(() => {
        mark();
        return openMemoryReader(source, {
          onMessage: (message, bytes) => handOut(message, bytes, log, handlers),
          onLost: (error) => handlers.onLost(error),
        });
      });
      reader.start();
      return reader;
    },
  };
}

function handOut(message: StreamMessage, bytes: number, log: MemoryLog, handlers: PeerHandlers): void {
  const read = readStored(message, log, false);
  if (read.ok) handlers.onOperation(read.value, bytes);
  else handlers.onUnreadable({ sequence: message.sequence, key: message.subject, ...read.error }, bytes);
}
