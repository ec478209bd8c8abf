/**
 * What this run of the gateway can prove about its peers, and they about it: who came to be equal with whom, and when. The
 * sweep forgets a tombstone only on such a proof (I7), and reconcile knows by it what has been swept.
 *
 * A report is what a peer's hello says, kept only if the round that began with it ended equal. So whatever the peer held
 * when it said so, this site holds too, and it stands in no hello of the peer as newer than this one.
 */
import type { Checkpoint } from "../core/checkpoint.js";
import type { SiteId } from "../core/ids.js";
import { type Moment, isPast } from "../core/moment.js";
import type { Random } from "../core/ports.js";
import type { Hello } from "../core/question.js";

/** What a peer was last proved to hold. */
export interface Report {
  /** The hello of this run since which the peer holds all that was known here; of another run it says nothing. */
  readonly had: Moment | undefined;
  /** Where the peer's log ended, with everything in it that the peer had captured when it said so. */
  readonly head: Checkpoint;
}

export interface Witness {
  /** The name of this run. */
  readonly run: string;
  /** The same as a number, from 0 to below 1. */
  readonly share: number;
  /** Hellos of this run so far: what becomes known now is told by the next one. */
  count(): number;
  nextHello(): Moment;
  /** A round with the peer, begun with this hello of its, ended equal. */
  provedEqual(peer: SiteId, hello: Hello): void;
  /** Of each peer the hello since which this site holds all that was known there. */
  equal(): ReadonlyMap<SiteId, Moment>;
  report(peer: SiteId): Report | undefined;
  /** Whether the peer that says this hello has held what has been known here since `count`. */
  hasTold(hello: Hello, count: number): boolean;
  /** Whether a peer has held what has been known here since `count`. */
  hasHeld(peer: SiteId, count: number): boolean;
}

export function createWitness(site: SiteId, random: Random): Witness {
  const share = random.next();
  const run = Math.floor(share * 2 ** 48).toString(16);
  const equal = new Map<SiteId, Moment>();
  const reports = new Map<SiteId, Report>();
  let count = 0;
  return {
    ...{ run, share },
    count: () => count,
    nextHello: () => ({ run, count: ++count }),
    provedEqual(peer, hello) {
      equal.set(peer, hello.moment);
      reports.set(peer, { had: hello.equal.get(site), head: hello.log });
    },
    equal: () => equal,
    report: (peer) => reports.get(peer),
    hasTold: (hello, since) => isPast(hello.equal.get(site), run, since),
    hasHeld: (peer, since) => isPast(reports.get(peer)?.had, run, since),
  };
}
