/** The words of the heartbeat: what is said is heard exactly, and no number of buckets makes a large message. */
import { describe, expect, it } from "vitest";
import type { BucketName } from "../../src/core/ids.js";
import { PULSE_BUCKETS_MAX, PULSE_NAME_BYTES_MAX } from "../../src/core/limits.js";
import { type Pulse, decodePulse, decodePulseQuestion, encodePulse, inQuestions } from "../../src/core/pulse.js";
import { bucketNamed, siteNamed } from "./names.js";

const SITE = siteNamed("site-b");
const overWire = (pulse: Pulse) => decodePulse(JSON.parse(JSON.stringify(encodePulse(pulse))));
const HEAD = { created: "1730542200000000000", sequence: Number.MAX_SAFE_INTEGER };

describe("a pulse", () => {
  it.each(["starting", "live", "degraded", "paused", "parked", "stopped"] as const)("of a bucket that is %s is heard as it was told", (state) => {
    const buckets = [{ state, logged: { head: HEAD, ageMs: 0 } }, null, { state, logged: null }];
    expect(overWire({ site: SITE, buckets })).toEqual({ site: SITE, buckets });
  });

  it("has whole milliseconds, and never an age below zero", () => {
    const told = (ageMs: number) => overWire({ site: SITE, buckets: [{ state: "live", logged: { head: HEAD, ageMs } }] })?.buckets[0];
    expect([told(1.4)?.logged?.ageMs, told(-0.3)?.logged?.ageMs, told(-7)?.logged?.ageMs]).toEqual([1, 0, 0]);
  });

  it.each([
    ["a state that there is not", [[9]]],
    ["half of what was logged", [[1, "1", 7]]],
    ["more than there is", [[1, "1", 7, 0, 0]]],
    ["a time that is none", [[1, "x", 7, 0]]],
    ["a very long time", [[1, "1".repeat(100_000), 7, 0]]],
    ["a sequence below zero", [[1, "1", -1, 0]]],
    ["an age that is no number", [[1, "1", 1, null]]],
    ["too many buckets", Array(PULSE_BUCKETS_MAX + 1).fill(0)],
  ])("with %s is refused", (_, buckets) => {
    expect(decodePulse({ site: "site-b", buckets })).toBeNull();
  });
});

describe("many buckets", () => {
  const named = (count: number, length: number) =>
    Array.from({ length: count }, (_, n) => bucketNamed(`${n}`.padStart(length, "b")));

  it.each([
    [0, 10, 0],
    [1, 10, 1],
    [PULSE_BUCKETS_MAX, 10, 1],
    [PULSE_BUCKETS_MAX + 1, 10, 2],
    [10_000, 10, 40],
    [100, 1_000, 7],
    [3, PULSE_NAME_BYTES_MAX, 3],
    [3, PULSE_NAME_BYTES_MAX + 1, 3],
  ])("%i with names of %i characters make %i questions, each of which is understood", (count, length, questions) => {
    const buckets = named(count, length);
    const made = inQuestions(buckets);
    expect(made).toHaveLength(questions);
    expect(made.flat()).toEqual(buckets);
    for (const asked of made) expect(decodePulseQuestion({ buckets: asked })).toEqual({ buckets: asked });
  });

  it("have an answer below 64 KiB for each question", () => {
    const [asked = []] = inQuestions(named(PULSE_BUCKETS_MAX, 60));
    const logged = { head: { created: "9".repeat(20), sequence: Number.MAX_SAFE_INTEGER }, ageMs: Number.MAX_SAFE_INTEGER };
    const answer = encodePulse({ site: siteNamed("s".repeat(32)), buckets: asked.map(() => ({ state: "degraded", logged })) });
    for (const message of [answer, { buckets: asked }]) expect(JSON.stringify(message).length).toBeLessThan(64 * 1024);
    expect(asked).toHaveLength(PULSE_BUCKETS_MAX);
  });

  it.each([
    ["too many", Array(PULSE_BUCKETS_MAX + 1).fill("b") as BucketName[]],
    ["too long together", named(2, PULSE_NAME_BYTES_MAX)],
    ["no names", ["a.b"]],
    ["no texts", [7]],
  ])("that are %s are no question", (_, buckets) => {
    expect(decodePulseQuestion({ buckets })).toBeNull();
  });
});
