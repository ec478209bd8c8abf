/**
 * Looks now and then at where the streams end that bring nothing: a consumer that has died at the server, or that somebody
 * has paused, gives signs of life and no messages. All quiet streams of the process are looked at together, in a few
 * requests however many they are; a stream that brings messages costs nothing.
 */
import type { StreamInfo } from "@nats-io/jetstream";
import { TAIL_LOOKS_LISTED_MAX, TAIL_LOOKS_SINGLE_MAX, TAIL_LOOK_MS } from "../core/limits.js";
import type { Clock, StreamMark } from "../core/ports.js";
import type { Lease } from "./connections.js";
import { findStream, markOf, streamManager } from "./streams.js";
import { ANY_BUCKET } from "./subjects.js";

export interface Watched {
  /** To the NATS of this site, the same for all. */
  readonly lease: Lease;
  readonly stream: string;
  /** Whether its end is worth a look: nothing has come since the last one, though something might. */
  isQuiet(): boolean;
  onMark(mark: StreamMark): void;
}

export interface StreamLooks {
  /** Until the returned function is called. */
  watch(watched: Watched): () => void;
}

export function createStreamLooks(clock: Clock, everyMs = TAIL_LOOK_MS): StreamLooks {
  const all = new Set<Watched>();
  let cancel: (() => void) | null = null;

  function schedule(): void {
    cancel = clock.schedule(everyMs, () => {
      // What cannot be looked at now is looked at next time; that nobody answers shows elsewhere.
      void look([...all].filter((each) => each.isQuiet()))
        .catch(() => undefined)
        .finally(() => (all.size > 0 ? schedule() : (cancel = null)));
    });
  }

  function hand(each: Watched, info: StreamInfo): void {
    if (all.has(each)) each.onMark(markOf(info));
  }

  async function look(quiet: readonly Watched[]): Promise<void> {
    const [first] = quiet;
    if (first?.lease.connected() !== true) return;
    const api = await streamManager(first.lease, null);
    if (quiet.length <= TAIL_LOOKS_SINGLE_MAX) {
      const looks = quiet.map(async (each) => {
        const info = await findStream(api, each.stream);
        if (info !== null) hand(each, info);
      });
      return void (await Promise.allSettled(looks));
    }
    const unseen = new Map(quiet.map((each) => [each.stream, each]));
    let listed = 0;
    for await (const info of api.streams.list(ANY_BUCKET)) {
      const each = unseen.get(info.config.name);
      if (each !== undefined) hand(each, info);
      unseen.delete(info.config.name);
      if (unseen.size === 0 || ++listed >= TAIL_LOOKS_LISTED_MAX) return;
    }
  }

  return {
    watch(watched) {
      all.add(watched);
      if (cancel === null) schedule();
      return () => {
        all.delete(watched);
        if (all.size > 0 || cancel === null) return;
        cancel();
        cancel = null;
      };
    },
  };
}
