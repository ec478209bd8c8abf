/**
 * What this gateway may ask of one peer per second, of all buckets together: `sites.<name>.bytesPerSecond`. It is asked
 * before anything is requested, since what has been requested fills a thin link whoever waits behind it.
 *
 * Whoever asks gets a grant of so many bytes, one after the other as the account allows. Of those that wait the next is
 * the one whose bytes so far, the new grant among them, are the fewest for its weight; each step of priority doubles the
 * weight. So the highest goes first, shares follow the weights for as long as several wait, and everybody's turn comes
 * (self-clocked fair queueing). Who has not waited for a while begins where the others are: nothing is saved up.
 *
 * The account is charged when a grant is given, and gets back what the grant did not bring. Where no backlog is known of, no
 * more than a message now and then is expected: then only what comes is charged.
 */
import { LINK_GRANT_BYTES_MIN, LINK_GRANT_MS, LINK_LOOK_MS } from "../core/limits.js";
import type { Clock } from "../core/ports.js";

export interface LinkBudget {
  /** @param priority of one bucket; each step doubles its share */
  join(priority: () => number): BudgetShare;
  /** The limit is another one. */
  changed(): void;
}

export interface BudgetShare {
  isLimited(): boolean;
  /** Calls back, maybe at once, when the turn has come; the returned function takes that back.
   *  @param isBehind as much waits at the peer as may come */
  ask(isBehind: boolean, onTurn: (grant: Grant) => void): () => void;
}

export interface Grant {
  /** That may be requested at once. */
  readonly bytes: number;
  /** So many have come; more than was granted is a debt. */
  spend(bytes: number): void;
  /** Nothing more is on its way, or nothing that has to be reckoned with. */
  giveBack(): void;
}

interface Member {
  readonly priority: () => number;
  /** Bytes so far, those of a grant that is out among them, for the weight of one. */
  used: number;
}

interface Waiting {
  readonly member: Member;
  readonly isBehind: boolean;
  readonly onTurn: (grant: Grant) => void;
}

/** @param bytesPerSecond 0 is no limit; may change, and then `changed` is to be called */
export function createLinkBudget(clock: Clock, bytesPerSecond: () => number): LinkBudget {
  const queue: Waiting[] = [];
  let rate = bytesPerSecond();
  let balance = 0;
  let countedMs = clock.elapsedMs();
  // What those have used that had their turn: whoever comes anew begins there.
  let level = 0;
  let serving = false;
  let cancelTimer: (() => void) | null = null;

  const grantBytes = () => Math.max(LINK_GRANT_BYTES_MIN, Math.ceil((rate * LINK_GRANT_MS) / 1_000));
  const weightOf = ({ priority }: Member) => 2 ** priority();

  /** One grant is saved up at most. */
  function credit(bytes: number): void {
    balance = Math.min(grantBytes(), balance + bytes);
  }

  function count(): void {
    const nowMs = clock.elapsedMs();
    credit(((nowMs - countedMs) * rate) / 1_000);
    countedMs = nowMs;
  }

  function givesWay(first: Waiting, second: Waiting): boolean {
    const [a, b] = [first.member, second.member];
    return b.used + grantBytes() / weightOf(b) < a.used + grantBytes() / weightOf(a);
  }

  function next(): Waiting | undefined {
    const best = queue.reduce<Waiting | undefined>((a, b) => (a === undefined || givesWay(a, b) ? b : a), undefined);
    if (best !== undefined) queue.splice(queue.indexOf(best), 1);
    return best;
  }

  function serve(): void {
    if (serving) return;
    serving = true;
    cancelTimer?.();
    cancelTimer = null;
    count();
    while (queue.length > 0 && (rate === 0 || balance >= 0)) grant(next());
    serving = false;
    if (queue.length > 0) cancelTimer = clock.schedule(Math.min(LINK_LOOK_MS, Math.ceil((-balance * 1_000) / rate)), serve);
  }

  function grant(waiting: Waiting | undefined): void {
    if (waiting === undefined) return;
    const { member, isBehind, onTurn } = waiting;
    level = Math.max(level, member.used);
    const [bytes, weight] = [grantBytes(), weightOf(member)];
    let reserved = 0;
    const charge = (more: number) => {
      balance -= more;
      member.used += more / weight;
    };
    if (isBehind) charge((reserved = bytes));
    onTurn({
      bytes,
      spend(spent) {
        const covered = Math.min(reserved, spent);
        reserved -= covered;
        if (spent > covered) charge(spent - covered);
      },
      giveBack() {
        if (reserved === 0) return;
        charge(-reserved);
        reserved = 0;
        credit(0);
        serve();
      },
    });
  }

  return {
    join(priority) {
      const member: Member = { priority, used: 0 };
      return {
        isLimited: () => rate > 0,
        ask(isBehind, onTurn) {
          member.used = Math.max(member.used, level);
          const waiting: Waiting = { member, isBehind, onTurn };
          queue.push(waiting);
          serve();
          return () => {
            const at = queue.indexOf(waiting);
            if (at >= 0) queue.splice(at, 1);
            if (queue.length > 0) return;
            cancelTimer?.();
            cancelTimer = null;
          };
        },
      };
    },
    changed() {
      if (rate === bytesPerSecond()) return;
      count();
      rate = bytesPerSecond();
      // A debt of megabytes would be one of hours at a rate that is low enough.
      balance = Math.min(grantBytes(), Math.max(balance, -grantBytes()));
      serve();
    },
  };
}
