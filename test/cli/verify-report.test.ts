/** The words of `kvgw verify`, where there is too much to show it all. */
import { describe, expect, it } from "vitest";
import { describeReport, toDocument } from "../../src/cli/verify/report.js";
import { createTerminal } from "../../src/cli/terminal.js";
import { VERIFY_BATCH_KEYS } from "../../src/core/limits.js";
import type { SiteId } from "../../src/core/ids.js";
import { compare, entry, reader } from "./site-readers.js";

const site = "site-a" as SiteId;
const keys = (ts: number) =>
  Array.from({ length: VERIFY_BATCH_KEYS + 1 }, (_, index) => entry(`key-${index}`, "x", { version: { ts, site } }));

function reading(ts: number): ReturnType<typeof reader> {
  const byKey = new Map(keys(ts).map((one) => [one.key, one]));
  return reader(keys(ts), (key) => byKey.get(key) ?? null);
}

describe("the report", () => {
  it("says of versions that more of them may differ than were looked at", async () => {
    const bucket = await compare([reading(5), reading(4)], { retries: 0 });
    const text = describeReport({ equal: true, buckets: [bucket] }, createTerminal());
    expect(text).toMatch(/^config +site-a, site-b +5001 +0 +equal, 5000 or more under other versions *$/m);
    expect(text).toContain("… and 4980 or more others");
    expect(text).toMatch(/^all sites are equal; some versions are not, .*--strict takes it for different$/m);
    expect(toDocument({ equal: true, buckets: [bucket] })).toMatchObject({
      buckets: [{ differences: 0, differingKeys: [], versionsComplete: false, categories: { version: 5_000 } }],
    });
  });

  it("says nothing of versions where they are equal", async () => {
    const bucket = await compare([reading(5), reading(5)], { retries: 0 });
    const text = describeReport({ equal: true, buckets: [bucket] }, createTerminal());
    expect(text).toMatch(/^config +site-a, site-b +5001 +0 +equal *$/m);
    expect(text).toMatch(/^all sites are equal$/m);
  });
});
