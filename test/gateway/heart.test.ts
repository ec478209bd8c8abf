/** The heartbeat of a process: one question per peer and beat for all buckets, whatever becomes of the answers. */
import { describe, expect, it } from "vitest";
import { GatewayError } from "../../src/core/errors.js";
import type { BucketName, SiteId } from "../../src/core/ids.js";
import { HEARTBEAT_MS, PULSE_BUCKETS_MAX, PULSE_FIRST_MS } from "../../src/core/limits.js";
import type { Beat, PulseLine } from "../../src/core/ports.js";
import type { BucketPulse } from "../../src/core/pulse.js";
import { type PulsePlace, createHeart } from "../../src/gateway/heart.js";
import { bucketNamed, siteNamed } from "../core/names.js";
import { createVirtualClock } from "../memory/virtual-clock.js";

const [A, B, C] = [siteNamed("a"), siteNamed("b"), siteNamed("c")];
const LIVE: BucketPulse = { state: "live", logged: { head: { created: "1", sequence: 1 }, ageMs: 0 } };

type Answer = Parameters<PulseLine["serve"]>[0];

function rig(ask: PulseLine["ask"] = (_, buckets) => Promise.resolve(buckets.map(() => LIVE))) {
  const clock = createVirtualClock();
  const heart = createHeart(clock);
  const asked: { readonly peer: SiteId; readonly buckets: readonly BucketName[]; readonly atMs: number }[] = [];
  const lines = { opened: 0, closed: 0, up: () => {}, serving: null as Answer | null };
  const line: PulseLine = {
    ask(peer, buckets) {
      asked.push({ peer, buckets, atMs: clock.elapsedMs() });
      return ask(peer, buckets);
    },
    serve(answer) {
      lines.serving = answer;
      return () => void (lines.serving = null);
    },
    onUp(callback) {
      lines.up = callback;
      return () => void (lines.up = () => {});
    },
    close: () => void lines.closed++,
  };
  const place: PulsePlace = { key: "hub", open: () => (lines.opened++, line) };
  const places = new Map([A, B, C].map((site) => [site, place]));
  const join = (bucket: string) => heart.join(bucketNamed(bucket), A, places);
  return { clock, asked, lines, join };
}

const many = (count: number) => Array.from({ length: count }, (_, n) => `bucket-${n}`);

describe("the heartbeat", () => {
  it("asks each peer once per beat for all buckets, soon after the start", async () => {
    const { clock, asked, lines, join } = rig();
    const heard: string[] = [];
    for (const bucket of ["x", "y"]) {
      for (const peer of [B, C]) join(bucket).listen(peer, ({ kind }) => void heard.push(`${bucket} ${peer} ${kind}`));
    }
    await clock.advance(PULSE_FIRST_MS);
    expect(asked).toEqual([B, C].map((peer) => ({ peer, buckets: ["x", "y"], atMs: PULSE_FIRST_MS })));
    expect(heard.sort()).toEqual(["x b told", "x c told", "y b told", "y c told"]);
    await clock.advance(10 * HEARTBEAT_MS);
    expect([asked.length, lines.opened]).toEqual([22, 1]);
  });

  it("splits many buckets, and asks no further where the first question is not answered", async () => {
    const outcome = { fails: false };
    const { clock, asked, join } = rig((_, buckets) =>
      outcome.fails ? Promise.reject(new GatewayError("KVGW_TIMEOUT", "no answer")) : Promise.resolve(buckets.map(() => LIVE)),
    );
    const last = new Map<string, Beat>();
    for (const bucket of many(2 * PULSE_BUCKETS_MAX + 1)) join(bucket).listen(B, (beat) => void last.set(bucket, beat));
    await clock.advance(PULSE_FIRST_MS);
    expect(asked.map(({ buckets }) => buckets.length)).toEqual([PULSE_BUCKETS_MAX, PULSE_BUCKETS_MAX, 1]);
    expect(new Set([...last.values()].map(({ kind }) => kind))).toEqual(new Set(["told"]));
    outcome.fails = true;
    await clock.advance(HEARTBEAT_MS);
    expect(asked).toHaveLength(4);
    expect(last.size).toBe(2 * PULSE_BUCKETS_MAX + 1);
    expect(new Set([...last.values()].map(({ kind }) => kind))).toEqual(new Set(["missed"]));
  });

  it("never has two questions to a peer on their way, and goes on after an answer that came late", async () => {
    let answer: (pulses: readonly BucketPulse[]) => void = () => {};
    const { clock, asked, lines, join } = rig(() => new Promise((resolve) => (answer = resolve)));
    join("x").listen(B, () => undefined);
    await clock.advance(5 * HEARTBEAT_MS);
    lines.up();
    join("y").listen(B, () => undefined);
    await clock.advance(5 * HEARTBEAT_MS);
    expect(asked).toHaveLength(1);
    answer([LIVE]);
    await clock.advance(1);
    expect(asked.map(({ buckets }) => buckets)).toEqual([["x"], ["x", "y"]]);
  });

  it("asks at once when the connection is back", async () => {
    const { clock, asked, lines, join } = rig();
    join("x").listen(B, () => undefined);
    await clock.advance(PULSE_FIRST_MS + 1_000);
    lines.up();
    await clock.advance(0);
    expect(asked.map(({ atMs }) => atMs)).toEqual([PULSE_FIRST_MS, PULSE_FIRST_MS + 1_000]);
  });

  it("ends with its last bucket, and leaves nothing scheduled", async () => {
    const { clock, asked, lines, join } = rig();
    const [x, y] = ["x", "y"].map((bucket) => join(bucket).listen(B, () => undefined));
    const untell = join("x").tell(() => Promise.resolve(LIVE));
    await clock.advance(PULSE_FIRST_MS);
    x?.();
    x?.();
    await clock.advance(HEARTBEAT_MS);
    expect(asked.map(({ buckets }) => buckets)).toEqual([["x", "y"], ["y"]]);
    y?.();
    expect([lines.closed, clock.scheduled()]).toEqual([0, 0]);
    untell();
    expect([lines.opened, lines.closed, lines.serving]).toEqual([1, 1, null]);
    join("x").listen(B, () => undefined);
    await clock.advance(PULSE_FIRST_MS);
    expect([lines.opened, asked.length]).toEqual([2, 3]);
  });
});

