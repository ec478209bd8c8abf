/**
 * The consumer that a reader pulls from: what it is, how it is made, and how it goes. In a cluster it lives on a single
 * one of the servers that have the stream, and when that server dies, a question about the consumer is never answered,
 * neither what it is nor that it be removed or made again (seen with 2.10.27 and 2.15.1); for a minute new ones are put
 * there, too (seen with 2.10.27). So which consumers exist is asked for by name alone, and one that does not come soon is
 * made under another name, most likely elsewhere.
 */
import { AckPolicy, type ConsumerConfig, DeliverPolicy, JetStreamApiError } from "@nats-io/jetstream";
import { errors } from "@nats-io/transport-node";
import { CONSUMER_ANSWER_MS, CONSUMER_ATTEMPTS_MAX, CONSUMER_INACTIVE_MS, REQUEST_TIMEOUT_MS } from "../core/limits.js";
import type { Lease } from "./connections.js";
import { API_ERROR, isApiError } from "./failure.js";
import { streamManager } from "./streams.js";
import { listConsumers } from "./subjects.js";

export interface ConsumerSource {
  readonly lease: Lease;
  readonly domain: string | null;
  readonly stream: string;
  /** All consumers whose name begins so are ours and older: they are removed. */
  readonly consumerPrefix: string;
  readonly epoch: number;
  readonly from: { readonly lastPerSubject: string } | { readonly sequence: number };
  readonly headersOnly?: boolean;
}

export interface PullConsumer {
  readonly name: string;
  readonly pending: number;
  /** Never rejects: who is not there to remove it forgets it by itself. */
  remove(): Promise<void>;
}

/** Once the connection has broken, another opening may be under way: this one touches nothing any more. If its consumer
 *  was made after all, the next opening removes it, or the server when nobody pulls; to remove it by name from here could
 *  hit the one of the next opening, which is called the same. */
export async function makePullConsumer(source: ConsumerSource, signal: AbortSignal): Promise<PullConsumer> {
  const { lease, domain, stream } = source;
  const manager = await streamManager(lease, domain, CONSUMER_ANSWER_MS);
  const remove = (name: string) => manager.consumers.delete(stream, name).then(() => true, isGone);
  const stuck = new Set<string>();
  for (const older of await consumerNames(source)) {
    signal.throwIfAborted();
    if (older.startsWith(source.consumerPrefix) && !(await remove(older))) stuck.add(older);
  }
  signal.throwIfAborted();
  const tried: string[] = [];
  const { name, num_pending: pending } = await firstThatComes(source, stuck, tried, signal);
  signal.throwIfAborted();
  // Should they come after all: nobody reads them.
  for (const late of tried) void remove(late);
  return { name, pending, remove: async () => void (lease.connected() && (await remove(name))) };
}

/** Each is given longer than the one before: the way to it may be slow.
 *  @param tried gets the names under which none has come */
async function firstThatComes(
  source: ConsumerSource,
  stuck: ReadonlySet<string>,
  tried: string[],
  signal: AbortSignal,
): Promise<{ readonly name: string; readonly num_pending: number }> {
  const first = `${source.consumerPrefix}${source.epoch}`;
  for (let n = 0; ; n++) {
    const name = n === 0 ? first : `${first}_${n}`;
    if (stuck.has(name)) continue;
    const timeoutMs = Math.min(REQUEST_TIMEOUT_MS, CONSUMER_ANSWER_MS * 2 ** tried.length);
    const manager = await streamManager(source.lease, source.domain, timeoutMs);
    try {
      const { num_pending } = await manager.consumers.add(source.stream, consumerConfig(source, name));
      return { name, num_pending };
    } catch (thrown) {
      signal.throwIfAborted();
      tried.push(name);
      if (!(thrown instanceof errors.TimeoutError) || tried.length >= CONSUMER_ATTEMPTS_MAX) throw thrown;
    }
  }
}

function consumerConfig(source: ConsumerSource, name: string): Partial<ConsumerConfig> {
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

/** The client library's own listing asks each consumer how it is, and waits for those that cannot say. */
async function consumerNames({ lease, domain, stream }: ConsumerSource): Promise<readonly string[]> {
  const { nats } = lease.link();
  const names: string[] = [];
  for (;;) {
    const page = JSON.stringify({ offset: names.length });
    const answer = await nats.request(listConsumers(domain, stream), page, { timeout: REQUEST_TIMEOUT_MS });
    const { error, total = 0, consumers } = JSON.parse(Buffer.from(answer.data).toString()) as NamesAnswer;
    if (error !== undefined) throw new JetStreamApiError(error);
    names.push(...(consumers ?? []));
    if ((consumers ?? []).length === 0 || names.length >= total) return names;
  }
}

interface NamesAnswer {
  readonly error?: ConstructorParameters<typeof JetStreamApiError>[0];
  readonly total?: number;
  readonly consumers?: readonly string[] | null;
}

const isGone = (thrown: unknown): boolean => isApiError(thrown, API_ERROR.consumerNotFound);
