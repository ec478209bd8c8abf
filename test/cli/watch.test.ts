/** When `kvgw reconcile` takes a round for the one it asked for, when it asks again, and when it gives up waiting. */
import { describe, expect, it } from "vitest";
import { type BucketReport, isEqual, watchRounds } from "../../src/cli/reconcile/watch.js";
import { RECONCILE_WAIT_MS } from "../../src/core/limits.js";
import type { BucketStatus, GatewayStatus, PeerStatus, ReconcileRequest, ReconcileStatus } from "../../src/gateway/status.js";
import { createVirtualClock } from "../memory/virtual-clock.js";
import { ORDERS, SITE_B, sampleBucket, samplePeer, sampleStatus } from "../telemetry/sample-status.js";

const ASKED_MS = Date.parse("2030-01-01T01:00:00.000Z");
const iso = (ms: number) => new Date(ASKED_MS + ms).toISOString();

/** A peer whose last round began and ended so long after the request, in milliseconds. */
function after(beganMs: number, endedMs: number, equal: boolean, changes: Partial<ReconcileStatus> = {}): PeerStatus {
  const reconcile = { ...samplePeer().reconcile, durationSeconds: (endedMs - beganMs) / 1_000, ...changes };
  return samplePeer({ lastReconcileAt: iso(endedMs), lastEqualAt: equal ? iso(endedMs) : null, reconcile });
}

const BEFORE = after(-60_500, -60_000, true);
const failedAgain = (): PeerStatus => {
  const { reconcile } = BEFORE;
  const reason = { code: "KVGW_UNREACHABLE", message: "nobody answers there" } as const;
  return { ...BEFORE, reconcile: { ...reconcile, rounds: { ...reconcile.rounds, failed: 3 }, reason } };
};

interface Watching {
  readonly reports: readonly BucketReport[];
  readonly waitedMs: number;
  /** Requests after the first. */
  readonly askedAgain: number;
}

/** @param statusAt what the gateway says by then */
async function watch(statusAt: (waitedMs: number) => GatewayStatus): Promise<Watching> {
  const clock = createVirtualClock();
  const beganMs = clock.elapsedMs();
  let askedAgain = 0;
  const requestAt = (ms: number): ReconcileRequest => ({ bucket: ORDERS, requestedAt: iso(ms), peers: [SITE_B] });
  const client = {
    status: () => Promise.resolve(statusAt(clock.elapsedMs() - beganMs)),
    reconcile: () => (askedAgain++, Promise.resolve(requestAt(clock.elapsedMs() - beganMs))),
  };
  const before = sampleBucket({ peers: { [SITE_B]: BEFORE } });
  let watched: readonly BucketReport[] | null = null;
  let waitedMs = 0;
  void watchRounds({ client, clock, onProgress: () => undefined }, [{ request: requestAt(0), before }]).then(({ reports }) => {
    watched = reports;
    waitedMs = clock.elapsedMs() - beganMs;
  });
  await clock.runUntil(() => watched !== null, 2 * RECONCILE_WAIT_MS);
  return { reports: watched ?? expect.fail("it waits for ever"), waitedMs, askedAgain };
}

const withPeer = (peer: PeerStatus, changes: Partial<BucketStatus> = {}) =>
  sampleStatus({ buckets: { [ORDERS]: sampleBucket({ peers: { [SITE_B]: peer }, ...changes }) } });
const resultOf = ({ reports }: Watching) => reports[0]?.peers[0]?.result;

describe("waiting for a round", () => {
  it("takes one that began after the request, and says what it proved", async () => {
    const equal = await watch((ms) => withPeer(ms < 1_000 ? BEFORE : after(100, 900, true)));
    expect([resultOf(equal), equal.reports.every(isEqual), equal.waitedMs]).toEqual(["equal", true, 1_000]);
    const different = await watch((ms) => withPeer(ms < 1_000 ? BEFORE : after(100, 900, false)));
    expect([resultOf(different), different.reports.every(isEqual)]).toEqual(["different", false]);
  });

  it("takes one that began in the very millisecond of the request", async () => {
    expect(resultOf(await watch(() => withPeer(after(-0.9, 12, true))))).toBe("equal");
  });

  it("does not take one that was under way at the request, but the next", async () => {
    const watched = await watch((ms) => withPeer(ms < 2_000 ? after(-300, 500, true) : after(500, 1_500, false)));
    expect([resultOf(watched), watched.waitedMs]).toEqual(["different", 2_000]);
  });

  it("ends with a round that fails, and tells its reason", async () => {
    const watched = await watch((ms) => withPeer(ms < 5_000 ? BEFORE : failedAgain()));
    expect([resultOf(watched), watched.waitedMs]).toEqual(["failed", 5_000]);
    expect(watched.reports[0]?.peers[0]?.reason?.message).toBe("nobody answers there");
  });

  it("has an end without any round, and tells what is wrong with the bucket", async () => {
    const reason = { code: "KVGW_UNREACHABLE", message: "the local NATS is away" } as const;
    const watched = await watch(() => withPeer(BEFORE, { state: "degraded", reason }));
    expect([resultOf(watched), watched.waitedMs]).toEqual(["none", RECONCILE_WAIT_MS]);
    expect(watched.reports[0]?.peers[0]?.reason).toEqual(reason);
  });

  it.each(["paused", "parked", "stopped"] as const)("ends when the bucket becomes %s", async (state) => {
    const watched = await watch((ms) => withPeer(BEFORE, ms < 1_000 ? {} : { state }));
    expect(watched.waitedMs).toBe(1_000);
    expect(watched.reports[0]?.reason).toEqual({ code: "KVGW_BUCKET_NOT_RUNNING", message: `orders has become ${state} meanwhile` });
  });

  it("ends when the bucket, or the peer, is no longer in the config", async () => {
    const withoutBucket = await watch(() => sampleStatus({ buckets: {} }));
    expect(withoutBucket.reports[0]?.reason?.message).toBe("orders was removed from the config meanwhile");
    const withoutPeer = await watch(() => sampleStatus({ buckets: { [ORDERS]: sampleBucket({ peers: {} }) } }));
    expect([resultOf(withoutPeer), withoutPeer.reports.every(isEqual)]).toEqual(["failed", false]);
  });
});

describe("a round that repaired something and has not proved it", () => {
  it("is followed by another, and all that was repaired is counted together", async () => {
    const [first, second] = [after(1, 900, false, { repaired: 1_007 }), after(1_500, 1_900, false, { repaired: 1_010 })];
    const third = after(2_500, 2_900, true, { repaired: 1_010 });
    const watched = await watch((ms) => withPeer(ms < 1_000 ? BEFORE : ms < 2_000 ? first : ms < 3_000 ? second : third));
    expect([resultOf(watched), watched.askedAgain, watched.waitedMs]).toEqual(["equal", 2, 3_000]);
    expect(watched.reports[0]?.peers[0]?.repaired).toBe(1_003);
  });

  it("is the last one where it has repaired nothing", async () => {
    const watched = await watch(() => withPeer(after(1, 2, false)));
    expect([resultOf(watched), watched.askedAgain]).toEqual(["different", 0]);
  });
});
