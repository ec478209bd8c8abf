/** What the heartbeat says of a peer: when its silence is told, how the lag grows, and when a reader is given up. */
import { describe, expect, it } from "vitest";
import type { BucketState } from "../../src/core/events.js";
import { GatewayError } from "../../src/core/errors.js";
import { HEARTBEAT_MS, PULSE_FRESH_MS } from "../../src/core/limits.js";
import type { Beat, Reader } from "../../src/core/ports.js";
import { createVital } from "../../src/pipeline/vital.js";
import { siteNamed } from "../core/names.js";
import { createVirtualClock } from "../memory/virtual-clock.js";

const CREATED = "1730542200000000000";

function rig() {
  const clock = createVirtualClock();
  const told: (string | null)[] = [];
  const lost: string[] = [];
  const at = { position: 7, waiting: true, heldBack: false };
  const newReader = (): Reader => ({
    release: () => undefined,
    pending: () => 0,
    position: () => at.position,
    isWaiting: () => at.waiting,
    isHeldBack: () => at.heldBack,
    stop: () => Promise.resolve(),
  });
  const now = { reader: newReader(), created: CREATED };
  const vital = createVital({
    peer: siteNamed("b"),
    clock,
    reading: () => ({
      mark: { created: now.created, lastSequence: 0 },
      reader: now.reader,
      lose: ({ code, message }) => void lost.push(`${code} ${message}`),
    }),
    onTrouble: (error) => told.push(error === null ? null : error.code),
  });
  const hear = (beat: (askedMs: number) => Beat) => vital.hear(beat(clock.elapsedMs()));
  const says = (sequence: number, ageMs = 0, state: BucketState = "live") =>
    hear((askedMs) => ({ kind: "told", askedMs, pulse: { state, logged: { head: { created: CREATED, sequence }, ageMs } } }));
  const stopped = (state: BucketState | null) =>
    hear((askedMs) => ({ kind: "told", askedMs, pulse: state === null ? null : { state, logged: null } }));
  const misses = () => hear(() => ({ kind: "missed", error: new GatewayError("KVGW_TIMEOUT", "no answer") }));
  return { clock, vital, told, lost, at, now, newReader, says, stopped, misses, beat: () => clock.advance(HEARTBEAT_MS) };
}

describe("a peer whose gateway answers", () => {
  it("is behind by nothing, beat after beat, and not known before its first answer", async () => {
    const { clock, vital, told, says, beat } = rig();
    await clock.advance(700);
    expect(vital.unknownMs()).toBe(700);
    for (let n = 0; n < 10; n++) {
      says(7);
      expect(vital.unknownMs()).toBe(0);
      await beat();
      expect(vital.unknownMs()).toBe(0);
    }
    expect(told).toEqual([]);
  });

  it("is behind by as much as it says that its log is behind what is written there", async () => {
    const { vital, told, says, beat } = rig();
    await beat();
    says(7, 0);
    await beat();
    await beat();
    says(7, 2 * HEARTBEAT_MS);
    expect(vital.unknownMs()).toBe(0);
    await beat();
    says(7, 3 * HEARTBEAT_MS);
    expect(vital.unknownMs()).toBe(3 * HEARTBEAT_MS);
    says(8, 20);
    expect([vital.unknownMs(), told]).toEqual([0, []]);
  });

  it("misses one beat without a word", async () => {
    const { vital, told, says, misses, beat } = rig();
    says(7);
    await beat();
    misses();
    expect(vital.unknownMs()).toBe(0);
    await beat();
    says(7);
    await beat();
    misses();
    expect([vital.unknownMs(), told]).toEqual([0, []]);
  });
});

