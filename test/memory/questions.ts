/**
 * Questions to a peer's gateway over memory: they pass through the words of the wire both ways, take the time of the
 * connection, and stay without an answer when the other gateway dies.
 */
import { GatewayError } from "../../src/core/errors.js";
import { REQUEST_TIMEOUT_MS } from "../../src/core/limits.js";
import type { Clock, PeerService, Questions } from "../../src/core/ports.js";
import {
  decodeDigests,
  decodeDigestsQuestion,
  decodeEntriesQuestion,
  decodeHello,
  decodePage,
  decodeVersions,
  decodeVersionsQuestion,
  encodeDigests,
  encodeHello,
  encodePage,
  encodeVersions,
} from "../../src/core/question.js";
import type { MemoryConnection } from "./connection.js";

/** Where a site's gateways stand ready to be asked about a bucket: the server takes one after the other, as of a queue. */
export interface Answering {
  readonly answering: Answerer[];
}

interface Answerer {
  readonly answers: Questions;
  readonly connection: MemoryConnection;
}

function nextOf({ answering }: Answering): Questions {
  for (let tried = 0; tried < answering.length; tried++) {
    const next = answering.shift();
    if (next === undefined) break;
    answering.push(next);
    if (next.connection.connected()) return next.answers;
  }
  throw new GatewayError("KVGW_UNREACHABLE", "no gateway answers there; retried");
}

/** @param connection of the gateway that answers: questions reach it like everything else that its server sends */
export const createMemoryPeerService = (bucket: Answering, connection: MemoryConnection): PeerService => ({
  serve(answers) {
    const reached = <T>(answer: () => Promise<T>) =>
      new Promise<T>((resolve, reject) => connection.push(() => void answer().then(resolve, reject)));
    const served: Questions = {
      hello: (asker) => reached(() => answers.hello(asker)),
      digests: (prefixes) => reached(() => answers.digests(prefixes)),
      entries: (prefix, after) => reached(() => answers.entries(prefix, after)),
      versions: (keys) => reached(() => answers.versions(keys)),
      fetch: (key) => reached(() => answers.fetch(key)),
    };
    const answerer = { answers: served, connection };
    bucket.answering.push(answerer);
    return () => {
      const at = bucket.answering.indexOf(answerer);
      if (at >= 0) bucket.answering.splice(at, 1);
    };
  },
});

/** @param connection leads to the peer's NATS */
export function createMemoryQuestions(connection: MemoryConnection, bucket: Answering, clock: Clock): Questions {
  async function ask<T>(answer: (answers: Questions) => Promise<T>): Promise<T> {
    const answering = await connection.request(() => {
      const promise = answer(nextOf(bucket));
      // Nobody hears of a refusal whose way back is lost.
      promise.catch(() => undefined);
      // Kept in an object: a promise by itself would be waited for at the server.
      return { promise };
    });
    const value = await inTime(clock, answering.promise);
    await connection.request(() => undefined);
    return value;
  }
  return {
    hello: (asker) =>
      ask(async (answers) => read(decodeHello, encodeHello(await answers.hello(read(decodeHello, encodeHello(asker)))))),
    digests: (prefixes) =>
      ask(async (answers) => {
        const question = read(decodeDigestsQuestion, { prefixes });
        return read(decodeDigests, encodeDigests(await answers.digests(question.prefixes)));
      }),
    entries: (prefix, after) =>
      ask(async (answers) => {
        const question = read(decodeEntriesQuestion, { prefix, after });
        return read(decodePage, encodePage(await answers.entries(question.prefix, question.after)));
      }),
    versions: (keys) =>
      ask(async (answers) => {
        const question = read(decodeVersionsQuestion, { keys });
        return read(decodeVersions, encodeVersions(await answers.versions(question.keys)));
      }),
    fetch: (key) => ask((answers) => answers.fetch(key)),
  };
}

function read<T>(decode: (value: unknown) => T | null, value: unknown): T {
  const decoded = decode(JSON.parse(JSON.stringify(value)));
  if (decoded === null) throw new GatewayError("KVGW_ANSWER_UNREADABLE", `unreadable: ${JSON.stringify(value)}`);
  return decoded;
}

function inTime<T>(clock: Clock, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new GatewayError("KVGW_TIMEOUT", "the peer's gateway did not answer; retried"));
    const cancel = clock.schedule(REQUEST_TIMEOUT_MS, late);
    promise.then(resolve, reject).finally(cancel);
  });
}
