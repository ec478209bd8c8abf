/**
 * One connection of a gateway to a site's server, with everything that the mix and the faults do to it. It comes back by
 * itself after a break, once the server runs and the network lets it through.
 */
import { GatewayError } from "../../../src/core/errors.js";
import type { Clock } from "../../../src/core/ports.js";
import { type Direction, type MemoryConnection, type Write, type WriteFate, createMemoryConnection } from "../../memory/connection.js";
import type { Draw } from "../draw.js";
import type { Delay } from "../plan.js";
import type { SimSite } from "./site.js";

export interface Link {
  readonly connection: MemoryConnection;
  readonly to: SimSite;
  /** Something keeps messages from getting through in this direction, or does no longer. */
  block(direction: Direction): void;
  unblock(direction: Direction): void;
  blocked(): boolean;
  /** While it is set, requests arrive and no answer comes back. */
  mute: boolean;
}

export interface LinkDeps {
  readonly clock: Clock;
  /** Of the process at the near end. */
  readonly near: Clock;
  readonly to: SimSite;
  readonly draw: Draw;
  readonly delay: () => Delay;
  readonly lost: () => { readonly requests: number; readonly answers: number };
  readonly arrivesAfterCut: number;
  /** At most. */
  readonly lags: () => { readonly consumerMs: number; readonly answerMs: number };
  readonly count: (name: string) => void;
  /** Asked about every write that is about to be sent: the way for a fault to strike at exactly that moment. */
  readonly onWrite: (write: Write) => WriteFate | null;
}

const DIRECTIONS: readonly Direction[] = ["to server", "to client"];
/** The client library takes a silent connection for broken after so long. */
const SILENCE_MS = [10_000, 15_000] as const;
const RECONNECT_MS = [100, 2_500] as const;

export function createLink(deps: LinkDeps): Link {
  const { clock, near, to, draw, count } = deps;
  const blocks: Record<Direction, number> = { "to server": 0, "to client": 0 };
  const blocked = () => DIRECTIONS.some((direction) => blocks[direction] > 0);

  function fateOfAny(): WriteFate {
    const { requests, answers } = deps.lost();
    if (link.mute) return "answer lost";
    if (requests > 0 && draw.chance(requests)) {
      count("requests lost");
      return "request lost";
    }
    if (answers > 0 && draw.chance(answers)) {
      count("answers lost");
      return "answer lost";
    }
    return "arrives";
  }

  function fate(write: Write): WriteFate {
    const decided = deps.onWrite(write);
    if (decided !== null) return decided;
    if (to.refusing !== null) {
      count("writes refused");
      return new GatewayError(to.refusing, "the server takes no writes; retried");
    }
    return fateOfAny();
  }

  const connection = createMemoryConnection(
    clock,
    {
      delayMs() {
        const { minMs, maxMs } = deps.delay();
        return maxMs === 0 ? 0 : minMs + draw.next() * (maxMs - minMs);
      },
      fate,
      lagMs: () => Math.floor(deps.lags().consumerMs * draw.next()),
      answerLagMs: () => Math.floor(deps.lags().answerMs * draw.next()),
      requestFate: fateOfAny,
      arrivesAfterCut: () => draw.chance(deps.arrivesAfterCut),
    },
    near,
  );

  function reconnect(): void {
    near.schedule(draw.int(...RECONNECT_MS), () => {
      if (connection.connected()) return;
      if (to.up && !blocked()) connection.heal();
      else reconnect();
    });
  }
  connection.onCut(reconnect);
  if (!to.up) connection.cut();

  const link: Link = {
    connection,
    to,
    blocked,
    mute: false,
    block(direction) {
      if (blocks[direction]++ > 0) return;
      connection.hold(direction);
      near.schedule(draw.int(...SILENCE_MS), () => {
        if (blocks[direction] > 0) connection.cut();
      });
    },
    unblock(direction) {
      blocks[direction] = Math.max(0, blocks[direction] - 1);
      if (blocks[direction] === 0) connection.letGo(direction);
    },
  };
  return link;
}