describe("a peer whose gateway is silent", () => {
  it("is told of once, with the lag growing from its last answer, and comes back by itself", async () => {
    const { clock, vital, told, says, misses, beat } = rig();
    says(7);
    for (let n = 1; n <= 20; n++) {
      await beat();
      misses();
      expect(told).toEqual(n < 2 ? [] : ["KVGW_PEER_SILENT"]);
      const silentMs = n * HEARTBEAT_MS;
      expect(vital.unknownMs()).toBe(silentMs > PULSE_FRESH_MS ? silentMs : 0);
    }
    says(9);
    expect([vital.unknownMs(), told]).toEqual([0, ["KVGW_PEER_SILENT", null]]);
    await clock.advance(HEARTBEAT_MS);
    misses();
    expect(told).toHaveLength(2);
  });

  it("has a lag from the start where it never answered", async () => {
    const { clock, vital, told, misses } = rig();
    misses();
    misses();
    await clock.advance(60_000);
    expect([vital.unknownMs(), vital.heardMs(), told]).toEqual([60_000, 0, ["KVGW_PEER_SILENT"]]);
  });

  it("is given its time again when its log is read again, but the lag stays", async () => {
    const { vital, told, says, misses, beat } = rig();
    says(7);
    for (let n = 0; n < 12; n++) {
      await beat();
      misses();
    }
    vital.forgive();
    expect([vital.unknownMs(), told]).toEqual([60_000, ["KVGW_PEER_SILENT", null]]);
    misses();
    expect(told).toHaveLength(2);
    misses();
    expect(told.at(-1)).toBe("KVGW_PEER_SILENT");
  });
});

describe.each<BucketState | null>(["paused", "parked", "degraded", null])("a peer whose bucket does not run (%s)", (state) => {
  it("is told of with another code, and the lag grows", async () => {
    const { vital, told, says, stopped, misses, beat } = rig();
    says(7);
    for (let n = 0; n < 3; n++) {
      await beat();
      stopped(state);
    }
    expect([told, vital.unknownMs()]).toEqual([["KVGW_PEER_NOT_LIVE"], 3 * HEARTBEAT_MS]);
    misses();
    expect(told).toEqual(["KVGW_PEER_NOT_LIVE", "KVGW_PEER_SILENT"]);
    says(7);
    expect([told.at(-1), vital.unknownMs()]).toEqual([null, 0]);
  });
});

describe("a reader to which nothing comes though more is logged", () => {
  it("is ended a beat later, with what is missing shown in between", async () => {
    const { vital, says, lost, beat } = rig();
    says(7);
    expect(vital.missing()).toBe(0);
    says(12);
    expect([vital.missing(), vital.unknownMs(), lost]).toEqual([5, 0, []]);
    await beat();
    expect([vital.missing(), vital.unknownMs()]).toEqual([5, HEARTBEAT_MS]);
    says(12);
    expect(lost).toEqual([expect.stringMatching(/^KVGW_READER_LOST nothing comes from the log of b behind 7/)]);
  });

  it.each<[string, (made: ReturnType<typeof rig>) => void]>([
    ["something has come", ({ at }) => void at.position++],
    ["it holds operations that are not settled", ({ at }) => void (at.waiting = false)],
    ["others go first on the link", ({ at }) => void Object.assign(at, { waiting: false, heldBack: true })],
    ["it is another reader", (made) => void (made.now.reader = made.newReader())],
    ["it reads another log than the peer writes", ({ now }) => void (now.created = "1")],
    ["the server has looked further, since what was there is gone", ({ at }) => void (at.position = 12)],
  ])("lives on when %s", async (_, change) => {
    const made = rig();
    made.says(12);
    await made.beat();
    change(made);
    made.says(12);
    expect(made.lost).toEqual([]);
  });

  it("is behind all the while that others go first, and ended only a beat after its turn has come", async () => {
    const { vital, says, lost, at, beat } = rig();
    Object.assign(at, { waiting: false, heldBack: true });
    says(12);
    for (let beats = 1; beats <= 3; beats++) {
      await beat();
      says(12);
      expect([vital.missing(), vital.unknownMs(), lost]).toEqual([5, beats * HEARTBEAT_MS, []]);
    }
    Object.assign(at, { waiting: true, heldBack: false, position: 12 });
    says(12);
    expect([vital.missing(), vital.unknownMs(), lost]).toEqual([0, 0, []]);
  });
});
