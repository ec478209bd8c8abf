/**
 * Whether another gateway of the site is there: a question to its own subject. The server knows at once when nobody
 * subscribes to that any more, since a subscription ends with the process that made it. Nothing is stored.
 */
import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import type { SiteId } from "../core/ids.js";
import { PRESENCE_ANSWER_MS } from "../core/limits.js";
import type { Presence } from "../core/ports.js";
import type { Lease } from "./connections.js";
import { toFailure } from "./failure.js";
import { headerBlock, statusCode } from "./message.js";
import { NO_RESPONDERS, request } from "./peer-questions.js";
import { presenceSubject } from "./subjects.js";

export function createPresence(lease: Lease, site: SiteId): Presence {
  return {
    announce(name, onAsked) {
      let subscribed: { readonly nats: NatsConnection; readonly subscription: Subscription } | null = null;
      const callback = (failure: Error | null, message: Msg) => {
        if (failure !== null) return;
        onAsked();
        respond(message);
      };
      /** As with peers' questions: the library keeps it through its own reconnects, unless the server denied it. */
      const subscribe = () => {
        const { nats } = lease.link();
        if (subscribed?.nats === nats && !subscribed.subscription.isClosed()) return;
        subscribed = { nats, subscription: nats.subscribe(presenceSubject(site, name), { callback }) };
      };
      if (lease.connected()) subscribe();
      const forget = lease.onChange((connected) => {
        if (connected) subscribe();
      });
      return () => {
        forget();
        subscribed?.subscription.unsubscribe();
      };
    },
    async isHere(name) {
      const subject = presenceSubject(site, name);
      const asked = lease.whileUp(({ nats }, signal) => request(nats, subject, "", signal, PRESENCE_ANSWER_MS));
      const answer = await asked.catch((thrown: unknown) => {
        throw toFailure(thrown, `another gateway of ${site}`);
      });
      return statusCode(headerBlock(answer)) !== NO_RESPONDERS;
    },
  };
}

/** A connection that has closed meanwhile has nobody to hear it. */
function respond(message: Msg): void {
  try {
    message.respond();
  } catch {
    return;
  }
}
