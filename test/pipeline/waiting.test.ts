/** The small parts: the life table, back-off, waits, the clock of a run, the key gate, the tail's position, the pace. */
import { describe, expect, it } from "vitest";
import type { BucketState } from "../../src/core/events.js";
import { APPLY_TAIL_WAIT_MS, BACKOFF_JITTER, BACKOFF_MS } from "../../src/core/limits.js";
import { createKeyGate } from "../../src/pipeline/key-gate.js";
import { createPace } from "../../src/pipeline/pace.js";
import { atMost, createBackoff, until, wait } from "../../src/pipeline/retry.js";
import { createRunClock } from "../../src/pipeline/run-clock.js";
import { LIFE, type LifeInput } from "../../src/pipeline/state.js";
import { createTailPosition } from "../../src/pipeline/tail-position.js";
import { keyNamed } from "../core/names.js";
import { createSeededRandom } from "../memory/seeded-random.js";
import { createSkewedClock, createVirtualClock } from "../memory/virtual-clock.js";

describe("the life of a pipeline", () => {
  const states = Object.keys(LIFE) as BucketState[];
  const inputs = Object.keys(LIFE.starting) as LifeInput[];

  it("answers every input in every state with a state", () => {
    expect(states.sort()).toEqual(["degraded", "live", "parked", "paused", "starting", "stopped"]);
    for (const state of states) {
      expect(Object.keys(LIFE[state]).sort(), state).toEqual([...inputs].sort());
      for (const input of inputs) expect(states, `${state} ${input}`).toContain(LIFE[state][input]);
    }
  });

  it("can be stopped from everywhere, and nothing wakes it again", () => {
    for (const state of states) expect(LIFE[state].stop).toBe("stopped");
    for (const input of inputs) expect(LIFE.stopped[input]).toBe("stopped");
  });

  it("stays paused until it is resumed, whatever else happens", () => {
    for (const state of states) if (state !== "stopped") expect(LIFE[state].pause).toBe("paused");
    for (const input of inputs) if (input !== "resume" && input !== "stop") expect(LIFE.paused[input]).toBe("paused");
    expect(LIFE.paused.resume).toBe("starting");
  });

  it("is live only by what says so: captured, or recovered from trouble", () => {
    const intoLive = states.flatMap((state) => inputs.filter((input) => state !== "live" && LIFE[state][input] === "live"));
    expect([...new Set(intoLive)].sort()).toEqual(["captured", "recovered"]);
  });

  it("settles: the same input twice changes nothing more, but for the way back to life", () => {
    for (const state of states) {
      for (const input of inputs) {
        if (input === "resume" || input === "restart") continue;
        const once = LIFE[state][input];
        expect(LIFE[once][input], `${state} ${input}`).toBe(once);
      }
    }
  });

  it("reaches every state from the start", () => {
    const reached = new Set<BucketState>(["starting"]);
    for (let before = 0; before < reached.size;) {
      before = reached.size;
      for (const state of [...reached]) for (const input of inputs) reached.add(LIFE[state][input]);
    }
    expect(reached.size).toBe(states.length);
  });
});

describe("back-off", () => {
  it("follows the list within its jitter, and stays at its end", () => {
    for (let seed = 0; seed < 50; seed++) {
      const backoff = createBackoff(createSeededRandom(seed));
      for (let n = 0; n < 20; n++) {
        const base = BACKOFF_MS[Math.min(n, BACKOFF_MS.length - 1)] ?? 0;
        const delay = backoff.nextMs();
        expect(delay).toBeGreaterThanOrEqual(base * (1 - BACKOFF_JITTER / 2));
        expect(delay).toBeLessThanOrEqual(base * (1 + BACKOFF_JITTER / 2));
      }
      expect(backoff.failures()).toBe(20);
    }
  });

  it("begins again after a reset", () => {
    const backoff = createBackoff({ next: () => 0.5 });
    const first = backoff.nextMs();
    backoff.nextMs();
    backoff.reset();
    expect([backoff.failures(), backoff.nextMs()]).toEqual([0, first]);
  });

  it("spreads what failed together", () => {
    const delays = Array.from({ length: 100 }, (_, seed) => createBackoff(createSeededRandom(seed)).nextMs());
    expect(new Set(delays).size).toBeGreaterThan(90);
  });
});

