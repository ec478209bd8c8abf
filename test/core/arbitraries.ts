/**
 * Arbitrary values of the domain for properties. Alphabets and ranges are small on purpose: equal keys, close versions
 * and equal timestamps at two sites must be common, because that is where rules break.
 */
import fc from "fast-check";
import type { SiteId } from "../../src/core/ids.js";
import { TIMESTAMP_US_MAX } from "../../src/core/limits.js";
import { type EntryIdentity, NO_BYTES, type Operation, type OperationKind } from "../../src/core/operation.js";
import type { Version } from "../../src/core/version.js";
import { keyNamed, siteNamed } from "./names.js";

const SITE_NAMES = ["a", "b", "a-b", "a0", "site-a", "site-b", "9", "x".repeat(32)];
/** Every shape that NATS KV allows. */
const KEY_NAMES = ["k", "a.b.c", "-", "_", "=", "/", "a/b=c_d-e.F9", "0", "k".repeat(3_000)];

export const anySite = fc.constantFrom(...SITE_NAMES).map(siteNamed);
export const anyKey = fc.constantFrom(...KEY_NAMES).map(keyNamed);
export const anyKind: fc.Arbitrary<OperationKind> = fc.constantFrom("put", "delete", "purge");

/** Mostly close together, now and then anywhere within the bounds. */
export const anyTs = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 5 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: TIMESTAMP_US_MAX }) },
  { weight: 1, arbitrary: fc.constantFrom(1, TIMESTAMP_US_MAX - 1, TIMESTAMP_US_MAX) },
);

export const anyVersion: fc.Arbitrary<Version> = fc.record({ ts: anyTs, site: anySite });
export const anyBase = fc.option(anyVersion, { nil: null });

/** All 256 byte values, text of every script, and nothing at all. */
export const anyValue = fc.oneof(
  fc.uint8Array({ maxLength: 64 }),
  fc.string({ unit: "binary", maxLength: 32 }).map((text) => new TextEncoder().encode(text)),
  fc.constant(NO_BYTES),
);

export const anyOperation: fc.Arbitrary<Operation> = fc
  .record({
    kind: anyKind,
    key: anyKey,
    value: anyValue,
    version: anyVersion,
    base: anyBase,
    expiresUs: fc.option(anyTs, { nil: null }),
  })
  .map((operation) => (operation.kind === "put" ? operation : { ...operation, value: NO_BYTES }));

const nanoseconds = fc.bigInt({ min: 1n, max: 9_223_372_036_854_775_807n }).map(String);

export const anyIdentity: fc.Arbitrary<EntryIdentity> = fc.record({
  bucketCreated: nanoseconds,
  revision: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  timestampNs: nanoseconds,
});

/** The operation that names `version`, where only the version matters. */
export const operationAt = (ts: number, site: SiteId, more: Partial<Operation> = {}): Operation => ({
  kind: "put",
  key: keyNamed("k"),
  value: new TextEncoder().encode(`${ts} at ${site}`),
  version: { ts, site },
  base: null,
  expiresUs: null,
  ...more,
});
