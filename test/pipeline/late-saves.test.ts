/** Nothing that a dead gateway saves late lowers what its successor has saved. */
import { describe, expect, it } from "vitest";
import type { Checkpoint } from "../../src/core/checkpoint.js";
import { FLOOR_AHEAD_US, STATE_SAVES_MAX } from "../../src/core/limits.js";
import type { SiteState } from "../../src/core/ports.js";
import { loadCausality } from "../../src/pipeline/causality.js";
import { createCheckpointRecord } from "../../src/pipeline/checkpoint-record.js";
import { operationAt } from "../core/arbitraries.js";
import { keyNamed, siteNamed } from "../core/names.js";
import { createMemoryGround, superviseOn } from "../gateway/supervised.js";
import { type MemoryConnection, createMemoryConnection } from "../memory/connection.js";
import { createMemorySiteState } from "../memory/site-state.js";
import { createVirtualClock } from "../memory/virtual-clock.js";
import { BUCKET } from "./world.js";

const KEY = "checkpoint.config.a";
const FLOOR = "causality.config";

/** One site's state with any number of gateways before it. */
function ground() {
  const clock = createVirtualClock();
  const durable = new Map<string, string>();
  const gateway = () => {
    const connection = createMemoryConnection(clock);
    return { connection, state: createMemorySiteState(connection, durable) };
  };
  /** Lets enough time pass for `work`, and gives what came of it. */
  async function now<T>(work: Promise<T>): Promise<T> {
    work.catch(() => undefined);
    await clock.advance(20_000);
    return work;
  }
  const saved = (key: string): unknown => JSON.parse(durable.get(key) ?? "null");
  return { clock, durable, gateway, now, saved };
}

const at = (sequence: number, created = "1"): Checkpoint => ({ created, sequence });

describe("a checkpoint that is saved", () => {
  function records() {
    const base = ground();
    const make = () => {
      const { connection, state } = base.gateway();
      return { connection, record: createCheckpointRecord(state, KEY) };
    };
    return { ...base, make };
  }

  it("late by a dead gateway does not count any more", async () => {
    const { make, now, saved, clock } = records();
    const [dying, next] = [make(), make()];
    await now(dying.record.save(at(5)));
    dying.connection.faults.delayMs = () => 10_000;
    dying.record.save(at(6)).catch(() => undefined);
    await clock.advance(1);
    dying.connection.kill();
    await now(next.record.save(at(9)));
    expect(saved(KEY)).toEqual(at(9));
  });

  it("by one of two gateways is the higher one of both", async () => {
    const { make, now, saved } = records();
    const [one, other] = [make(), make()];
    await Promise.all([now(one.record.load()), now(other.record.load())]);
    await now(one.record.save(at(9)));
    await now(other.record.save(at(4)));
    expect([saved(KEY), other.record.known()]).toEqual([at(9), at(9)]);
    await now(other.record.save(at(7)));
    expect(saved(KEY)).toEqual(at(9));
    await now(other.record.save(at(12)));
    await now(one.record.save(at(11)));
    expect(saved(KEY)).toEqual(at(12));
  });

  it("names another life of the log than the one found, and counts", async () => {
    const { make, now, saved } = records();
    const [old, young] = [make(), make()];
    await Promise.all([now(old.record.load()), now(young.record.load())]);
    await now(old.record.save(at(900, "1")));
    await now(young.record.save(at(3, "2")));
    expect(saved(KEY)).toEqual(at(3, "2"));
  });

  it("may be lower where the log was put back to an older copy, also against one who has not noticed", async () => {
    const { make, now, saved } = records();
    const [noticing, other] = [make(), make()];
    await now(other.record.save(at(90)));
    await now(noticing.record.load());
    noticing.record.rewound(50);
    await now(noticing.record.save(at(0)));
    expect(saved(KEY)).toEqual(at(0));
    await now(other.record.save(at(95)));
    await now(noticing.record.save(at(20)));
    expect(saved(KEY)).toEqual(at(20));
    await now(noticing.record.save(at(60)));
    expect(saved(KEY)).toEqual(at(60));
  });

  it("is looked for before the next save where no answer came", async () => {
    const { make, now, saved, durable } = records();
    const { connection, record } = make();
    await now(record.save(at(5)));
    connection.faults.fate = () => "answer lost";
    await expect(now(record.save(at(6)))).rejects.toMatchObject({ code: "KVGW_STATE_UNAVAILABLE" });
    expect([saved(KEY), record.known()]).toEqual([at(6), at(5)]);
    connection.faults.fate = () => "arrives";
    await now(record.save(at(7)));
    expect(saved(KEY)).toEqual(at(7));
    durable.delete(KEY);
    await now(record.save(at(8)));
    expect(saved(KEY)).toEqual(at(8));
  });

  it("while another save is on its way comes after it", async () => {
    const { make, now, saved } = records();
    const { record } = make();
    await now(Promise.all([5, 6, 7].map((sequence) => record.save(at(sequence)))));
    expect(saved(KEY)).toEqual(at(7));
  });

  it("is not written where nothing has moved", async () => {
    const { make, now } = records();
    const { connection, record } = make();
    const written: string[] = [];
    connection.faults.fate = ({ key }) => {
      written.push(key);
      return "arrives";
    };
    for (const sequence of [0, 5, 5, 5]) await now(record.save(at(sequence)));
    expect(written).toEqual([KEY]);
  });
});