describe("a wait", () => {
  it("ends after its time", async () => {
    const clock = createVirtualClock();
    let over = false;
    void wait(clock, 100, new AbortController().signal).then(() => (over = true));
    await clock.advance(99);
    expect(over).toBe(false);
    await clock.advance(1);
    expect(over).toBe(true);
  });

  it.each(["abort", "wake"] as const)("ends early by %s, and leaves nothing behind", async (how) => {
    const clock = createVirtualClock();
    const ending = new AbortController();
    const woken: { call: () => void; gone: boolean } = { call: () => undefined, gone: false };
    let over = 0;
    const subscribe = (callback: () => void) => {
      woken.call = callback;
      return () => void (woken.gone = true);
    };
    void wait(clock, 1_000, ending.signal, subscribe).then(() => over++);
    await clock.advance(10);
    if (how === "abort") ending.abort();
    else woken.call();
    await clock.advance(0);
    expect([over, clock.scheduled(), woken.gone]).toEqual([1, 0, true]);
  });

  it("does not begin where it is aborted already", async () => {
    const clock = createVirtualClock();
    await wait(clock, 1_000, AbortSignal.abort());
    expect(clock.scheduled()).toBe(0);
  });

  it("for a condition ends when it holds, or at its limit, and says which", async () => {
    const clock = createVirtualClock();
    const answers: boolean[] = [];
    let holds = false;
    void until(clock, () => holds, 10, 100).then((answer) => answers.push(answer));
    clock.schedule(35, () => void (holds = true));
    await clock.advance(40);
    void until(clock, () => false, 10, 100).then((answer) => answers.push(answer));
    await clock.advance(99);
    expect(answers).toEqual([true]);
    await clock.advance(1);
    expect(answers).toEqual([true, false]);
  });
});

describe("a wait for work", () => {
  it.each(["well", "badly"])("ends when the work ends %s, and leaves no timer behind", async (how) => {
    const clock = createVirtualClock();
    const work = how === "well" ? Promise.resolve() : Promise.reject(new Error("no"));
    await atMost(clock, 1_000, work);
    expect(clock.scheduled()).toBe(0);
  });

  it("ends at its limit where the work does not", async () => {
    const clock = createVirtualClock();
    let over = false;
    void atMost(clock, 1_000, new Promise(() => undefined)).then(() => (over = true));
    await clock.advance(999);
    expect(over).toBe(false);
    await clock.advance(1);
    expect(over).toBe(true);
  });
});

describe("the clock of a run", () => {
  it("cancels what it has scheduled when the run ends, and schedules nothing more", async () => {
    const clock = createVirtualClock();
    const ending = new AbortController();
    const run = createRunClock(clock, ending.signal);
    const done: string[] = [];
    for (const ms of [10, 100, 1_000]) run.schedule(ms, () => done.push(`${ms}`));
    run.schedule(20, () => done.push("cancelled"))();
    await clock.advance(50);
    ending.abort();
    run.schedule(1, () => done.push("late"));
    expect(clock.scheduled()).toBe(0);
    await clock.advance(10_000);
    expect(done).toEqual(["10"]);
  });

  it("tells the time of the clock that it was made from, also after the run", async () => {
    const clock = createVirtualClock();
    const ending = new AbortController();
    const run = createRunClock(clock, ending.signal);
    ending.abort();
    await clock.advance(70);
    expect([run.nowMs(), run.elapsedMs()]).toEqual([clock.nowMs(), clock.elapsedMs()]);
  });
});

describe("the key gate", () => {
  const [K, L] = [keyNamed("k"), keyNamed("l")];

  it("holds back work on a closed key until it opens, in order, and no other key's", () => {
    const gate = createKeyGate();
    const done: string[] = [];
    gate.pass(K, () => done.push("open"));
    gate.close(K);
    expect([gate.isClosed(K), gate.isClosed(L)]).toEqual([true, false]);
    gate.pass(K, () => done.push("first"));
    gate.pass(K, () => done.push("second"));
    gate.pass(L, () => done.push("other"));
    expect(done).toEqual(["open", "other"]);
    gate.open(K);
    expect(done).toEqual(["open", "other", "first", "second"]);
    expect(gate.isClosed(K)).toBe(false);
  });

  it("keeps the waiting work of keys apart", () => {
    const gate = createKeyGate();
    const done: string[] = [];
    for (const key of [K, L]) gate.close(key);
    for (const key of [K, L]) gate.pass(key, () => done.push(key));
    gate.open(L);
    expect(done).toEqual(["l"]);
    gate.open(K);
    gate.open(K);
    expect(done).toEqual(["l", "k"]);
  });
});

