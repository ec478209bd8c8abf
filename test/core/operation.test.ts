/** Deadlines and identities of operations. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asOfNow, sameIdentity } from "../../src/core/operation.js";
import { anyIdentity, anyOperation, operationAt } from "./arbitraries.js";
import { siteNamed } from "./names.js";

const A = siteNamed("a");

describe("an operation with a deadline", () => {
  const operation = operationAt(5, A, { expiresUs: 1_000 });

  it("is what it was until the deadline", () => {
    expect(asOfNow(operation, 999)).toBe(operation);
  });

  it("is a tombstone of the same version and base from the deadline on", () => {
    for (const now of [1_000, 1_001, Number.MAX_SAFE_INTEGER]) {
      const tombstone = asOfNow(operation, now);
      expect(tombstone).toEqual({ ...operation, kind: "delete", value: new Uint8Array(0) });
    }
  });

  it("never comes back: what is a tombstone now is the same one later", () => {
    fc.assert(
      fc.property(anyOperation, fc.nat(), fc.nat(), (any, now, more) => {
        expect(asOfNow(asOfNow(any, now), now + more)).toEqual(asOfNow(any, now + more));
      }),
    );
  });

  it("leaves deletes and operations without a deadline alone", () => {
    fc.assert(
      fc.property(anyOperation, fc.nat(), (any, now) => {
        if (any.kind !== "put" || any.expiresUs === null) expect(asOfNow(any, now)).toBe(any);
      }),
    );
  });
});

describe("the identity of an entry", () => {
  it("is the bucket's creation, the revision and the server's time together", () => {
    fc.assert(
      fc.property(anyIdentity, anyIdentity, (a, b) => {
        expect(sameIdentity(a, { ...a })).toBe(true);
        for (const part of ["bucketCreated", "revision", "timestampNs"] as const) {
          expect(sameIdentity(a, { ...a, [part]: b[part] })).toBe(a[part] === b[part]);
        }
      }),
    );
  });
});
