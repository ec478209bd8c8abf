/**
 * Lists this gateway among the services of NATS, so that `nats micro` finds it: answers the pings and the questions for
 * information and statistics that the protocol of NATS services (ADR-32) has. What is listed is answered elsewhere.
 *
 * A question has no contents, so nothing of it is read; an answer is made at once and bounded, whoever asks.
 */
import type { Msg } from "@nats-io/transport-node";
import type { GatewayError } from "../core/errors.js";
import type { SiteId } from "../core/ids.js";
import { ENDPOINTS_LISTED_MAX } from "../core/limits.js";
import type { Clock, Random } from "../core/ports.js";
import type { Lease } from "./connections.js";
import { ANSWERING_QUEUE, SERVICE, listingSubjects } from "./subjects.js";
import { subscribeForGood } from "./subscribe.js";

export interface ServiceListing {
  /** What is answered over several connections is listed once. */
  add(name: string, subject: string): ListedEndpoint;
  /** Answers over this connection, until the returned function is called. */
  answerOver(lease: Lease): () => void;
}

export interface ListedEndpoint {
  /** A question has come; to be called with what became of it. */
  begin(): (error: GatewayError | null) => void;
  remove(): void;
}

export interface ListingDeps {
  readonly site: SiteId;
  /** Of this program. */
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
}

interface Endpoint {
  readonly name: string;
  readonly subject: string;
  users: number;
  requests: number;
  errors: number;
  lastError: string;
  /** Milliseconds in all. */
  busyMs: number;
}

export function createServiceListing({ site, version, clock, random }: ListingDeps): ServiceListing {
  const id = Array.from({ length: ID_LENGTH }, () => Math.floor(random.next() * 36).toString(36)).join("");
  const started = new Date(clock.nowMs()).toISOString();
  const endpoints = new Map<string, Endpoint>();

  const identity = () => ({ name: SERVICE, id, version: semantic(version), metadata: { site } });
  const listed = () => [...endpoints.values()].slice(0, ENDPOINTS_LISTED_MAX);
  const endpointOf = ({ name, subject }: Endpoint) => ({ name, subject, queue_group: ANSWERING_QUEUE });
  const answers: Readonly<Record<string, () => object>> = {
    PING: () => ({ type: "io.nats.micro.v1.ping_response", ...identity() }),
    INFO: () => ({
      ...{ type: "io.nats.micro.v1.info_response", ...identity(), description: `Gateway of ${site}` },
      endpoints: listed().map((each) => ({ ...endpointOf(each), metadata: null })),
    }),
    STATS: () => ({
      ...{ type: "io.nats.micro.v1.stats_response", ...identity(), started },
      endpoints: listed().map((each) => ({ ...endpointOf(each), ...statsOf(each) })),
    }),
  };

  function hear(failure: Error | null, message: Msg): void {
    const verb = message.subject.split(".")[1] ?? "";
    if (failure !== null || !Object.hasOwn(answers, verb)) return;
    try {
      message.respond(JSON.stringify(answers[verb]?.()));
    } catch {
      // The connection has closed meanwhile: nobody is there to hear it.
      return;
    }
  }

  return {
    add(name, subject) {
      const endpoint: Endpoint = endpoints.get(subject) ?? { name, subject, users: 0, requests: 0, errors: 0, lastError: "", busyMs: 0 };
      endpoint.users++;
      endpoints.set(subject, endpoint);
      return {
        begin() {
          const beganMs = clock.elapsedMs();
          endpoint.requests++;
          return (error) => {
            endpoint.busyMs += clock.elapsedMs() - beganMs;
            if (error === null) return;
            endpoint.errors++;
            endpoint.lastError = error.code;
          };
        },
        remove() {
          if (--endpoint.users === 0) endpoints.delete(subject);
        },
      };
    },
    answerOver: (lease) =>
      subscribeForGood(lease, (nats) => listingSubjects(id).map((subject) => nats.subscribe(subject, { callback: hear }))),
  };
}

const ID_LENGTH = 22;

function statsOf({ requests, errors, lastError, busyMs }: Endpoint) {
  return {
    num_requests: requests,
    num_errors: errors,
    last_error: lastError,
    processing_time: Math.round(busyMs * 1e6),
    average_processing_time: requests === 0 ? 0 : Math.round((busyMs * 1e6) / requests),
  };
}

/** The protocol wants a version in three parts. */
const semantic = (version: string): string => (/^[0-9]+\.[0-9]+\.[0-9]+/.test(version) ? version : "0.0.0");
