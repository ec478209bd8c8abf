/** I1: versions are totally ordered, and one version has one text. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TIMESTAMP_US_MAX } from "../../src/core/limits.js";
import { newerVersion } from "../../src/core/operation.js";
import { compareVersions, formatVersion, parseVersion } from "../../src/core/version.js";
import { anyBase, anyVersion } from "./arbitraries.js";
import { siteNamed } from "./names.js";

const sign = (order: number) => Math.sign(order);

describe("the order of versions", () => {
  it("decides by time first, whatever the sites are called", () => {
    expect(compareVersions({ ts: 1, site: siteNamed("z") }, { ts: 2, site: siteNamed("a") })).toBeLessThan(0);
    expect(compareVersions({ ts: 2, site: siteNamed("a") }, { ts: 1, site: siteNamed("z") })).toBeGreaterThan(0);
  });

  it("decides equal times by the bytes of the site's name", () => {
    const rising = ["0", "9", "a", "a-b", "a0", "aa", "b"].map(siteNamed);
    const shuffled = [...rising].reverse();
    shuffled.sort((a, b) => compareVersions({ ts: 7, site: a }, { ts: 7, site: b }));
    expect(shuffled).toEqual(rising);
    expect([...rising].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))).toEqual(rising);
  });

  it("is total: two versions compare equal if and only if they are the same", () => {
    fc.assert(
      fc.property(anyVersion, anyVersion, (a, b) => {
        expect(compareVersions(a, b) === 0).toBe(a.ts === b.ts && a.site === b.site);
      }),
    );
  });

  it("is antisymmetric and transitive", () => {
    fc.assert(
      fc.property(anyVersion, anyVersion, anyVersion, (a, b, c) => {
        expect(sign(compareVersions(a, b))).toBe(-sign(compareVersions(b, a)) + 0);
        if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) expect(compareVersions(a, c)).toBeLessThanOrEqual(0);
      }),
      { numRuns: 2_000 },
    );
  });

  it("has a newer one of two wherever at least one is known", () => {
    expect(newerVersion(null, null)).toBeNull();
    fc.assert(
      fc.property(anyVersion, anyBase, (a, b) => {
        const newer = newerVersion(a, b);
        expect(newer).toEqual(newerVersion(b, a));
        expect([a, b]).toContainEqual(newer);
        const passed = [a, b].filter((other) => other !== null);
        for (const other of passed) expect(compareVersions(newer ?? a, other)).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

describe("the text of a version", () => {
  it("reads as time, one space, site", () => {
    expect(formatVersion({ ts: 1_730_542_200_000_000, site: siteNamed("site-a") })).toBe("1730542200000000 site-a");
  });

  it("is read back as the same version", () => {
    fc.assert(
      fc.property(anyVersion, (version) => {
        expect(parseVersion(formatVersion(version))).toEqual(version);
      }),
    );
  });

  it("holds every time from 1 to the largest exact integer, and none beyond", () => {
    for (const ts of [1, TIMESTAMP_US_MAX]) expect(parseVersion(`${ts} a`)).toEqual({ ts, site: "a" });
    const beyond = "0|-1|9007199254740992|9007199254740993|9999999999999999|253402300799000000|1e3|1.5|NaN|Infinity";
    for (const ts of beyond.split("|")) expect(parseVersion(`${ts} a`), ts).toBeNull();
  });

  it("holds site names only as the config allows them", () => {
    expect(parseVersion(`1 ${"x".repeat(32)}`)).not.toBeNull();
    const refused = [..."|A|a_b|-a|a-|a.b|ä|*|>".split("|"), "x".repeat(33)];
    for (const site of refused) expect(parseVersion(`1 ${site}`), site).toBeNull();
  });

  it("has exactly one form: what differs by a character from it is refused", () => {
    const almost = "| |1|a|1a|1  a| 1 a|1 a |1\ta|01 a|+1 a|1 a\r\n|1 a\n|1 a b|1\0 a|٣ a|1 a 2 b|0x1 a";
    for (const text of almost.split("|")) expect(parseVersion(text), JSON.stringify(text)).toBeNull();
  });
});