describe("a causality floor that is saved", () => {
  async function guarding(state: SiteState, clock: ReturnType<typeof createVirtualClock>) {
    const failures: string[] = [];
    const loading = loadCausality({ bucket: BUCKET, state, clock, share: 0, onFailure: ({ code }) => void failures.push(code) });
    await clock.advance(10);
    return { guard: await loading, failures };
  }
  const ahead = (key: string, ts: number) => operationAt(ts, siteNamed("b"), { key: keyNamed(key) });
  const content = (value: unknown) => value as { readonly floorUs: number; readonly records: [string, number][] };

  async function twoGuards() {
    const base = ground();
    const [one, other] = [base.gateway(), base.gateway()];
    const first = await guarding(one.state, base.clock);
    const second = await guarding(other.state, base.clock);
    return { ...base, one: { ...one, ...first }, other: { ...other, ...second } };
  }

  it("late by a dead gateway does not lower its successor's", async () => {
    const { one, other, clock, saved } = await twoGuards();
    one.connection.faults.delayMs = () => 8_000;
    one.guard.cover(ahead("x", clock.nowMs() * 1_000), () => undefined);
    one.connection.kill();
    await clock.advance(6_000);
    other.guard.cover(ahead("y", clock.nowMs() * 1_000), () => undefined);
    await clock.advance(100);
    const before = content(saved(FLOOR));
    await clock.advance(10_000);
    expect(content(saved(FLOOR))).toEqual(before);
    expect(before.floorUs).toBeGreaterThan(0);
  });

  it("takes in what another gateway has saved meanwhile: the higher floor, and the higher record of each key", async () => {
    const { one, other, clock, saved } = await twoGuards();
    const farUs = clock.nowMs() * 1_000 + 60_000_000;
    let released = 0;
    for (const [key, ts] of [["x", farUs + 5], ["y", farUs]] as const) one.guard.cover(ahead(key, ts), () => void released++);
    await clock.advance(100);
    const { floorUs } = content(saved(FLOOR));
    for (const [key, ts] of [["x", farUs], ["z", farUs + 9]] as const) other.guard.cover(ahead(key, ts), () => void released++);
    await clock.advance(100);
    expect([released, one.failures, other.failures]).toEqual([4, [], []]);
    const { floorUs: later, records } = content(saved(FLOOR));
    expect(later).toBeGreaterThanOrEqual(floorUs);
    expect(records.sort()).toEqual([["x", farUs + 5], ["y", farUs], ["z", farUs + 9]]);
  });

  it("by another gateway is one that our writes must exceed from when we know of it", async () => {
    const { one, other, clock, saved } = await twoGuards();
    const farUs = clock.nowMs() * 1_000 + 60_000_000;
    one.guard.cover(ahead("x", farUs), () => undefined);
    await clock.advance(100);
    const { floorUs } = content(saved(FLOOR));
    expect(other.guard.aboveUs(keyNamed("x"))).toBe(0);
    other.guard.cover(ahead("y", clock.nowMs() * 1_000), () => undefined);
    await clock.advance(100);
    expect(other.guard.aboveUs(keyNamed("x"))).toBe(farUs);
    expect(other.guard.aboveUs(keyNamed("y"))).toBe(floorUs);
  });

  it("again and again by somebody else ends the run, and never loops", async () => {
    const { durable, clock, gateway } = ground();
    const { state } = gateway();
    let saves = 0;
    const contested: SiteState = {
      ...state,
      save(key, value, expected) {
        saves++;
        // Another gateway is always quicker.
        return state.save(key, { floorUs: saves, records: [] }).then(() => state.save(key, value, expected));
      },
    };
    const { guard, failures } = await guarding(contested, clock);
    guard.cover(ahead("x", clock.nowMs() * 1_000), () => expect.unreachable());
    await clock.advance(60_000);
    expect([failures, saves, durable.has(FLOOR)]).toEqual([["KVGW_STATE_CHANGED"], STATE_SAVES_MAX, true]);
  });

  it("is waited for by whoever asks", async () => {
    const { one, clock, saved } = await twoGuards();
    await one.guard.settled();
    const slow = (connection: MemoryConnection) => (connection.faults.delayMs = () => 500);
    slow(one.connection);
    one.guard.cover(ahead("x", clock.nowMs() * 1_000), () => undefined);
    let settled = false;
    const settling = one.guard.settled().then(() => (settled = true));
    await clock.advance(900);
    expect(settled).toBe(false);
    await clock.advance(200);
    await settling;
    expect(content(saved(FLOOR)).floorUs).toBeGreaterThan(clock.nowMs() * 1_000);
  });
});

describe("an orderly end", () => {
  it("waits for the floor that is being saved", async () => {
    const { clock, b, ports } = createMemoryGround();
    const save: SiteState["save"] = async (key, value, expected) => {
      if (key === FLOOR && floors.begun++ > 0) await new Promise<void>((resolve) => void clock.schedule(1_000, resolve));
      const revision = await ports.state.save(key, value, expected);
      if (key === FLOOR) floors.saved++;
      return revision;
    };
    const floors = { begun: 0, saved: 0 };
    const { supervisor } = superviseOn(clock, () => Promise.resolve({ ...ports, state: { ...ports.state, save } }));
    const write = () => b.bucket(BUCKET).log.publish("k", new Uint8Array(1), versionNow());
    const versionNow = () => `NATS/1.0\r\nKvgw-Version: ${clock.nowMs() * 1_000} b\r\n\r\n`;
    await clock.advance(1_000);
    write();
    await clock.advance((FLOOR_AHEAD_US / 1_000) * 0.6);
    expect(floors).toEqual({ begun: 1, saved: 1 });
    write();
    await clock.runUntil(() => floors.begun === 2, 1_000);
    let atEnd: typeof floors | null = null;
    const stopped = supervisor.stop().then(() => (atEnd = { ...floors }));
    await clock.advance(10_000);
    await stopped;
    expect(atEnd).toEqual({ begun: 2, saved: 2 });
  });
});