describe("the tail's position", () => {
  it("calls back at once where it has passed, and else when it does", () => {
    const position = createTailPosition(createVirtualClock());
    const passed: number[] = [];
    position.advance(5);
    for (const revision of [5, 7, 9]) position.whenPassed(revision, () => passed.push(revision));
    expect(passed).toEqual([5]);
    position.advance(8);
    expect(passed).toEqual([5, 7]);
    position.advance(9);
    expect(passed).toEqual([5, 7, 9]);
  });

  it("does not let anybody wait for ever, and calls back once", async () => {
    const clock = createVirtualClock();
    const position = createTailPosition(clock);
    let calls = 0;
    position.whenPassed(7, () => calls++);
    await clock.advance(APPLY_TAIL_WAIT_MS - 1);
    expect(calls).toBe(0);
    await clock.advance(1);
    position.advance(7);
    expect([calls, clock.scheduled()]).toEqual([1, 0]);
  });

  it("leaves no timer behind when it passed in time", () => {
    const clock = createVirtualClock();
    const position = createTailPosition(clock);
    position.whenPassed(7, () => undefined);
    position.advance(7);
    expect(clock.scheduled()).toBe(0);
  });
});

describe("the pace", () => {
  it("is no pace at all without a limit", () => {
    const clock = createVirtualClock();
    const pace = createPace(clock, () => 0);
    let done = 0;
    for (let n = 0; n < 1_000; n++) pace.next(() => done++);
    expect([done, clock.scheduled()]).toEqual([1_000, 0]);
  });

  it("spreads work evenly, in order, and does not save up idle time", async () => {
    const clock = createVirtualClock();
    const pace = createPace(clock, () => 10);
    await clock.advance(60_000);
    const done: number[] = [];
    for (let n = 0; n < 20; n++) pace.next(() => done.push(n));
    await clock.advance(1_000);
    expect(done.length).toBeGreaterThanOrEqual(10);
    expect(done.length).toBeLessThanOrEqual(11);
    await clock.advance(1_000);
    expect(done).toEqual(Array.from({ length: 20 }, (_, n) => n));
  });

  it("has one timer, whatever waits", () => {
    const clock = createVirtualClock();
    const pace = createPace(clock, () => 1);
    for (let n = 0; n < 1_000; n++) pace.next(() => undefined);
    expect(clock.scheduled()).toBe(1);
  });

  it.each([
    ["raised", 1, 100, 200],
    ["lifted", 1, 0, 900],
    ["lowered", 100, 10, 19],
  ])("takes a limit that is %s up with the next turn, and keeps the order", async (_, before, after, least) => {
    const clock = createVirtualClock();
    let limit = before;
    const pace = createPace(clock, () => limit);
    const done: number[] = [];
    for (let n = 0; n < 900; n++) pace.next(() => done.push(n));
    limit = after;
    await clock.advance(3_000);
    pace.next(() => done.push(900));
    expect(done.length).toBeGreaterThanOrEqual(least);
    if (after > 0) expect(done.length).toBeLessThanOrEqual(3 * after + 2);
    expect(done).toEqual(Array.from({ length: done.length }, (_, n) => n));
  });

  it("goes on at its pace when the clock of the site steps", async () => {
    const clock = createVirtualClock();
    let offsetMs = 0;
    const pace = createPace(
      createSkewedClock(clock, () => offsetMs),
      () => 100,
    );
    let done = 0;
    for (const stepMs of [0, -3_600_000, 7_200_000]) {
      offsetMs += stepMs;
      for (let n = 0; n < 100; n++) pace.next(() => done++);
      await clock.advance(500);
    }
    expect(done).toBeGreaterThanOrEqual(150);
    expect(done).toBeLessThanOrEqual(153);
  });

  it("does not fall behind where timers come late", async () => {
    const clock = createVirtualClock();
    const late = { ...clock, schedule: (ms: number, callback: () => void) => clock.schedule(ms + 7, callback) };
    const pace = createPace(late, () => 100);
    let done = 0;
    for (let n = 0; n < 200; n++) pace.next(() => done++);
    await clock.advance(1_000);
    expect(done).toBeGreaterThanOrEqual(98);
  });

  it("keeps its order where work brings more work", async () => {
    const clock = createVirtualClock();
    const pace = createPace(clock, () => 10);
    const done: string[] = [];
    pace.next(() => {
      pace.next(() => done.push("of the first"));
      pace.next(() => done.push("second of the first"));
    });
    pace.next(() => done.push("second"));
    expect(clock.scheduled()).toBe(1);
    await clock.advance(1_000);
    expect(done).toEqual(["of the first", "second of the first", "second"]);
  });

  it("does nothing any more after the end of the run", async () => {
    const clock = createVirtualClock();
    const ending = new AbortController();
    const pace = createPace(createRunClock(clock, ending.signal), () => 10);
    let done = 0;
    for (let n = 0; n < 20; n++) pace.next(() => done++);
    await clock.advance(500);
    ending.abort();
    const before = done;
    await clock.advance(60_000);
    expect([done, clock.scheduled()]).toEqual([before, 0]);
  });
});
