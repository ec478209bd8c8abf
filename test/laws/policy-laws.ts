/**
 * What every conflict policy must keep (I2), so that all sites end equal whatever order operations reach them in, and
 * however often. A policy that is added to the registry is held against this without another line of test.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SiteId } from "../../src/core/ids.js";
import { NO_BYTES, type Operation } from "../../src/core/operation.js";
import type { ConflictPolicy, Standing } from "../../src/core/policy/policy.js";
import { type Version, compareVersions } from "../../src/core/version.js";
import { keyNamed, siteNamed } from "../core/names.js";

const SITES: readonly SiteId[] = ["a", "b", "c"].map(siteNamed);
const RUNS = { numRuns: 1_000 };

/** A site's key: what the policy sees, and the value that applications see. */
interface Held extends Standing {
  readonly value: Uint8Array;
}

/** Few times, so that sites tie; the version makes the rest of the operation, because one version is one operation (I1). */
const anyOperation: fc.Arbitrary<Operation> = fc
  .record({ ts: fc.integer({ min: 1, max: 6 }), site: fc.constantFrom(...SITES), expired: fc.boolean() })
  .map(({ ts, site, expired }) => {
    const deleted = (ts + site.charCodeAt(0)) % 3 === 0 || expired;
    const other = SITES.find((candidate) => candidate !== site) ?? site;
    return {
      // An entry past its deadline is a tombstone of the same version: the one way to two forms of one version.
      kind: deleted ? "delete" : "put",
      key: keyNamed("k"),
      value: deleted ? NO_BYTES : new TextEncoder().encode(`${ts} ${site}`),
      version: { ts, site },
      base: ts % 2 === 0 ? { ts: ts - 1, site: other } : null,
      expiresUs: null,
    };
  });
const anyOperations = fc.array(anyOperation, { minLength: 1, maxLength: 8 });

function apply(policy: ConflictPolicy, held: Held | undefined, operation: Operation): Held | undefined {
  if (policy.decide(held, operation).outcome !== "apply") return held;
  return { version: operation.version, base: operation.base, kind: operation.kind, value: operation.value };
}

const applyAll = (policy: ConflictPolicy, operations: readonly Operation[], from?: Held): Held | undefined =>
  operations.reduce<Held | undefined>((held, operation) => apply(policy, held, operation), from);

const asOperation = ({ version, base, kind, value }: Held): Operation => ({
  kind,
  key: keyNamed("k"),
  value,
  version,
  base: base ?? null,
  expiresUs: null,
});

/** The operations in some order, and what arrives once more at which place. */
type Schedule = readonly [readonly Operation[], readonly (readonly [number, Operation])[]];

/** Two sites that exchange what they hold. */
const merge = (policy: ConflictPolicy, a: Held, b: Held) => apply(policy, a, asOperation(b)) ?? a;

/** @param compare the order in which versions win, where it is not the plain one */
export function policyLaws(policy: ConflictPolicy, compare: (a: Version, b: Version) => number = compareVersions): void {
  describe(`the policy ${policy.name}`, () => {
    const held = (operation: Operation) => apply(policy, undefined, operation) as Held;

    it("takes whatever comes first for a key", () => {
      fc.assert(
        fc.property(anyOperation, (operation) => {
          expect(policy.decide(undefined, operation).outcome).toBe("apply");
        }),
        RUNS,
      );
    });

    it("is commutative: two writes end alike in either order", () => {
      fc.assert(
        fc.property(anyOperation, anyOperation, (a, b) => {
          expect(merge(policy, held(a), held(b))).toEqual(merge(policy, held(b), held(a)));
        }),
        RUNS,
      );
    });

    it("is associative: three writes end alike in whatever pairs they meet", () => {
      fc.assert(
        fc.property(anyOperation, anyOperation, anyOperation, (a, b, c) => {
          const left = merge(policy, merge(policy, held(a), held(b)), held(c));
          expect(left).toEqual(merge(policy, held(a), merge(policy, held(b), held(c))));
        }),
        RUNS,
      );
    });

    it("is idempotent: what has been applied or refused once changes nothing any more", () => {
      fc.assert(
        fc.property(anyOperations, fc.nat(), (operations, choice) => {
          const end = applyAll(policy, operations);
          const again = operations[choice % operations.length] as Operation;
          expect(policy.decide(end, again).outcome).not.toBe("apply");
        }),
        RUNS,
      );
    });

    it("ends alike at every site, in any order and with any repeats", () => {
      const anySchedules = anyOperations.chain((operations) => {
        const schedule = fc.tuple(
          fc.shuffledSubarray(operations, { minLength: operations.length }),
          fc.array(fc.tuple(fc.nat(), fc.constantFrom(...operations)), { maxLength: 6 }),
        );
        return fc.tuple(schedule, schedule);
      });
      const schedule = ([operations, repeats]: Schedule) => {
        const all = [...operations];
        for (const [at, operation] of repeats) all.splice(at % (all.length + 1), 0, operation);
        return all;
      };
      fc.assert(
        fc.property(anySchedules, ([one, other]) => {
          expect(applyAll(policy, schedule(one))).toEqual(applyAll(policy, schedule(other)));
        }),
        RUNS,
      );
    });

    it("never lets a key's version fall", () => {
      fc.assert(
        fc.property(anyOperations, (operations) => {
          let before: Held | undefined;
          for (const operation of operations) {
            const after = apply(policy, before, operation);
            const rises =
              before === undefined || (after !== undefined && compare(after.version, before.version) >= 0);
            expect(rises).toBe(true);
            before = after;
          }
        }),
        RUNS,
      );
    });

    it("lets a tombstone stand against a put of the same version", () => {
      fc.assert(
        fc.property(anyOperation, (operation) => {
          const put: Operation = { ...operation, kind: "put", value: new Uint8Array([1]) };
          const tombstone: Operation = { ...operation, kind: "delete", value: NO_BYTES };
          expect(applyAll(policy, [put, tombstone])?.kind).toBe("delete");
          expect(applyAll(policy, [tombstone, put])?.kind).toBe("delete");
        }),
        RUNS,
      );
    });

    it("is pure: it answers the same question alike and changes nothing", () => {
      fc.assert(
        fc.property(fc.option(anyOperation, { nil: undefined }), anyOperation, (first, operation) => {
          const current = first === undefined ? undefined : Object.freeze(held(first));
          const frozen = Object.freeze({ ...operation });
          expect(policy.decide(current, frozen)).toEqual(
            policy.decide(structuredClone(current), structuredClone(operation)),
          );
        }),
        RUNS,
      );
    });
  });
}
