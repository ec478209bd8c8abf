/** This site's operation log over memory, in the wire's own form: one message per key, fenced by its last sequence
 *  and by the key's. */
import { GatewayError } from "../../src/core/errors.js";
import type { BucketName, SiteId } from "../../src/core/ids.js";
import type { AppendOutcome, OperationLog } from "../../src/core/ports.js";
import { type LogFormat, logHeaders, logPayload, readLogMessage } from "../../src/nats/log-codec.js";
import type { ReadyHeaders } from "../../src/nats/message.js";
import type { MemoryConnection } from "./connection.js";
import type { MemoryStream, PublishAnswer, StreamMessage } from "./stream.js";

export interface MemoryLog {
  readonly connection: MemoryConnection;
  readonly stream: MemoryStream;
  /** The site that the log belongs to. */
  readonly site: SiteId;
  readonly bucket: BucketName;
  readonly format: LogFormat;
}

/** Whose log of which bucket it is, and in which format. */
export type LogReading = Pick<MemoryLog, "site" | "bucket" | "format">;

export function readStored(
  { subject, payload, block, sequence }: StreamMessage,
  { site, bucket, format }: LogReading,
  headersOnly: boolean,
) {
  const message = { key: subject, payload: headersOnly ? NO_PAYLOAD : payload, block, sequence };
  return readLogMessage(message, { origin: site, bucket, format, headersOnly });
}

const NO_PAYLOAD = new Uint8Array(0);

export function createMemoryOperationLog(log: MemoryLog): OperationLog {
  const { connection, stream, format, bucket } = log;
  return {
    open: (replicas) =>
      connection.request(() => {
        stream.create();
        return { ...stream.mark(), replicas };
      }),
    async scan(from, onOperation) {
      const { mark, messages } = await connection.request(() => {
        if (!stream.exists()) throw new GatewayError("KVGW_STREAM_CHANGED", "it was deleted; made again at once");
        return { mark: stream.mark(), messages: [...stream.messages()] };
      });
      for (const message of messages) {
        const read = message.sequence < from ? null : readStored(message, log, true);
        if (read?.ok) onOperation(read.value, true);
      }
      return mark;
    },
    read: (key) =>
      connection.request(() => {
        const last = stream.last(key);
        const found = last === undefined ? null : readStored(last, log, false);
        return found?.ok ? found.value : null;
      }),
    forget: (key, upTo) =>
      connection.request(() => {
        if (!stream.exists()) throw new GatewayError("KVGW_UNREACHABLE", "no stream answers; retried");
        stream.purge(key, upTo, "forgotten");
      }),
    sequenceOf: (key) => connection.request(() => stream.last(key)?.sequence ?? 0),
    append(operation, identity, expected, done) {
      const { key } = operation;
      const payload = logPayload(operation, format, bucket);
      const block = asText(logHeaders(operation, identity, expected));
      const write = () => stream.publish(key, payload, block);
      connection.publish({ to: "log", key }, write, (answer) => done(toOutcome(answer)));
    },
  };
}

/** The client library asks ready-made headers for their bytes in this way. */
const asText = (headers: ReadyHeaders): string =>
  Buffer.from((headers as unknown as { readonly encode: () => Uint8Array }).encode()).toString("latin1");

function toOutcome(answer: PublishAnswer | GatewayError | "unknown"): AppendOutcome {
  if (answer === "unknown") return { kind: "unknown" };
  if (answer instanceof GatewayError) return { kind: "failed", error: answer };
  switch (answer.kind) {
    case "stored":
      return { kind: "appended", sequence: answer.sequence };
    case "wrong last sequence":
      return { kind: "mismatch" };
    case "too large":
      return { kind: "too-large" };
    case "full":
      return { kind: "failed", error: new GatewayError("KVGW_LOG_FULL", "the stream is full; make room: retried") };
    case "no stream":
      return { kind: "failed", error: new GatewayError("KVGW_UNREACHABLE", "no stream answers; retried") };
  }
}
