/** When more than one gateway of a site ran: what each of them did not know of the other. */
import type { Ledger } from "./ledger.js";

/** Places in the history. */
export type Span = readonly [from: number, to: number];

export function besides({ history }: Ledger): ReadonlyMap<string, readonly Span[]> {
  const late = lateOf(history);
  const running = new Map<string, Map<number, number>>();
  const spans = new Map<string, Span[]>();
  for (const [order, happening] of history.entries()) {
    if (happening.what !== "gateway" && happening.what !== "gone") continue;
    const { site, life } = happening;
    const lives = running.get(site) ?? new Map<number, number>();
    running.set(site, lives);
    if (happening.what === "gateway") lives.set(life, lives.get(life) ?? order);
    else {
      if (lives.size > 1) spans.set(site, [...(spans.get(site) ?? []), [Math.max(...lives.values()), late(order)]]);
      lives.delete(life);
    }
  }
  return spans;
}

/** As long as a request may be on its way: what a gateway that is gone has sent lands up to then. */
const IN_FLIGHT_MS = 5_000;

/** @returns the last place in the history at which something of what was sent before a place may land */
function lateOf(history: Ledger["history"]): (order: number) => number {
  return (order) => {
    const untilMs = (history[order]?.ms ?? 0) + IN_FLIGHT_MS;
    let last = order;
    while ((history[last + 1]?.ms ?? Infinity) <= untilMs) last++;
    return last;
  };
}
