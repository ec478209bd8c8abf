/** Go back N: whatever goes wrong with one append, the log ends up with every key's last operation, none twice, in order. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { APPEND_WINDOW_OPERATIONS, BACKOFF_MS, PUBLISH_TIMEOUT_MS } from "../../src/core/limits.js";
import { keyNamed, siteNamed } from "../core/names.js";
import type { WriteFate } from "../memory/connection.js";
import { createSeededRandom } from "../memory/seeded-random.js";
import { FULL, SITE, createAppendRig as rig, fates } from "./append-rig.js";

describe("appending", () => {
  it("logs in order, and says done when it is in the log", async () => {
    const { append, clock, told, logged, appender } = rig();
    for (const [at, key] of ["x", "y", "z"].entries()) append(key, at + 1);
    expect([told.done, appender.outstanding()]).toEqual([[], 3]);
    await clock.advance(10);
    expect(told.done).toEqual(["x@1", "y@2", "z@3"]);
    expect(logged()).toEqual(["x@1", "y@2", "z@3"]);
    expect(appender.outstanding()).toBe(0);
  });

  it("has a bounded number in flight, and works through any number", async () => {
    const { append, clock, faults, stream, told } = rig();
    let sent = 0;
    faults.fate = () => {
      sent++;
      return "arrives";
    };
    for (let n = 1; n <= 3_000; n++) append(`k${n}`, n);
    expect(sent).toBe(APPEND_WINDOW_OPERATIONS);
    await clock.advance(100);
    expect([sent, told.done.length, stream.mark().lastSequence]).toEqual([3_000, 3_000, 3_000]);
  });

  it("sends nothing after its end: what the run left behind is found by the next one", async () => {
    const { append, clock, stream, ended } = rig();
    append("x", 1);
    ended.abort();
    append("y", 2);
    await clock.advance(60_000);
    expect(stream.mark().lastSequence).toBe(1);
  });

  it("calls nobody back after its end", async () => {
    const { append, clock, told, ended } = rig();
    append("x", 1);
    ended.abort();
    await clock.advance(60_000);
    expect(told.done).toEqual([]);
  });
});

describe("a write that is stamped ahead of its own time", () => {
  it("waits until its version is remembered, and those behind it with it", async () => {
    const { append, clock, causality, told, logged } = rig();
    const waiting: (() => void)[] = [];
    const asked: string[] = [];
    causality.cover = ({ key }, then) => {
      asked.push(key);
      waiting.push(then);
      return false;
    };
    for (const [at, key] of ["x", "y", "z"].entries()) append(key, at + 1);
    await clock.advance(10);
    expect([asked, logged(), told.done]).toEqual([["x"], [], []]);
    causality.cover = () => true;
    waiting.pop()?.();
    await clock.advance(10);
    expect(logged()).toEqual(["x@1", "y@2", "z@3"]);
  });

  it("is remembered, and none other", async () => {
    const { append, clock, causality } = rig();
    const asked: number[] = [];
    causality.cover = ({ version: { ts } }) => asked.push(ts) > 0;
    // The server stored all of them in the first microsecond.
    append("x", 1, { version: { ts: 0, site: SITE } });
    append("y", 2, { version: { ts: 5_000, site: SITE } });
    await clock.advance(10);
    expect(asked).toEqual([5_000]);
  });
});

describe("an append without an answer", () => {
  it.each(["answer lost", "request lost"] as const)(
    "(%s) is looked for, and neither lost nor logged twice",
    async (fate) => {
      const { append, clock, faults, told, stream, logged } = rig();
      faults.fate = fates("arrives", fate);
      for (const [at, key] of ["w", "x", "y", "z"].entries()) append(key, at + 1);
      await clock.advance(20_000);
      expect(logged()).toEqual(["w@1", "x@2", "y@3", "z@4"]);
      expect(stream.mark().lastSequence).toBe(4);
      expect([...told.done].sort()).toEqual(["w@1", "x@2", "y@3", "z@4"]);
      expect(told.events.map(({ type }) => type)).toContain("log-resumed");
      expect([told.trouble, told.fatal]).toEqual([[], []]);
    },
  );

  it("keeps the order of its key: the later write stays the last", async () => {
    const { append, clock, faults, logged } = rig();
    faults.fate = fates("request lost", "arrives", "arrives");
    for (const revision of [1, 2, 3]) append("hot", revision);
    await clock.advance(20_000);
    expect(logged()).toEqual(["hot@3"]);
  });
});

describe("an append that is refused", () => {
  it("is tried again until it is taken, at growing intervals, and the trouble is told until then", async () => {
    const { append, clock, faults, told, logged } = rig();
    const triedMs: number[] = [];
    faults.fate = () => {
      triedMs.push(clock.nowMs());
      return triedMs.length < 8 ? FULL : "arrives";
    };
    append("x", 1);
    await clock.advance(60_000);
    expect(logged()).toEqual(["x@1"]);
    const waits = triedMs.slice(1).map((ms, at) => ms - (triedMs[at] ?? 0));
    expect(waits).toHaveLength(7);
    for (const [at, wait] of waits.entries()) expect(wait).toBeGreaterThanOrEqual((BACKOFF_MS[at] ?? 0) * 0.8);
    expect(told.trouble).toEqual([...waits.map(() => "KVGW_LOG_FULL"), null]);
  });

  it("by silence is trouble from the second time on", async () => {
    const { append, clock, faults, told, logged } = rig();
    faults.fate = () => "request lost";
    append("x", 1);
    await clock.advance(PUBLISH_TIMEOUT_MS + 100);
    expect(told.trouble).toEqual([]);
    await clock.advance(PUBLISH_TIMEOUT_MS + 1_000);
    expect(told.trouble).toEqual(["KVGW_TIMEOUT"]);
    faults.fate = () => "arrives";
    await clock.advance(60_000);
    expect([logged(), told.trouble.at(-1)]).toEqual([["x@1"], null]);
  });

  it("is no trouble any more when nothing is left to append", async () => {
    const { append, clock, faults, told, otherAppends } = rig();
    faults.fate = () => FULL;
    append("x", 1);
    await clock.advance(150);
    await otherAppends("x", 1);
    await clock.advance(20_000);
    expect([told.done, told.trouble.at(-1)]).toEqual([["x@1"], null]);
  });

  it("begins with short intervals again after it was taken", async () => {
    const { append, clock, faults, told } = rig();
    let refuse = true;
    faults.fate = () => (refuse ? FULL : "arrives");
    append("x", 1);
    await clock.advance(60_000);
    refuse = false;
    await clock.advance(20_000);
    faults.fate = fates(FULL);
    append("y", 2);
    await clock.advance(200);
    expect(told.done).toEqual(["x@1", "y@2"]);
  });
});

describe("another gateway of the site", () => {
  it("that has logged the same write is adopted: one write, one version", async () => {
    const { append, clock, faults, stream, otherAppends, told, replica } = rig();
    const at = { revision: 1, timestampUs: 1_001, timestampNs: "1" };
    const put = { kind: "put", key: keyNamed("x"), value: new Uint8Array(0), version: null, expiresUs: null } as const;
    replica.observe({ ...put, ...at }, { aboveUs: () => 0 });
    faults.fate = fates("request lost");
    append("x", 1);
    append("y", 2);
    await otherAppends("x", 1, { version: { ts: 5_000, site: SITE } });
    await clock.advance(20_000);
    expect(stream.mark().lastSequence).toBe(2);
    expect(replica.get(keyNamed("x"))?.version.ts).toBe(5_000);
    expect([...told.done].sort()).toEqual(["x@1", "y@2"]);
  });

  it("that has logged it below what it had overwritten is corrected: it is logged again above that (I5)", async () => {
    const { append, clock, faults, logged, otherAppends, told, stream } = rig();
    faults.fate = fates("request lost");
    append("x", 1, { version: { ts: 9_001, site: SITE }, base: { ts: 9_000, site: siteNamed("b") } });
    await otherAppends("x", 1, { version: { ts: 5_000, site: SITE } });
    await clock.advance(20_000);
    expect([logged(), stream.mark().lastSequence, told.done]).toEqual([["x@1"], 2, ["x@1"]]);
    expect(told.fatal).toEqual([]);
  });

  it("that has logged a later write of the key supersedes ours", async () => {
    const { append, clock, faults, logged, otherAppends, told } = rig();
    faults.fate = () => "request lost";
    append("x", 1);
    await otherAppends("w", 9);
    await otherAppends("x", 3);
    faults.fate = () => "arrives";
    await clock.advance(20_000);
    expect(logged()).toEqual(["w@9", "x@3"]);
    expect(told.done).toEqual(["x@1"]);
  });

  it("ends the run where a write waits that was stamped below what the log says of its key", async () => {
    const { append, clock, faults, logged, otherAppends, told } = rig();
    faults.fate = () => "request lost";
    append("x", 1);
    append("x", 2);
    await otherAppends("w", 9);
    await otherAppends("x", 1, { version: { ts: 5_000, site: SITE } });
    faults.fate = () => "arrives";
    await clock.advance(20_000);
    expect(told.fatal).toEqual(["KVGW_STREAM_CHANGED"]);
    expect(logged()).toEqual(["w@9", "x@1"]);
  });

  it("of another life of the bucket says nothing about our writes", async () => {
    const { append, clock, faults, stream, logged, told } = rig();
    faults.fate = fates("request lost");
    append("x", 1);
    const foreign = { "Kvgw-Version": "500 a", "Kvgw-Revision": "1600000000000000000 7 7" };
    const lines = Object.entries(foreign).map(([name, value]) => `${name}: ${value}\r\n`);
    stream.publish("x", new Uint8Array(0), `NATS/1.0\r\n${lines.join("")}\r\n`);
    await clock.advance(20_000);
    expect([logged(), told.done]).toEqual([["x@1"], ["x@1"]]);
  });
});

describe("a log that is not the one the run began with", () => {
  it("ends the run when it was made anew", async () => {
    const { append, clock, stream, told } = rig();
    append("x", 1);
    await clock.advance(10);
    stream.destroy();
    stream.create();
    append("y", 2);
    await clock.advance(20_000);
    expect([told.fatal, told.done]).toEqual([["KVGW_STREAM_CHANGED"], ["x@1"]]);
  });

  it("ends the run when an older copy was put back", async () => {
    const { append, clock, stream, told } = rig();
    append("w", 1);
    await clock.advance(10);
    const putBack = stream.copy();
    append("x", 2);
    await clock.advance(10);
    putBack();
    append("y", 3);
    await clock.advance(20_000);
    expect(told.fatal).toEqual(["KVGW_STREAM_CHANGED"]);
  });

  it("ends the run when it was deleted, so that the next one makes it again", async () => {
    const { append, clock, stream, told } = rig();
    stream.destroy();
    append("x", 1);
    await clock.advance(5_000);
    expect(told.fatal).toEqual(["KVGW_STREAM_CHANGED"]);
    expect(told.done).toEqual([]);
  });
});

describe("an operation that no log can hold", () => {
  const large = { value: new Uint8Array(2_000_000) };

  it("is set aside, and those before and behind it are logged", async () => {
    const { append, clock, logged, told } = rig();
    append("w", 1);
    append("large", 2, large);
    append("x", 3);
    append("large", 4);
    await clock.advance(20_000);
    expect(told.setAside).toEqual(["large"]);
    expect(logged()).toEqual(["w@1", "x@3", "large@4"]);
    expect([...told.done].sort()).toEqual(["large@2", "large@4", "w@1", "x@3"]);
  });

  it("ends the run where it cannot even be noted", async () => {
    const { append, clock, told, setAside } = rig();
    setAside.fails = true;
    append("large", 1, large);
    await clock.advance(1_000);
    expect([told.fatal, told.done]).toEqual([["KVGW_STATE_UNAVAILABLE"], []]);
  });
});

describe("any mixture of faults", () => {
  it("leaves the last operation of every key in the log, logs none twice or behind a later one, and tells done once for each", async () => {
    const anyFate = fc.constantFrom<WriteFate>("arrives", "arrives", "answer lost", "request lost", FULL);
    const anyRun = fc.record({
      keys: fc.array(fc.constantFrom("x", "y", "z"), { minLength: 1, maxLength: 12 }),
      fates: fc.array(anyFate, { maxLength: 20 }),
      pausesMs: fc.array(fc.constantFrom(0, 1, 100, 6_000), { minLength: 12, maxLength: 12 }),
      seed: fc.nat(),
    });
    await fc.assert(
      fc.asyncProperty(anyRun, async ({ keys, fates: list, pausesMs, seed }) => {
        const { append, clock, faults, told, logged } = rig();
        faults.fate = fates(...list);
        const random = createSeededRandom(seed);
        faults.delayMs = () => Math.floor(random.next() * 50);
        for (const [at, key] of keys.entries()) {
          append(key, at + 1);
          await clock.advance(pausesMs[at] ?? 0);
        }
        await clock.advance(400_000);
        const all = keys.map((key, at) => `${key}@${at + 1}`);
        const lasts = all.filter((write, at) => !all.slice(at + 1).some((later) => later.startsWith(`${write[0]}@`)));
        const revisionsOf = (key: string) =>
          told.ever.filter((write) => write.startsWith(`${key}@`)).map((write) => Number(write.slice(2)));
        expect([...told.done].sort()).toEqual([...all].sort());
        expect([...logged()].sort()).toEqual([...lasts].sort());
        expect(new Set(told.ever).size).toBe(told.ever.length);
        for (const key of keys) expect(revisionsOf(key)).toEqual(revisionsOf(key).toSorted((one, other) => one - other));
        expect(told.fatal).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });
});
