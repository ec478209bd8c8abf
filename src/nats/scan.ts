/** Reads a stream once, from a sequence to a known last message, at full speed. */
import type { Msg } from "@nats-io/transport-node";
import type { GatewayError } from "../core/errors.js";
import type { Delivery } from "./message.js";
import { type PullSource, openPullReader } from "./pull-reader.js";

/** Resolves when the message at `last`, or a later one, has been handed out. */
export async function scanStream(
  source: PullSource,
  last: number,
  onMessage: (message: Msg, block: string, delivery: Delivery) => void,
): Promise<void> {
  let settle: { resolve: () => void; reject: (error: GatewayError) => void } | null = null;
  const reader = await openPullReader(source, {
    onMessage(message, block, delivery) {
      onMessage(message, block, delivery);
      reader.release(1, message.data.length);
      if (delivery.streamSequence >= last || delivery.pending === 0) settle?.resolve();
    },
    onLost: (error) => settle?.reject(error),
  });
  await new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
    reader.start();
  }).finally(() => reader.stop());
}
