/**
 * Asks a peer's gateway about a bucket, by request and reply on its subjects. Everything that comes back is read as
 * strictly as an operation: the bytes may come from anybody.
 */
import type { Msg } from "@nats-io/transport-node";
import { GatewayError } from "../core/errors.js";
import type { BucketName, Key, SiteId } from "../core/ids.js";
import { REQUEST_TIMEOUT_MS } from "../core/limits.js";
import type { Operation } from "../core/operation.js";
import type { Questions } from "../core/ports.js";
import { decodeDigests, decodeHello, decodePage, decodeVersions, encodeHello } from "../core/question.js";
import { readOperation } from "./answer-headers.js";
import type { Lease } from "./connections.js";
import { toFailure } from "./failure.js";
import { headerBlock, headerValue } from "./message.js";
import { HEADER, type QuestionVerb, questionSubject } from "./subjects.js";

/** @param lease leads to where the peer answers: its NATS, one that reaches it, or the hub */
export function createPeerQuestions(lease: Lease, peer: SiteId, bucket: BucketName): Questions {
  const where = `gateway of ${peer}, bucket ${bucket}`;

  async function ask(verb: QuestionVerb, question: unknown): Promise<Msg> {
    const subject = questionSubject(peer, bucket, verb);
    const options = { timeout: REQUEST_TIMEOUT_MS };
    const request = lease.whileUp(({ nats }) => nats.request(subject, JSON.stringify(question), options));
    const answer = await request.catch((thrown: unknown) => {
      throw toFailure(thrown, where);
    });
    const refused = headerValue(headerBlock(answer), HEADER.serviceError);
    if (refused !== null) throw new GatewayError("KVGW_UNREACHABLE", `${where}: it answers: ${refused.slice(0, 200)}; retried`);
    return answer;
  }

  async function read<T>(verb: QuestionVerb, question: unknown, decode: (value: unknown) => T | null): Promise<T> {
    const answer = await ask(verb, question);
    const value = decode(parse(answer));
    if (value === null) throw unreadable(verb);
    return value;
  }

  const unreadable = (verb: QuestionVerb) =>
    new GatewayError("KVGW_ANSWER_UNREADABLE", `${where}: its answer to "${verb}" cannot be read; run the same version at both sites`);

  /** Asks for one part after the other; null if the value has changed in between, or cannot be had right now. */
  async function fetch(key: Key): Promise<Operation | null> {
    const parts: Uint8Array[] = [];
    let first: Operation | null = null;
    for (let offset = 0; ; ) {
      const answer = await ask("fetch", { key, offset });
      const block = headerBlock(answer);
      const total = Number(headerValue(block, HEADER.total) ?? Number.NaN);
      if (Number.isNaN(total)) return null;
      const operation = readOperation(key, block);
      if (operation === null || total > VALUE_BYTES_MAX || (answer.data.length === 0 && offset < total)) throw unreadable("fetch");
      first ??= operation;
      if (operation.version.ts !== first.version.ts || operation.version.site !== first.version.site) return null;
      parts.push(answer.data);
      offset += answer.data.length;
      if (offset >= total) return { ...first, value: parts.length === 1 ? answer.data : Buffer.concat(parts) };
    }
  }

  return {
    hello: (asker) => read("hello", encodeHello(asker), decodeHello),
    digests: (prefixes) => read("digests", { prefixes }, decodeDigests),
    entries: (prefix, after) => read("entries", { prefix, after }, decodePage),
    versions: (keys) => read("versions", { keys }, decodeVersions),
    fetch,
  };
}

/** The largest message that a NATS server can be set to take. */
const VALUE_BYTES_MAX = 64 * 1024 * 1024;

function parse(answer: Msg): unknown {
  try {
    return JSON.parse(answer.string());
  } catch {
    return null;
  }
}
