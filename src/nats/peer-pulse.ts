/**
 * The heartbeat on NATS: a question to `kvgw.<site>.pulse` on the connection over which peers ask. It ends soon, with or
 * without an answer, because what it is for is to notice that none comes.
 */
import type { Msg } from "@nats-io/transport-node";
import { GatewayError, toGatewayError } from "../core/errors.js";
import type { SiteId } from "../core/ids.js";
import { PULSES_AT_ONCE_MAX, PULSE_ANSWER_MS, PULSE_BESIDE_MS } from "../core/limits.js";
import type { PulseLine } from "../core/ports.js";
import { decodePulse, decodePulseQuestion, encodePulse } from "../core/pulse.js";
import { readRefusal, refusalLines } from "./answer-headers.js";
import type { Lease } from "./connections.js";
import { toFailure } from "./failure.js";
import { headerBlock, readyHeaders, statusCode } from "./message.js";
import { NO_RESPONDERS, request } from "./peer-questions.js";
import type { ServiceListing } from "./service-listing.js";
import { ANSWERING_QUEUE, pulseSubject } from "./subjects.js";
import { subscribeForGood } from "./subscribe.js";

type Answer = Parameters<PulseLine["serve"]>[0];

/** @param lease is given back when the line is closed; @param listing where the answering is shown, and answered for */
export function createPulseLine(lease: Lease, site: SiteId, listing: ServiceListing): PulseLine {
  return {
    async ask(peer, buckets, gateway) {
      const where = `gateway of ${peer}`;
      const question = JSON.stringify({ buckets });
      const [subject, withinMs] = [pulseSubject(peer, gateway), gateway === undefined ? PULSE_ANSWER_MS : PULSE_BESIDE_MS];
      const asked = lease.whileUp(({ nats }, signal) => request(nats, subject, question, signal, withinMs));
      const answer = await asked.catch((thrown: unknown) => {
        throw toFailure(thrown, where);
      });
      const block = headerBlock(answer);
      if (statusCode(block) === NO_RESPONDERS) {
        throw new GatewayError("KVGW_UNREACHABLE", `${where}: nobody answers for it; start it, or let it subscribe: retried`);
      }
      const refusal = readRefusal(block, where);
      if (refusal !== null) throw refusal;
      const pulse = decodePulse(parse(answer));
      if (pulse?.site === peer && pulse.buckets.length === buckets.length) return pulse.buckets;
      throw new GatewayError("KVGW_ANSWER_UNREADABLE", `${where}: its pulse cannot be read; run the same version at both sites`);
    },
    serve(answer, gateway) {
      // Once is enough for each connection.
      const unlist = gateway === undefined ? listing.answerOver(lease) : () => undefined;
      const unserve = serve(lease, site, listing, answer, gateway);
      return () => {
        unserve();
        unlist();
      };
    },
    onUp: (callback) =>
      lease.onChange((connected) => {
        if (connected) callback();
      }),
    close: () => lease.release(),
  };
}

function serve(lease: Lease, site: SiteId, listing: ServiceListing, answer: Answer, gateway: string | undefined): () => void {
  let working = 0;
  const subject = pulseSubject(site, gateway);
  const endpoint = listing.add(gateway === undefined ? "pulse" : "pulse-beside", subject);

  async function hear(message: Msg): Promise<void> {
    const done = endpoint.begin();
    try {
      if (working++ >= PULSES_AT_ONCE_MAX) throw new GatewayError("KVGW_TIMEOUT", "too many questions");
      const question = decodePulseQuestion(parse(message));
      if (question === null) throw new GatewayError("KVGW_ANSWER_UNREADABLE", "the question is not one that this gateway understands");
      respond(message, JSON.stringify(encodePulse({ site, buckets: await answer(question.buckets) })));
      done(null);
    } catch (thrown) {
      const error = toGatewayError(thrown);
      done(error);
      respond(message, "", error);
    } finally {
      working--;
    }
  }

  const callback = (failure: Error | null, message: Msg) => {
    if (failure === null) void hear(message);
  };
  const unsubscribe = subscribeForGood(lease, (nats) => [nats.subscribe(subject, { queue: ANSWERING_QUEUE, callback })]);
  return () => {
    unsubscribe();
    endpoint.remove();
  };
}

function parse(message: Msg): unknown {
  try {
    return JSON.parse(message.string());
  } catch {
    return null;
  }
}

/** A connection that has closed meanwhile has nobody to hear it. */
function respond(message: Msg, payload: string, error: GatewayError | null = null): void {
  try {
    message.respond(payload, error === null ? {} : { headers: readyHeaders(refusalLines(error)) });
  } catch {
    return;
  }
}
