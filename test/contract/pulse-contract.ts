/** What the heartbeat promises: the words of `PulseLine` in src/core/ports.ts. */
import { afterEach, describe, expect, it } from "vitest";
import type { BucketName } from "../../src/core/ids.js";
import { PULSE_ANSWER_MS, PULSE_BUCKETS_MAX } from "../../src/core/limits.js";
import type { PulseLine } from "../../src/core/ports.js";
import type { BucketPulse } from "../../src/core/pulse.js";
import { bucketNamed, siteNamed } from "../core/names.js";
import { eventually } from "../support/eventually.js";
import { PEER, type PulseRig } from "./rigs.js";

const [X, Y, Z] = [bucketNamed("x"), bucketNamed("y"), bucketNamed("Z_-9")];
const live = (sequence: number, ageMs = 0): BucketPulse => ({
  state: "live",
  logged: { head: { created: "1730542200000000000", sequence }, ageMs },
});
const UNREACHABLE = { code: "KVGW_UNREACHABLE" };

type Answer = Parameters<PulseLine["serve"]>[0];

export function pulseContract(make: () => Promise<PulseRig>): void {
  let rig: PulseRig | undefined;
  let unserve: (() => void) | undefined;
  const answered = async (answer: Answer): Promise<PulseRig> => {
    rig = await make();
    unserve = rig.answering.serve(answer);
    const { asking } = rig;
    await eventually(() => asking.ask(PEER, []), { what: "the first answer" });
    return rig;
  };
  afterEach(async () => {
    unserve?.();
    await rig?.dispose();
    [rig, unserve] = [undefined, undefined];
  });

  it("brings what is said of each bucket, in the order of the question", async () => {
    const asked: (readonly BucketName[])[] = [];
    const says: readonly (BucketPulse | null)[] = [live(7, 12), null, { state: "paused", logged: null }];
    const { asking } = await answered((buckets) => (asked.push(buckets), Promise.resolve(buckets.length === 0 ? [] : says)));
    expect(await asking.ask(PEER, [X, Y, Z])).toEqual(says);
    expect(asked.at(-1)).toEqual([X, Y, Z]);
  });

  it("carries as many buckets as make one question", async () => {
    const { asking } = await answered((buckets) => Promise.resolve(buckets.map((_, n) => live(n, Number.MAX_SAFE_INTEGER))));
    const buckets = Array.from({ length: PULSE_BUCKETS_MAX }, (_, n) => bucketNamed(`${n}`.padStart(60, "b")));
    const pulses = await asking.ask(PEER, buckets);
    expect(pulses.map((pulse) => pulse?.logged?.head.sequence)).toEqual(buckets.map((_, n) => n));
  });

  it("fails at once where nobody answers, and for a site whose name begins alike", async () => {
    const { asking } = await answered((buckets) => Promise.resolve(buckets.map(() => null)));
    await expect(asking.ask(siteNamed(`${PEER}b`), [X])).rejects.toMatchObject(UNREACHABLE);
    unserve?.();
    await eventually(() => expect(asking.ask(PEER, [X])).rejects.toMatchObject(UNREACHABLE), { what: "the end" });
  });

  it("reaches the one gateway of a site that is named, and nobody where that one does not answer", async () => {
    const { asking, answering } = await answered((buckets) => Promise.resolve(buckets.map(() => live(1))));
    const end = answering.serve((buckets) => Promise.resolve(buckets.map(() => live(2))), "gateway-2");
    await eventually(async () => expect(await asking.ask(PEER, [X], "gateway-2")).toEqual([live(2)]), { what: "the named one answers" });
    expect(await asking.ask(PEER, [X])).toEqual([live(1)]);
    await expect(asking.ask(PEER, [X], "gateway")).rejects.toMatchObject(UNREACHABLE);
    end();
    await eventually(() => expect(asking.ask(PEER, [X], "gateway-2")).rejects.toMatchObject(UNREACHABLE), { what: "its end" });
    expect(await asking.ask(PEER, [X])).toEqual([live(1)]);
  });

  it("does not wait long for who does not answer, and the next beat is answered", async () => {
    let stands = false;
    const { asking } = await answered((buckets) => (stands ? new Promise(() => undefined) : Promise.resolve(buckets.map(() => live(1)))));
    stands = true;
    const beganMs = performance.now();
    await expect(asking.ask(PEER, [X])).rejects.toMatchObject({ code: "KVGW_TIMEOUT" });
    expect(performance.now() - beganMs).toBeGreaterThan(PULSE_ANSWER_MS - 100);
    stands = false;
    expect(await asking.ask(PEER, [X])).toEqual([live(1)]);
  });

  it("refuses an answer that has another number of buckets", async () => {
    const { asking } = await answered(() => Promise.resolve([]));
    await expect(asking.ask(PEER, [X])).rejects.toMatchObject({ code: "KVGW_ANSWER_UNREADABLE" });
  });

  describe("when the connection breaks", () => {
    it("a question fails, and those who ask hear when they can ask again", async () => {
      const { asking, kill, revive } = await answered((buckets) => Promise.resolve(buckets.map(() => live(2))));
      let ups = 0;
      const forget = asking.onUp(() => void ups++);
      await kill();
      await eventually(() => expect(asking.ask(PEER, [X])).rejects.toMatchObject(UNREACHABLE), { what: "the break" });
      expect(ups).toBe(0);
      await revive();
      expect(await eventually(() => asking.ask(PEER, [X]), { what: "answered again" })).toEqual([live(2)]);
      expect(ups).toBe(1);
      forget();
    });
  });
}
