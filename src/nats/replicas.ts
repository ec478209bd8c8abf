/**
 * Gives a stream that exists as many replicas as it should have: one that was made while its bucket had fewer would be away
 * with a single server of the cluster. Only ever more: an operator may have raised them. What the servers refuse stays as
 * it is, and whoever asked sees that by the number; no bucket waits for it.
 */
import type { JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import { REPLICAS_LOOK_MS, REPLICAS_LOOKS_MAX } from "../core/limits.js";
import type { Clock } from "../core/ports.js";

/** While replicas are added a stream has no leader for a moment, and drops what comes without an answer: resolves when it
 *  has one, also where somebody else is adding them. */
export async function raiseReplicas(clock: Clock, api: JetStreamManager, found: StreamInfo, wanted: number): Promise<StreamInfo> {
  const { name, num_replicas: before } = found.config;
  let last = found;
  if (before < wanted) last = await api.streams.update(name, { num_replicas: wanted }).catch(() => found);
  for (let looks = 0; ; looks++) {
    if (isLed(last) || looks >= REPLICAS_LOOKS_MAX) return last;
    await new Promise<void>((resolve) => clock.schedule(REPLICAS_LOOK_MS, resolve));
    last = await api.streams.info(name).catch(() => last);
  }
}

/** By all that it is to have, whether or not they are there now. */
function isLed({ config, cluster }: StreamInfo): boolean {
  if (config.num_replicas === 1) return true;
  return (cluster?.leader ?? "") !== "" && (cluster?.replicas ?? []).length >= config.num_replicas - 1;
}
