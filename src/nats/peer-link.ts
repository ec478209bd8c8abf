/**
 * A peer's operation log, read from here: over a connection of our own to the peer, over the local one and a JetStream
 * domain, or at a hub. There is nothing in here that writes to a peer (I3), except the consumer that reading needs.
 */
import { GatewayError } from "../core/errors.js";
import type { SiteId } from "../core/ids.js";
import type { PeerLink, StreamMark } from "../core/ports.js";
import { toFailure } from "./failure.js";
import { type LogContext, readLogMessage } from "./log-codec.js";
import type { LogNames, LogPlace } from "./operation-log.js";
import { openPullReader } from "./pull-reader.js";
import type { LinkShare } from "./read-credit.js";
import { findStream, lastExisting, markOf, streamManager } from "./streams.js";
import { ANY_SUBJECT, keyOfLogSubject, logConsumers, logPrefix, logStream } from "./subjects.js";

/** @param names of the peer's log; `names.site` is the peer
 *  @param share of what may be asked there; left out, there is nothing to share */
export function createPeerLink(place: LogPlace, names: LogNames, reader: SiteId, share?: LinkShare): PeerLink {
  const { lease, domain } = place;
  const stream = logStream(names.site, names.bucket);
  const prefix = logPrefix(names.subject, names.site);
  const where = `operation log ${stream}`;
  const context: LogContext = { origin: names.site, bucket: names.bucket, format: names.format, headersOnly: false };

  async function find(): Promise<StreamMark> {
    try {
      const info = await lease.whileUp(async () => findStream(await streamManager(lease, domain), stream));
      if (info !== null) return markOf(info);
    } catch (thrown) {
      throw toFailure(thrown, where);
    }
    throw new GatewayError("KVGW_LOG_MISSING", `${where}: does not exist yet; start the gateway of ${names.site}: retried`);
  }

  return {
    open: find,

    async lastExisting() {
      const { created } = await find();
      try {
        const last = await lease.whileUp(() => lastExisting(place, stream, ANY_SUBJECT));
        return { created, lastSequence: last };
      } catch (thrown) {
        throw toFailure(thrown, where);
      }
    },

    async read(from, windowOperations, handlers) {
      const opened = await openPullReader(
        {
          ...place,
          stream,
          consumerPrefix: logConsumers(reader, names.site),
          windowMessages: windowOperations,
          from: { sequence: from },
          share,
        },
        {
          onMessage(message, block, { streamSequence: sequence }, bytes) {
            const key = keyOfLogSubject(message.subject, prefix, names.site);
            const read = readLogMessage({ key, block, payload: message.data, sequence }, context);
            if (read.ok) handlers.onOperation(read.value, bytes);
            else handlers.onUnreadable({ sequence, key, ...read.error }, bytes);
          },
          onLost: handlers.onLost,
        },
      );
      opened.start();
      return opened;
    },
  };
}
