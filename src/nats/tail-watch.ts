/**
 * Notices a tail that has died at the server: signs of life come for it and no messages, though the bucket has more. What a
 * bucket had at one look has come by the next one, unless it is in our own hands that nothing comes.
 */
import { GatewayError } from "../core/errors.js";
import type { Reader, TailHandlers } from "../core/ports.js";
import type { Lease } from "./connections.js";
import type { StreamLooks, Watched } from "./stream-looks.js";

export interface TailPlace {
  readonly lease: Lease;
  readonly stream: string;
}

/** @param open makes the tail; it tells of its end where it is told to */
export async function watchTail(
  looks: StreamLooks,
  { lease, stream }: TailPlace,
  handlers: TailHandlers,
  open: (handlers: TailHandlers) => Promise<Reader>,
): Promise<Reader> {
  let over = false;
  let unwatch = () => {};
  const end = () => {
    over = true;
    unwatch();
  };
  const onLost = (error: GatewayError) => {
    end();
    handlers.onLost(error);
  };
  const reader = await open({ ...handlers, onLost });
  const stop = () => {
    end();
    return reader.stop();
  };
  const onDead = () => {
    void stop();
    handlers.onLost(new GatewayError("KVGW_READER_LOST", `tail of ${stream}: more is in the bucket than comes; reading starts again`));
  };
  if (!over) unwatch = looks.watch({ lease, stream, ...watching(reader, onDead) });
  return { ...reader, stop };
}

function watching(reader: Reader, onDead: () => void): Pick<Watched, "isQuiet" | "onMark"> {
  let looked = { position: -1, last: 0 };
  let position = -1;
  return {
    isQuiet() {
      const before = position;
      position = reader.position();
      return position === before && reader.isWaiting();
    },
    onMark({ lastSequence: last }) {
      const now = reader.position();
      if (looked.position === now && now < looked.last && reader.isWaiting()) return onDead();
      looked = { position: now, last };
    },
  };
}
