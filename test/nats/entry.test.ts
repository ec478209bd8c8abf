/** Deadlines: what a message's own time to live and its bucket's age make of it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TIMESTAMP_US_MAX } from "../../src/core/limits.js";
import { type EntryContext, toEntry } from "../../src/nats/entry.js";
import { logHeaders, readLogMessage } from "../../src/nats/log-codec.js";
import { operationAt } from "../core/arbitraries.js";
import { siteNamed } from "../core/names.js";
import { blockOf } from "./scripted-server.js";

const NOW_US = 1_730_542_200_000_000;
const SITE = siteNamed("a");

function deadlineOf(ttl: string | null, maxAgeNs: number, timestampUs = NOW_US, messageTtl = true): number | null {
  const block = ttl === null ? "" : blockOf({ "Nats-TTL": ttl });
  const context: EntryContext = { maxAgeUs: maxAgeNs / 1_000, messageTtl, clockOffsetUs: 0 };
  const message = { key: "k", value: new Uint8Array(1), revision: 1, timestampNs: `${timestampUs}000`, block };
  return toEntry(message, context).expiresUs;
}

/** Headers as the client library asks for them when it publishes. */
const textOf = (headers: object): string => Buffer.from((headers as { encode(): Uint8Array }).encode()).toString("latin1");

describe("an entry's deadline", () => {
  it.each([
    ["an age that is no whole number of microseconds", null, 514_285_714_285, NOW_US + 514_285_714],
    ["the same beside a longer time to live", "1h", 514_285_714_285, NOW_US + 514_285_714],
    ["a shorter time to live", "3s", 514_285_714_285, NOW_US + 3_000_000],
    ["an age and the word for no end", "never", 1_000_000_000, null],
    ["an age and what is no time to live", "soon", 1_000_000_000, NOW_US + 1_000_000],
    ["neither", null, 0, null],
    ["300 years", "9467280000", 0, null],
    ["300 years, in a bucket with an age", "9467280000", 1_000_000_000, NOW_US + 1_000_000],
    ["more seconds than a number holds", "999999999999", 0, null],
  ])("of %s", (_, ttl, maxAgeNs, expiresUs) => {
    expect(deadlineOf(ttl, maxAgeNs)).toBe(expiresUs);
  });

  it("is the bucket's age alone where messages may have no time to live of their own", () => {
    expect(deadlineOf("3s", 0, NOW_US, false)).toBeNull();
    expect(deadlineOf("3s", 10_000_000_000, NOW_US, false)).toBe(NOW_US + 10_000_000);
    expect(deadlineOf("never", 10_000_000_000, NOW_US, false)).toBe(NOW_US + 10_000_000);
  });

  it("may be the last of all times, and none beyond it", () => {
    expect(deadlineOf("1s", 0, TIMESTAMP_US_MAX - 1_000_000)).toBe(TIMESTAMP_US_MAX);
    expect(deadlineOf("1s", 0, TIMESTAMP_US_MAX - 999_999)).toBeNull();
  });

  it("is read by every peer as it was logged", () => {
    const ttl = fc.option(
      fc.oneof(
        fc.integer({ min: 0, max: 999_999_999_999 }).map(String),
        fc.double({ min: 0.001, max: 1e6, noNaN: true }).map((hours) => `${hours.toFixed(9)}h`),
        fc.integer({ min: 1 }).map((ns) => `${ns}ns`),
      ),
      { nil: null },
    );
    const maxAgeNs = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }));
    fc.assert(
      fc.property(ttl, maxAgeNs, fc.integer({ min: 1_000, max: TIMESTAMP_US_MAX }), (own, age, timestampUs) => {
        const expiresUs = deadlineOf(own, age, timestampUs);
        const identity = { bucketCreated: "1", revision: 1, timestampNs: "1" };
        const block = textOf(logHeaders(operationAt(NOW_US, SITE, { expiresUs }), identity, { last: 0, key: 0 }));
        const context = { origin: SITE, bucket: "b", format: "raw", headersOnly: false } as const;
        const read = readLogMessage({ key: "k", block, payload: new Uint8Array(1), sequence: 1 }, context);
        expect(read).toMatchObject({ ok: true, value: { operation: { expiresUs } } });
      }),
      { numRuns: 1_000 },
    );
  });
});
