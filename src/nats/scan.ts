/**
 * Reads a stream once, at full speed, up to the last message that existed when the reading began. That message may be
 * removed before it comes: so when the server has nothing to send, what the last one is is asked again. "Pending: 0" is
 * not believed; that count has been seen wrong.
 */
import type { Delivery, Received } from "./message.js";
import { type PullSource, openPullReader } from "./pull-reader.js";

/** @param findLast the sequence of the last message there is now, 0 if there is none */
export async function scanStream(
  source: PullSource,
  findLast: () => Promise<number>,
  onMessage: (message: Received, block: string, delivery: Delivery) => void,
): Promise<void> {
  const first = "sequence" in source.from ? source.from.sequence : 1;
  let target = await findLast();
  if (target < first) return;
  let position = 0;
  let settle: { resolve: () => void; reject: (reason: unknown) => void } | null = null;
  const over = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  const check = () => void (position >= target && settle?.resolve());
  const findTarget = async () => {
    target = await findLast();
    if (target < first) settle?.resolve();
    check();
  };
  const reader = await openPullReader(source, {
    onMessage(message, block, delivery, bytes) {
      onMessage(message, block, delivery);
      reader.release(1, bytes);
      position = delivery.streamSequence;
      check();
    },
    onIdle: () => void findTarget().catch((thrown: unknown) => settle?.reject(thrown)),
    onLost: (error) => settle?.reject(error),
  });
  reader.start();
  await over.finally(() => reader.stop());
}
