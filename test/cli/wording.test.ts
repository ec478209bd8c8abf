import { describe, expect, it } from "vitest";
import { count, formatAgo, formatMicros, formatMs, printable } from "../../src/cli/wording.js";
import { formatSeconds } from "../../src/core/age.js";

const NOW = Date.parse("2030-01-02T00:00:00.000Z");

describe("wording", () => {
  it("counts one thing and many", () => {
    expect([count(0, "key"), count(1, "key"), count(2, "key")]).toEqual(["0 keys", "1 key", "2 keys"]);
  });

  it("says durations in their largest unit", () => {
    expect([0, 0.44, 1, 12.9, 60, 3_599, 3_600, 86_399, 86_400 * 3].map(formatSeconds)).toEqual(
      ["0 s", "0.4 s", "1 s", "12 s", "1 min", "59 min", "1 h", "23 h", "3 d"],
    );
    expect([0.6, 999, 1_000, 61_000].map(formatMs)).toEqual(["1 ms", "999 ms", "1.0 s", "61.0 s"]);
  });

  it("says times relative to now, and never for what has not happened", () => {
    const times = ["2030-01-01T23:59:59.500Z", "2030-01-01T23:57:00.000Z", "2029-12-31T00:00:00.000Z", null, ""];
    expect(times.map((time) => formatAgo(time, NOW))).toEqual(["just now", "3 min ago", "2 d ago", "never", "never"]);
  });

  it("takes a time ahead of the own clock for now, and shows what is no time as it is", () => {
    expect(formatAgo("2030-01-02T00:05:00.000Z", NOW)).toBe("just now");
    expect(formatAgo("yesterday\u0007", NOW)).toBe("yesterday\\x07");
  });

  it("lets no foreign text speak to the terminal", () => {
    expect(printable("a\u001b[31mb\r\nc\u009b")).toBe("a\\x1b[31mb\\x0d\\x0ac\\x9b");
    expect(printable("käse · ✔")).toBe("käse · ✔");
  });

  it("tell microseconds to the last one", () => {
    expect(formatMicros(1_700_000_000_123_045)).toBe("2023-11-14T22:13:20.123045Z");
    expect(formatMicros(Number.MAX_SAFE_INTEGER)).toBe("2255-06-05T23:47:34.740991Z");
  });
});
