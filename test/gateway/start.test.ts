/** A stop while a bucket is still starting is quick, whatever the start waits for, and what it brings later is closed. */
import { describe, expect, it } from "vitest";
import type { PipelinePorts } from "../../src/pipeline/pipeline.js";
import type { VirtualClock } from "../memory/virtual-clock.js";
import { BUCKET } from "../pipeline/world.js";
import { type MemoryGround, createMemoryGround, superviseOn } from "./supervised.js";

/** Where a start can be held up: each holds one wait until it is let go. */
const WAITS: Readonly<Record<string, (ports: PipelinePorts, held: Promise<void>) => PipelinePorts>> = {
  "the bucket": (ports, held) => ({ ...ports, store: { ...ports.store, open: () => held.then(() => ports.store.open()) } }),
  "the log": (ports, held) => ({ ...ports, log: { ...ports.log, open: (replicas) => held.then(() => ports.log.open(replicas)) } }),
  "the state": (ports, held) => ({ ...ports, state: { ...ports.state, load: (key) => held.then(() => ports.state.load(key)) } }),
  "what the log keeps": (ports, held) => ({
    ...ports,
    log: { ...ports.log, scan: (from, onOperation) => held.then(() => ports.log.scan(from, onOperation)) },
  }),
  "the tail": (ports, held) => ({
    ...ports,
    store: { ...ports.store, tail: (handlers) => held.then(() => ports.store.tail(handlers)) },
  }),
};

/** The ports, with an account of what was begun. */
function recorded(ports: PipelinePorts) {
  const begun: string[] = [];
  const noting = <P extends object>(port: P, name: string): P =>
    Object.fromEntries(
      Object.entries(port).map(([method, call]: [string, (...given: unknown[]) => unknown]) => [
        method,
        (...given: unknown[]) => {
          begun.push(`${name} ${method}`);
          return call(...given);
        },
      ]),
    ) as P;
  const { store, log, state } = ports;
  const noted = { store: noting(store, "bucket"), log: noting(log, "log"), state: noting(state, "state") };
  return { begun, ports: { ...ports, ...noted } };
}

/** The ports, with an account of the tails that were opened and closed. */
function counted(ports: PipelinePorts) {
  const tails = { opened: 0, closed: 0 };
  const tail: PipelinePorts["store"]["tail"] = async (handlers) => {
    const reader = await ports.store.tail(handlers);
    tails.opened++;
    return {
      ...reader,
      stop: () => {
        tails.closed++;
        return reader.stop();
      },
    };
  };
  return { tails, ports: { ...ports, store: { ...ports.store, tail } } };
}

async function stopWithin(clock: VirtualClock, stop: () => Promise<void>, limitMs: number): Promise<boolean> {
  let over = false;
  void stop().then(() => (over = true));
  return clock.runUntil(() => over, limitMs);
}

const writes = ({ a }: MemoryGround) => [...a.bucket(BUCKET).log.messages()].length;

describe("a stop while a bucket is starting", () => {
  it.each(Object.entries(WAITS))("does not wait for %s", async (where, hold) => {
    const ground = createMemoryGround();
    const { clock } = ground;
    const { tails, ports } = counted(ground.ports);
    ground.a.bucket(BUCKET).app.put("k", "v");
    let letGo = () => {};
    const held = new Promise<void>((resolve) => (letGo = resolve));
    const { begun, ports: starting } = recorded(hold(ports, held));
    const { supervisor, counters } = superviseOn(clock, () => Promise.resolve(starting));
    await clock.advance(1_000);
    const before = [...begun];
    expect(await stopWithin(clock, () => supervisor.stop(), 10)).toBe(true);
    letGo();
    await clock.advance(60_000);
    expect(begun).toEqual(before);
    // What was asked for last still comes.
    const asked = where === "the tail" ? 1 : 0;
    expect([tails, writes(ground), clock.scheduled()]).toEqual([{ opened: asked, closed: asked }, 0, 0]);
    expect([supervisor.state(), counters.captured]).toEqual(["stopped", 0]);
  });

  it("does not wait for time-outs of a local NATS that is silent", async () => {
    const { clock, ports, local } = createMemoryGround();
    local.faults.requestFate = () => "request lost";
    const { supervisor } = superviseOn(clock, () => Promise.resolve(ports));
    await clock.advance(1_000);
    expect(await stopWithin(clock, () => supervisor.stop(), 10)).toBe(true);
  });

  it("ends the reading of a long log with the next operation that comes", async () => {
    const { clock, ports, a } = createMemoryGround();
    for (let n = 0; n < 10; n++) a.bucket(BUCKET).app.put(`k${n}`, "v");
    const writer = superviseOn(clock, () => Promise.resolve(ports));
    await clock.advance(1_000);
    await stopWithin(clock, () => writer.supervisor.stop(), 10_000);
    let letGo = () => {};
    const held = new Promise<void>((resolve) => (letGo = resolve));
    let read = 0;
    const scan: typeof ports.log.scan = async (from, onOperation) => {
      await held;
      return ports.log.scan(from, (logged, inPlace) => {
        read++;
        onOperation(logged, inPlace);
      });
    };
    const { supervisor } = superviseOn(clock, () => Promise.resolve({ ...ports, log: { ...ports.log, scan } }));
    await clock.advance(1_000);
    expect(await stopWithin(clock, () => supervisor.stop(), 10)).toBe(true);
    letGo();
    await clock.advance(1_000);
    expect(read).toBe(1);
  });
});

describe("a bucket on several servers", () => {
  it.each([
    ["the servers refuse its log and its state as many", 1, ["operation log", "site state"]],
    ["all have as many", 3, []],
  ] as const)("asks for as many replicas of what belongs to it, tells what has fewer, and runs: %s", async (_what, replicas, few) => {
    const { clock, ports } = createMemoryGround();
    const asked: number[] = [];
    const refuse = (wanted: number) => {
      asked.push(wanted);
      return replicas;
    };
    const store = { ...ports.store, open: async () => ({ ...(await ports.store.open()), replicas: 3 }) };
    const log = { ...ports.log, open: async (wanted: number) => ({ ...(await ports.log.open(wanted)), replicas: refuse(wanted) }) };
    const state = { ...ports.state, raise: (wanted: number) => Promise.resolve(refuse(wanted)) };
    const { supervisor, events } = superviseOn(clock, () => Promise.resolve({ ...ports, store, log, state }));
    await clock.advance(1_000);
    const told = events().filter(({ type }) => type === "few-replicas");
    expect(told).toEqual(few.map((of) => ({ type: "few-replicas", bucket: BUCKET, of, replicas: 1, wanted: 3 })));
    expect([asked, supervisor.state()]).toEqual([[3, 3], "live"]);
    await stopWithin(clock, () => supervisor.stop(), 10_000);
  });
});
