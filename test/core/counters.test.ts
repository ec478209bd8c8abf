/** Counts that only rise, and a histogram that loses nothing. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LATENCY_BOUNDS_S, createBucketCounters, observeLatency, peerCounters } from "../../src/core/counters.js";
import { siteNamed } from "./names.js";

const B = siteNamed("b");
const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0);
const histogram = () => peerCounters(createBucketCounters([B]), B).latency;

describe("the counters of a bucket", () => {
  it("begin at zero, for every peer that is known", () => {
    const counters = createBucketCounters([B]);
    expect([counters.captured, counters.races, counters.restarts]).toEqual([0, 0, 0]);
    expect([...counters.peers.keys()]).toEqual(["b"]);
    expect(Object.values(counters.setAside).every((count) => count === 0)).toBe(true);
  });

  it("are kept once per peer, and not shared between peers", () => {
    const counters = createBucketCounters([]);
    const first = peerCounters(counters, B);
    first.applied = 3;
    expect(peerCounters(counters, B)).toBe(first);
    expect(peerCounters(counters, siteNamed("c")).applied).toBe(0);
  });
});

describe("the histogram of latencies", () => {
  it("puts a bound into its own bucket, and what is above all bounds into the last", () => {
    const latency = histogram();
    for (const bound of LATENCY_BOUNDS_S) observeLatency(latency, bound);
    observeLatency(latency, 1e9);
    observeLatency(latency, Infinity);
    expect([...latency.counts]).toEqual([...LATENCY_BOUNDS_S.map(() => 1), 2]);
  });

  it("counts a negative latency as zero, because only clocks can make one", () => {
    const latency = histogram();
    observeLatency(latency, -3_600);
    expect([latency.counts[0], latency.sum]).toEqual([1, 0]);
  });

  it("holds every observation in the first bucket that is large enough", () => {
    const anySeconds = fc.double({ min: 0, max: 1e5, noNaN: true });
    fc.assert(
      fc.property(fc.array(anySeconds), (seconds) => {
        const latency = histogram();
        for (const each of seconds) observeLatency(latency, each);
        const upTo = (bound: number) => seconds.filter((each) => each <= bound).length;
        const cumulative = [...latency.counts].map((_, index) => sum([...latency.counts.slice(0, index + 1)]));
        expect(cumulative).toEqual([...LATENCY_BOUNDS_S, Infinity].map(upTo));
        expect(latency.sum).toBeCloseTo(sum(seconds), 5);
      }),
    );
  });
});
