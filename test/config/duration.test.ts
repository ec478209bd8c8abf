import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatDuration, parseDuration } from "../../src/config/duration.js";

describe("durations", () => {
  it.each([
    ["250ms", 250],
    ["30s", 30_000],
    ["5m", 300_000],
    ["24h", 86_400_000],
    ["7d", 604_800_000],
    ["0s", 0],
  ])("%s is %d ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(["", "5", "5 m", "1.5h", "-1s", "1h30m", "5M", "1w", "ms", "9999999999s", "٣s", "5m\n"])(
    "%j is none",
    (text) => {
      expect(parseDuration(text)).toBeNull();
    },
  );

  it("are read back as they were written, for every millisecond", () => {
    fc.assert(
      fc.property(fc.nat(999_999_999), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
  });

  it("are written in the largest unit that says them exactly", () => {
    expect([0, 1, 1_000, 90_000, 3_600_000, 86_400_000, 86_400_001].map(formatDuration)).toEqual([
      ...["0ms", "1ms", "1s", "90s", "1h", "1d", "86400001ms"],
    ]);
  });
});
