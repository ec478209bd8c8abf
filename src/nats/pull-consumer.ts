/**
 * The consumer that a pull reader reads through: made anew at every start, under a name that says whose it is, after those
 * of earlier lives have been removed.
 */
import { AckPolicy, type ConsumerConfig, DeliverPolicy } from "@nats-io/jetstream";
import { CONSUMER_INACTIVE_MS } from "../core/limits.js";
import type { PullSource } from "./pull-reader.js";
import { streamManager } from "./streams.js";

export interface PullConsumer {
  readonly name: string;
  /** Messages that wait for it. */
  readonly pending: number;
  remove(): Promise<void>;
}

/** Once the connection has broken, another opening may be under way: this one touches nothing any more. If its consumer
 *  was made after all, the next opening removes it, or the server when nobody pulls; to remove it by name from here could
 *  hit the one of the next opening, which is called the same. */
export async function makeConsumer(source: PullSource, signal: AbortSignal): Promise<PullConsumer> {
  const { lease, stream } = source;
  const manager = await streamManager(lease, source.domain);
  const name = `${source.consumerPrefix}${source.epoch}`;
  for await (const older of manager.consumers.list(stream)) {
    signal.throwIfAborted();
    if (older.name.startsWith(source.consumerPrefix)) await manager.consumers.delete(stream, older.name).catch(() => false);
  }
  signal.throwIfAborted();
  const info = await manager.consumers.add(stream, consumerConfig(source, name));
  signal.throwIfAborted();
  const remove = async () => void (lease.connected() && (await manager.consumers.delete(stream, name).catch(() => undefined)));
  return { name, pending: info.num_pending, remove };
}

function consumerConfig(source: PullSource, name: string): Partial<ConsumerConfig> {
  const { from } = source;
  return {
    name,
    ack_policy: AckPolicy.None,
    inactive_threshold: CONSUMER_INACTIVE_MS * 1e6,
    mem_storage: true,
    num_replicas: 1,
    ...("sequence" in from
      ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, from.sequence) }
      : { deliver_policy: DeliverPolicy.LastPerSubject, filter_subject: from.lastPerSubject }),
    ...(source.headersOnly === true ? { headers_only: true } : {}),
  };
}
