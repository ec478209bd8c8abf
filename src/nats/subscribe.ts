/** Subscriptions that last as long as their lease, through every reconnect and every new connection. */
import type { NatsConnection, Subscription } from "@nats-io/transport-node";
import type { Lease } from "./connections.js";

/** The library keeps a subscription through its own reconnects, unless the server denied it; a new connection needs a new
 *  one. */
export function subscribeForGood(lease: Lease, subscribe: (nats: NatsConnection) => readonly Subscription[]): () => void {
  let subscribed: { readonly nats: NatsConnection; readonly subscriptions: readonly Subscription[] } | null = null;
  function begin(): void {
    const { nats } = lease.link();
    if (subscribed?.nats === nats && subscribed.subscriptions.every((each) => !each.isClosed())) return;
    end();
    subscribed = { nats, subscriptions: subscribe(nats) };
  }
  function end(): void {
    for (const each of subscribed?.subscriptions ?? []) each.unsubscribe();
  }
  if (lease.connected()) begin();
  const forget = lease.onChange((connected) => {
    if (connected) begin();
  });
  return () => {
    forget();
    end();
  };
}