describe("an answer", () => {
  it("has what each bucket says, and nothing for one that does not run or cannot say", async () => {
    const { lines, join } = rig();
    join("x").tell(() => Promise.resolve(LIVE));
    join("z").tell(() => Promise.reject(new TypeError("x is undefined")));
    const answered = await lines.serving?.(["x", "y", "z", "__proto__"].map(bucketNamed));
    expect(answered).toEqual([LIVE, null, null, null]);
  });

  it("is that of the bucket's next life, once there is one", async () => {
    const { lines, join } = rig();
    const end = join("x").tell(() => Promise.resolve(LIVE));
    join("x").tell(() => Promise.resolve({ state: "paused", logged: null }));
    end();
    expect(await lines.serving?.([bucketNamed("x")])).toEqual([{ state: "paused", logged: null }]);
  });
});

describe("gateways that share their site's buckets", () => {
  const place = (line: PulseLine): PulsePlace => ({ key: "own", open: () => line });

  function shared(ask: PulseLine["ask"]) {
    const serving = new Map<string | undefined, Answer>();
    const line: PulseLine = {
      ask,
      serve(answer, gateway) {
        serving.set(gateway, answer);
        return () => void serving.delete(gateway);
      },
      onUp: () => () => undefined,
      close: () => undefined,
    };
    const heart = createHeart(createVirtualClock(), () => ({ self: "one", others: () => ["two", "three"] }));
    const tell = (bucket: string) => heart.join(bucketNamed(bucket), A, new Map([[A, place(line)]])).tell(() => Promise.resolve(LIVE));
    return { serving, tell };
  }

  const PAUSED: BucketPulse = { state: "paused", logged: null };
  const buckets = (...names: string[]) => names.map(bucketNamed);

  it("answer for each other: each one is asked once, for what the asked one does not work", async () => {
    const asked: unknown[] = [];
    const { serving, tell } = shared((site, names, gateway) => {
      asked.push([site, gateway, names]);
      return Promise.resolve(names.map((name) => (name === (gateway === "two" ? "b" : "c") ? PAUSED : null)));
    });
    tell("a");
    expect(await serving.get(undefined)?.(buckets("b", "a", "c", "d"))).toEqual([PAUSED, LIVE, PAUSED, null]);
    expect(asked).toEqual(["two", "three"].map((gateway) => [A, gateway, ["b", "c", "d"]]));
  });

  it("answer with what they know where another one does not answer", async () => {
    const { serving, tell } = shared((_, names, gateway) =>
      gateway === "two" ? Promise.reject(new GatewayError("KVGW_TIMEOUT", "no answer")) : Promise.resolve(names.map(() => PAUSED)),
    );
    tell("a");
    expect(await serving.get(undefined)?.(buckets("a", "b"))).toEqual([LIVE, PAUSED]);
  });

  it("ask nobody for what they work themselves, nor when they are asked by each other", async () => {
    const { serving, tell } = shared(() => Promise.reject(new Error("nobody must be asked")));
    const end = tell("a");
    expect(await serving.get(undefined)?.(buckets("a"))).toEqual([LIVE]);
    expect(await serving.get("one")?.(buckets("a", "b"))).toEqual([LIVE, null]);
    end();
    expect([...serving]).toEqual([]);
  });
});
