/** An application with a plain KV client, beside the gateway: it knows nothing of versions, and may write any header. */
import type { Revision } from "../../src/core/ids.js";
import { headerLine, headerValue } from "../../src/nats/message.js";
import { HEADER } from "../../src/nats/subjects.js";
import type { MemoryStream, StreamMessage } from "./stream.js";

export interface Application {
  put(key: string, value: string | Uint8Array, headers?: Readonly<Record<string, string>>): Revision;
  delete(key: string): Revision;
  purge(key: string): Revision;
  /** A client's `update`: null if the key stands elsewhere. */
  update(key: string, value: string, expected: Revision): Revision | null;
  /** What a reader of the bucket finds: keys with their text, without what is deleted. */
  read(): ReadonlyMap<string, string>;
}

export function createApplication(stream: MemoryStream): Application {
  function publish(key: string, value: string | Uint8Array, headers: Readonly<Record<string, string>>): Revision | null {
    const payload = typeof value === "string" ? new TextEncoder().encode(value) : value;
    const answer = stream.publish(key, payload, blockOf(headers));
    if (answer.kind === "stored") return answer.sequence;
    if (answer.kind === "wrong last sequence") return null;
    throw new Error(`the bucket refused ${key}: ${answer.kind}`);
  }
  const write = (key: string, value: string | Uint8Array, headers: Readonly<Record<string, string>>) =>
    publish(key, value, headers) ?? 0;

  return {
    put: (key, value, headers = {}) => write(key, value, headers),
    delete: (key) => write(key, "", { [HEADER.kvOperation]: "DEL" }),
    purge: (key) => write(key, "", { [HEADER.kvOperation]: "PURGE", [HEADER.rollup]: "sub" }),
    update: (key, value, expected) => publish(key, value, { [HEADER.expectedSubjectSequence]: String(expected) }),
    read() {
      const lasts = new Map([...stream.messages()].map((message) => [message.subject, message]));
      const present = [...lasts].filter(([, message]) => !isGone(message));
      return new Map(
        present.map(([key, { payload }]) => [key, new TextDecoder().decode(payload)]).sort() as [string, string][],
      );
    },
  };
}

const isGone = ({ block }: StreamMessage) =>
  headerValue(block, HEADER.kvOperation) !== null || headerValue(block, HEADER.markerReason) !== null;

function blockOf(headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => headerLine(name, value));
  return lines.length === 0 ? "" : `NATS/1.0\r\n${lines.join("")}\r\n`;
}
