/**
 * The heartbeat over memory: as on the wire, question and answer pass through its words, take the time of the connection,
 * and stay away when the other gateway is gone or stands still.
 */
import { GatewayError } from "../../src/core/errors.js";
import type { SiteId } from "../../src/core/ids.js";
import { PULSE_ANSWER_MS, PULSE_BESIDE_MS } from "../../src/core/limits.js";
import type { Clock, PulseLine } from "../../src/core/ports.js";
import { decodePulse, decodePulseQuestion, encodePulse } from "../../src/core/pulse.js";
import type { MemoryConnection } from "./connection.js";

interface Standing {
  readonly connection: MemoryConnection;
  readonly reach: (question: unknown) => Promise<unknown>;
}

/** Where a site's gateways stand ready to be asked, as the server knows it: by the name of one of them, and all of them
 *  without a name. */
export interface Beating {
  readonly pulses: Map<string, readonly Standing[]>;
}

export interface PulseEnds {
  readonly site: SiteId;
  /** Its own part, where it answers. */
  readonly own: Beating;
  /** Of a peer that is asked over this connection. */
  readonly of: (peer: SiteId) => Beating;
  readonly connection: MemoryConnection;
  readonly clock: Clock;
}

export function createMemoryPulseLine({ site, own, of, connection, clock }: PulseEnds): PulseLine {
  async function asked(peer: SiteId, gateway: string, question: unknown): Promise<unknown> {
    const answering = await connection.request(() => {
      const standing = of(peer).pulses.get(gateway)?.findLast((each) => each.connection.connected());
      if (standing === undefined) throw new GatewayError("KVGW_UNREACHABLE", `nobody answers for ${peer}; retried`);
      // Kept in an object: a promise by itself would be waited for at the server.
      return { promise: standing.reach(copy(question)) };
    });
    const answer = await answering.promise;
    await connection.request(() => undefined);
    return answer;
  }
  return {
    async ask(peer, buckets, gateway = ALL) {
      const withinMs = gateway === ALL ? PULSE_ANSWER_MS : PULSE_BESIDE_MS;
      const read = decodePulse(await inTime(clock, withinMs, asked(peer, gateway, { buckets })));
      if (read?.site === peer && read.buckets.length === buckets.length) return read.buckets;
      throw new GatewayError("KVGW_ANSWER_UNREADABLE", `the pulse of ${peer} cannot be read`);
    },
    serve(answer, gateway = ALL) {
      const reach = (question: unknown) =>
        new Promise<unknown>((resolve, reject) =>
          connection.push(() => {
            const read = decodePulseQuestion(question);
            if (read === null) return reject(new GatewayError("KVGW_UNREACHABLE", "the question is not understood"));
            answer(read.buckets).then((buckets) => resolve(copy(encodePulse({ site, buckets }))), reject);
          }),
        );
      const there = () => own.pulses.get(gateway) ?? [];
      own.pulses.set(gateway, [...there(), { connection, reach }]);
      return () => void own.pulses.set(gateway, there().filter((each) => each.reach !== reach));
    },
    onUp: (callback) => connection.onUp(callback),
    close: () => undefined,
  };
}

/** No gateway is called so. */
const ALL = "";

const copy = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

function inTime<T>(clock: Clock, withinMs: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new GatewayError("KVGW_TIMEOUT", "the peer's gateway did not answer; retried"));
    const cancel = clock.schedule(withinMs, late);
    promise.then(resolve, reject).finally(cancel);
  });
}
