/** I5: a local write that overwrote version v gets a version above v, and a replay gets the same one. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Predecessor, stampLocalWrite } from "../../src/core/stamp.js";
import { STAMP_STEPS } from "../../src/core/limits.js";
import { compareVersions } from "../../src/core/version.js";
import { anyBase, anySite } from "./arbitraries.js";
import { siteNamed } from "./names.js";

const [A, B, C] = [siteNamed("a"), siteNamed("b"), siteNamed("c")];
const at = (timestampUs: number, ns = 0) => ({ timestampUs, timestampNs: `${timestampUs * 1_000 + ns}` });

/** Real clocks, right or wrong by years, but not at the end of all numbers. */
const anyTime = fc.integer({ min: 1, max: 4e15 });
const anyPredecessor: fc.Arbitrary<Predecessor | undefined> = fc.option(
  fc.record({ version: fc.record({ ts: anyTime, site: anySite }), base: fc.option(anyBase, { nil: undefined }) }),
  { nil: undefined },
);

describe("the stamp of a local write", () => {
  it("is the server's time where nothing stands in the way", () => {
    expect(stampLocalWrite(at(1_000), A, undefined, 0)).toEqual({ version: { ts: 1_000, site: A }, base: null });
  });

  it("is a little above the predecessor where the local clock is not", () => {
    const previous = { version: { ts: 5_000, site: B }, base: null };
    const aboveBy = (entry: ReturnType<typeof at>) => stampLocalWrite(entry, A, previous, 0).version.ts - 5_000;
    expect([at(0), at(0, 1), at(0, 250), at(0, 251)].map(aboveBy)).toEqual([1, 2, 251, 1]);
    expect(stampLocalWrite(at(5_000, 999), A, previous, 0).version.ts).toBeGreaterThan(5_000);
    expect(stampLocalWrite(at(5_001), A, previous, 0).version.ts).toBe(5_001);
  });

  it("is hardly ever the same for two writes over one predecessor, which a store that was put back may have", () => {
    const previous = { version: { ts: 5e15, site: B }, base: null };
    const stamps = Array.from({ length: 1_000 }, (_, n) => stampLocalWrite(at(1.7e15 + n * 7_919, n % 1_000), A, previous, 0).version.ts);
    const pairs = stamps.slice(1).filter((ts, n) => ts === stamps[n]);
    expect(pairs.length).toBeLessThan(20);
    expect(new Set(stamps).size).toBeGreaterThan(200);
  });

  it("is above the predecessor, above the floor and not before the server's time, whatever the clocks say", () => {
    fc.assert(
      fc.property(anyTime, anySite, anyPredecessor, fc.oneof(fc.constant(0), anyTime), (time, site, previous, aboveUs) => {
        const { version } = stampLocalWrite(at(time), site, previous, aboveUs);
        expect(version.site).toBe(site);
        expect(version.ts).toBeGreaterThanOrEqual(time);
        expect(version.ts).toBeGreaterThan(aboveUs);
        if (previous !== undefined) expect(compareVersions(version, previous.version)).toBeGreaterThan(0);
        // Nothing moves it further than it must: it follows the clock as soon as the clock allows.
        const beforeUs = Math.max(previous?.version.ts ?? 0, aboveUs);
        if (time > beforeUs) expect(version.ts).toBe(time);
        else expect(version.ts - beforeUs).toBeLessThanOrEqual(STAMP_STEPS);
      }),
    );
  });

  it("is the same in a replay", () => {
    fc.assert(
      fc.property(anyTime, anySite, anyPredecessor, anyTime, (time, site, previous, aboveUs) => {
        const again = structuredClone(previous);
        expect(stampLocalWrite(at(time), site, again, aboveUs)).toEqual(stampLocalWrite(at(time), site, previous, aboveUs));
      }),
    );
  });

  it("rises through any chain of writes at changing sites", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyTime, anySite), { minLength: 2, maxLength: 10 }), (writes) => {
        let previous: Predecessor | undefined;
        for (const [time, site] of writes) {
          const next = stampLocalWrite(at(time), site, previous, 0);
          if (previous !== undefined) expect(compareVersions(next.version, previous.version)).toBeGreaterThan(0);
          previous = next;
        }
      }),
    );
  });
});

describe("the base of a local write", () => {
  it("is the version of another site that it overwrote", () => {
    const previous = { version: { ts: 5, site: B }, base: { ts: 3, site: C } };
    expect(stampLocalWrite(at(9), A, previous, 0).base).toEqual({ ts: 5, site: B });
  });

  it("is handed on through the site's own earlier writes", () => {
    const first = stampLocalWrite(at(9), A, { version: { ts: 5, site: B }, base: null }, 0);
    const second = stampLocalWrite(at(10), A, first, 0);
    expect(stampLocalWrite(at(11), A, second, 0).base).toEqual({ ts: 5, site: B });
  });

  it("is none where no other site's write was overwritten, or none is known", () => {
    expect(stampLocalWrite(at(9), A, undefined, 0).base).toBeNull();
    expect(stampLocalWrite(at(9), A, { version: { ts: 5, site: A }, base: null }, 0).base).toBeNull();
    expect(stampLocalWrite(at(9), A, { version: { ts: 5, site: A }, base: undefined }, 0).base).toBeNull();
  });

  it("is always a version of another site, below the stamp", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyTime, anySite), { minLength: 1, maxLength: 10 }), (writes) => {
        let previous: Predecessor | undefined;
        for (const [time, site] of writes) {
          const { version, base } = stampLocalWrite(at(time), site, previous, 0);
          if (base !== null) {
            expect(base.site).not.toBe(site);
            expect(compareVersions(base, version)).toBeLessThan(0);
          }
          // As another site sees it, a predecessor is that version with a base of its own.
          previous = { version, base };
        }
      }),
    );
  });
});
