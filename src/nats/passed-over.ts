/**
 * Finds what a consumer has passed over. When the messages of one subject are purged or rolled up, as a KV client's purge does,
 * nats-server before 2.9.14 moves every consumer of the stream past all that it has not delivered yet (seen with 2.9.10; mended
 * by its pull request 3838). Nothing tells: the consumer's own numbering has no hole. So where the stream's numbering has one, the server
 * is asked whether anything stands there; what came behind it waits for the answer, so that the order stays.
 *
 * Bounded: what waits is part of its reader's window, nothing is asked while what has been given and not released fills that
 * window, and few questions are under way at a time.
 */
import type { StoredMsg } from "@nats-io/jetstream";
import { PASSED_OVER_AT_ONCE } from "../core/limits.js";

export interface PassedOverDeps {
  /** All up to it is accounted for. */
  readonly from: number;
  /** The first message at the sequence or behind it, null if there is none. */
  readonly find: (sequence: number) => Promise<StoredMsg | null>;
  readonly give: (found: StoredMsg) => void;
  /** Whether the reader may be given more than was delivered; where not, `resume` says when. */
  readonly hasRoom: () => boolean;
  readonly onFailure: (thrown: unknown) => void;
}

export interface PassedOver {
  /** The next that was delivered; `give` is called when all before it is accounted for, at once where nothing is missing. */
  delivered(sequence: number, give: () => void): void;
  /** The consumer stands behind the sequence, and has delivered no more. */
  passed(sequence: number, then: () => void): void;
  /** There may be room again. */
  resume(): void;
  stop(): void;
}

interface Waiting {
  /** All up to it must be accounted for first. */
  readonly behind: number;
  /** Accounted for is then all up to it. */
  readonly upTo: number;
  readonly go: () => void;
}

export function createPassedOver({ from, find, give, hasRoom, onFailure }: PassedOverDeps): PassedOver {
  const waiting: Waiting[] = [];
  let accounted = from;
  let asking = false;
  // Whoever is given something may release it at once, which resumes: one after the other, and not one inside the other.
  let giving = false;
  // One where nothing is missing, as mostly; more while one hole gives much.
  let atOnce = 1;
  let stopped = false;

  function take(next: Waiting): void {
    waiting.push(next);
    pump();
  }

  function pump(): void {
    if (asking || giving) return;
    giving = true;
    let next = waiting[0];
    for (; next !== undefined && !stopped && accounted >= next.behind; next = waiting[0]) {
      waiting.shift();
      accounted = Math.max(accounted, next.upTo);
      next.go();
    }
    giving = false;
    if (next !== undefined && !stopped) ask(next.behind);
  }

  function ask(behind: number): void {
    if (!hasRoom()) return;
    asking = true;
    const first = accounted + 1;
    const questions = Math.min(atOnce, behind - accounted);
    Promise.all(Array.from({ length: questions }, (_, n) => find(first + n)))
      .then((answers) => {
        asking = false;
        if (stopped) return;
        giving = true;
        account(answers, behind);
        giving = false;
        pump();
      })
      .catch(onFailure);
  }

  /** Each answer is what stands first from one sequence on, so up to the last of them nothing else stands there. */
  function account(answers: readonly (StoredMsg | null)[], behind: number): void {
    for (const found of answers) {
      if (found === null || found.seq > behind) {
        accounted = behind;
        atOnce = 1;
        return;
      }
      if (found.seq <= accounted) continue;
      accounted = found.seq;
      give(found);
    }
    atOnce = Math.min(atOnce * 2, PASSED_OVER_AT_ONCE);
  }

  return {
    delivered: (sequence, go) => take({ behind: sequence - 1, upTo: sequence, go }),
    passed: (sequence, go) => take({ behind: sequence, upTo: sequence, go }),
    resume: pump,
    stop: () => void (stopped = true),
  };
}
