/**
 * Asks a peer's gateway about a bucket, by request and reply on its subjects. Everything that comes back is read as
 * strictly as an operation: the bytes may come from anybody.
 */
import { type Msg, type NatsConnection, createInbox } from "@nats-io/transport-node";
import { GatewayError } from "../core/errors.js";
import type { BucketName, Key, SiteId } from "../core/ids.js";
import { REQUEST_TIMEOUT_MS } from "../core/limits.js";
import type { Operation } from "../core/operation.js";
import type { Questions } from "../core/ports.js";
import { decodeDigests, decodeHello, decodePage, decodeVersions, encodeHello } from "../core/question.js";
import { compareVersions } from "../core/version.js";
import { type Fetched, readOperation, readRefusal } from "./answer-headers.js";
import type { Lease } from "./connections.js";
import { toFailure } from "./failure.js";
import { headerBlock, statusCode } from "./message.js";
import { type QuestionVerb, questionSubject } from "./subjects.js";

/** @param lease leads to where the peer answers: its NATS, one that reaches it, or the hub */
export function createPeerQuestions(lease: Lease, peer: SiteId, bucket: BucketName): Questions {
  const where = `gateway of ${peer}, bucket ${bucket}`;

  async function ask(verb: QuestionVerb, question: unknown): Promise<Msg> {
    const subject = questionSubject(peer, bucket, verb);
    const asked = lease.whileUp(({ nats }, signal) => request(nats, subject, JSON.stringify(question), signal));
    const answer = await asked.catch((thrown: unknown) => {
      throw toFailure(thrown, where);
    });
    const block = headerBlock(answer);
    const refusal = statusCode(block) === NO_RESPONDERS ? nobody() : readRefusal(block, where);
    if (refusal !== null) throw refusal;
    return answer;
  }

  const nobody = () =>
    new GatewayError("KVGW_UNREACHABLE", `${where}: no gateway answers there; start it, or let it subscribe: retried`);

  /** @param isAnswer whether what was read belongs to the question: too little would look like no difference */
  async function read<T>(
    verb: QuestionVerb,
    question: unknown,
    decode: (value: unknown) => T | null,
    isAnswer: (value: T) => boolean = () => true,
  ): Promise<T> {
    const answer = await ask(verb, question);
    const value = decode(parse(answer));
    if (value === null || !isAnswer(value)) throw unreadable(verb);
    return value;
  }

  const unreadable = (verb: QuestionVerb) =>
    new GatewayError("KVGW_ANSWER_UNREADABLE", `${where}: its answer to "${verb}" cannot be read; run the same version at both sites`);

  /** Asks for one part after the other; null if what is there has changed in between, or cannot be had right now. */
  async function fetch(key: Key): Promise<Operation | null> {
    const parts: Uint8Array[] = [];
    let first: Fetched | null = null;
    for (let offset = 0; parts.length < PARTS_MAX; ) {
      const answer = await ask("fetch", { key, offset });
      const block = headerBlock(answer);
      if (block === "" && answer.data.length === 0) return null;
      const part = readOperation(key, block);
      if (part === null) throw unreadable("fetch");
      first ??= part;
      if (!isSame(part, first)) return null;
      const left = first.total - offset;
      if (answer.data.length > left || (answer.data.length === 0 && left > 0)) throw unreadable("fetch");
      parts.push(answer.data);
      offset += answer.data.length;
      if (offset === first.total) return { ...first.operation, value: parts.length === 1 ? answer.data : Buffer.concat(parts) };
    }
    throw unreadable("fetch");
  }

  return {
    hello: (asker) => read("hello", encodeHello(asker), decodeHello),
    digests: (prefixes) => read("digests", { prefixes }, decodeDigests, (digests) => digests.length === prefixes.length),
    entries: (prefix, after) => read("entries", { prefix, after }, decodePage),
    versions: (keys) =>
      read("versions", { keys }, decodeVersions, (summaries) => {
        if (summaries.length !== keys.length) return false;
        return summaries.every((summary, at) => summary === null || summary.key === keys[at]);
      }),
    fetch,
  };
}

/** Whoever answers byte by byte does not hold up a round for ever. A part has 256 KiB, less only where the server takes less. */
const PARTS_MAX = 1_024;

export const NO_RESPONDERS = 503;

/** Whether both are parts of one value. A value that has passed its deadline is a tombstone of the same version. */
const isSame = (a: Fetched, b: Fetched): boolean =>
  a.total === b.total && a.operation.kind === b.operation.kind && compareVersions(a.operation.version, b.operation.version) === 0;

/** One answer to one question. Not the library's own `request`: that decodes the headers of an empty answer, and where they
 *  cannot be decoded, which is up to whoever answers, the connection hears nothing any more. */
export function request(
  nats: NatsConnection,
  subject: string,
  question: string,
  signal: AbortSignal,
  withinMs = REQUEST_TIMEOUT_MS,
): Promise<Msg> {
  return new Promise((resolve, reject) => {
    const inbox = createInbox();
    const fail = (reason: Error) => {
      subscription.unsubscribe();
      reject(reason);
    };
    const callback = (failure: Error | null, answer: Msg) => (failure === null ? resolve(answer) : fail(failure));
    const subscription = nats.subscribe(inbox, { max: 1, timeout: withinMs, callback });
    // By this the library finds who asked, where the server denies the question.
    Object.assign(subscription, { requestSubject: subject });
    signal.addEventListener("abort", () => fail(signal.reason as Error), { once: true });
    try {
      nats.publish(subject, question, { reply: inbox });
    } catch (thrown) {
      fail(thrown as Error);
    }
  });
}

function parse(answer: Msg): unknown {
  try {
    return JSON.parse(answer.string());
  } catch {
    return null;
  }
}
