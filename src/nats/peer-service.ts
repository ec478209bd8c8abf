/**
 * Answers peers' questions about one bucket: a subscription on `kvgw.<site>.<bucket>.*`, on the connection over which
 * peers reach this site. It lives as long as it is served, through every reconnect. What cannot be read or answered is
 * answered all the same, with a code, in the headers that NATS services use for it.
 */
import type { Msg } from "@nats-io/transport-node";
import { GatewayError, toGatewayError } from "../core/errors.js";
import type { BucketName, SiteId } from "../core/ids.js";
import { ANSWERS_AT_ONCE_MAX, FETCH_PART_BYTES } from "../core/limits.js";
import type { Operation } from "../core/operation.js";
import type { PeerService, Questions } from "../core/ports.js";
import {
  decodeDigestsQuestion,
  decodeEntriesQuestion,
  decodeFetchQuestion,
  decodeHello,
  decodeVersionsQuestion,
  encodeDigests,
  encodeHello,
  encodePage,
  encodeVersions,
} from "../core/question.js";
import { operationLines, refusalLines } from "./answer-headers.js";
import type { Lease } from "./connections.js";
import { type ReadyHeaders, readyHeaders } from "./message.js";
import type { ListedEndpoint, ServiceListing } from "./service-listing.js";
import { ANSWERING_QUEUE, QUESTION_VERBS, type QuestionVerb, questionSubject } from "./subjects.js";
import { subscribeForGood } from "./subscribe.js";

interface Reply {
  readonly payload: Uint8Array;
  readonly headers: ReadyHeaders | null;
}

/** @param lease leads to where peers ask: the own NATS, or the hub; @param listing where the questions are listed, if at all */
export function createPeerService(lease: Lease, site: SiteId, bucket: BucketName, listing?: ServiceListing): PeerService {
  return {
    serve(answers) {
      let working = 0;
      const listed = QUESTION_VERBS.map((verb) => [verb, listing?.add(`${bucket}-${verb}`, questionSubject(site, bucket, verb))] as const);
      const endpoints = new Map<string, ListedEndpoint | undefined>(listed);

      async function answer(message: Msg, bytesMax: number): Promise<void> {
        if (working >= ANSWERS_AT_ONCE_MAX) return respond(message, refusal(new GatewayError("KVGW_TIMEOUT", "too many questions")));
        working++;
        let failed: GatewayError | null = null;
        const refuse = (error: GatewayError) => refusal((failed = error));
        const done = endpoints.get(lastToken(message.subject))?.begin();
        const reply = await replyTo(message, answers, bytesMax).catch((thrown: unknown) => refuse(toGatewayError(thrown)));
        working--;
        respond(message, sizeOf(reply) <= bytesMax ? reply : refuse(tooLarge(bytesMax)));
        done?.(failed);
      }

      const unsubscribe = subscribeForGood(lease, (nats) => {
        const callback = (failure: Error | null, message: Msg) => {
          if (failure === null) void answer(message, nats.info?.max_payload ?? Infinity);
        };
        return [nats.subscribe(questionSubject(site, bucket, "*"), { queue: ANSWERING_QUEUE, callback })];
      });
      return () => {
        unsubscribe();
        for (const endpoint of endpoints.values()) endpoint?.remove();
      };
    },
  };
}

async function replyTo(message: Msg, answers: Questions, bytesMax: number): Promise<Reply> {
  const verb = verbOf(message.subject);
  const question = parse(message);
  switch (verb) {
    case "hello":
      return json(encodeHello(await answers.hello(understood(decodeHello(question)))));
    case "digests":
      return json(encodeDigests(await answers.digests(understood(decodeDigestsQuestion(question)).prefixes)));
    case "entries": {
      const { prefix, after } = understood(decodeEntriesQuestion(question));
      return json(encodePage(await answers.entries(prefix, after)));
    }
    case "versions":
      return json(encodeVersions(await answers.versions(understood(decodeVersionsQuestion(question)).keys)));
    case "fetch": {
      const { key, offset } = understood(decodeFetchQuestion(question));
      return partOf(await answers.fetch(key), offset, bytesMax);
    }
  }
}

const lastToken = (subject: string): string => subject.slice(subject.lastIndexOf(".") + 1);

function verbOf(subject: string): QuestionVerb {
  const last = lastToken(subject);
  return understood(QUESTION_VERBS.find((verb) => verb === last) ?? null);
}

function parse(message: Msg): unknown {
  try {
    return JSON.parse(message.string());
  } catch {
    return null;
  }
}

function understood<T>(question: T | null): T {
  if (question !== null) return question;
  throw new GatewayError("KVGW_ANSWER_UNREADABLE", "the question is not one that this gateway understands");
}

const json = (value: unknown): Reply => ({ payload: Buffer.from(JSON.stringify(value)), headers: null });

/** Without headers: the site cannot say right now. With them, as much as fits into a message. */
function partOf(operation: Operation | null, offset: number, bytesMax: number): Reply {
  if (operation === null) return { payload: new Uint8Array(0), headers: null };
  const headers = readyHeaders(operationLines(operation));
  const bytes = Math.min(FETCH_PART_BYTES, bytesMax - headers.byteLength);
  return { payload: operation.value.subarray(offset, offset + bytes), headers };
}

const sizeOf = ({ payload, headers }: Reply): number => payload.length + (headers?.byteLength ?? 0);

const tooLarge = (bytesMax: number) =>
  new GatewayError("KVGW_SERVER_UNSUITABLE", `an answer is larger than the ${bytesMax} bytes that the server takes; raise its max_payload`);

const refusal = (error: GatewayError): Reply => ({ payload: new Uint8Array(0), headers: readyHeaders(refusalLines(error)) });

/** A connection that has closed meanwhile has nobody to hear it. */
function respond(message: Msg, { payload, headers }: Reply): void {
  try {
    message.respond(payload, headers === null ? {} : { headers });
  } catch {
    return;
  }
}
