/** Every policy of the registry against the laws, and what counts as a conflict. */
import { describe, expect, it } from "vitest";
import type { Operation } from "../../src/core/operation.js";
import { lww } from "../../src/core/policy/lww.js";
import type { Standing } from "../../src/core/policy/policy.js";
import { POLICIES } from "../../src/core/policy/registry.js";
import type { Version } from "../../src/core/version.js";
import { operationAt } from "../core/arbitraries.js";
import { siteNamed } from "../core/names.js";
import { policyLaws } from "./policy-laws.js";

for (const policy of Object.values(POLICIES)) policyLaws(policy);

describe("the registry", () => {
  it("lists every policy under its own name", () => {
    for (const [name, policy] of Object.entries(POLICIES)) expect(policy.name).toBe(name);
  });
});

const [A, B, C] = [siteNamed("a"), siteNamed("b"), siteNamed("c")];
const at = (ts: number, site = A): Version => ({ ts, site });
const standing = (version: Version, base: Version | null = null): Standing => ({ version, base, kind: "put" });
const UNKNOWN_BASE: Standing = { version: at(6), base: undefined, kind: "put" };
const operation = (version: Version, base: Version | null = null): Operation =>
  operationAt(version.ts, version.site, { base });

type Case = readonly [
  current: Standing | undefined,
  next: Operation,
  outcome: "apply" | "stale" | "duplicate",
  conflict: boolean,
];

const CASES: Readonly<Record<string, Case>> = {
  "a first write is none": [undefined, operation(at(5, B)), "apply", false],
  "two sites wrote without seeing each other, and the peer won": [standing(at(4)), operation(at(5, B)), "apply", true],
  "two sites wrote without seeing each other, and we won": [standing(at(6)), operation(at(5, B)), "stale", true],
  "two sites wrote in the same microsecond": [standing(at(5)), operation(at(5, B)), "apply", true],
  "the peer had seen our write": [standing(at(4)), operation(at(5, B), at(4)), "apply", false],
  "the peer had seen a later write than ours": [standing(at(3)), operation(at(5, B), at(4, C)), "apply", false],
  "the peer had seen an earlier write only": [standing(at(4)), operation(at(5, B), at(3)), "apply", true],
  "we had seen the peer's write, which comes late": [standing(at(6), at(5, B)), operation(at(5, B)), "stale", false],
  "we had seen an earlier write of the peer only": [standing(at(6), at(4, B)), operation(at(5, B)), "stale", true],
  "one site's own later write is none": [standing(at(4, B)), operation(at(5, B)), "apply", false],
  "one site's own earlier write is none": [standing(at(6, B)), operation(at(5, B)), "stale", false],
  "an unknown base of what stands is no alarm": [UNKNOWN_BASE, operation(at(5, B)), "stale", false],
  "the same write again is none": [standing(at(5, B)), operation(at(5, B)), "duplicate", false],
};

describe("a conflict under last writer wins", () => {
  it.each(Object.entries(CASES))("%s", (_, [current, next, outcome, conflict]) => {
    expect(lww.decide(current, next)).toEqual({ outcome, conflict });
  });

  it("is counted for a delete as for a put", () => {
    const deleted: Operation = { ...operation(at(5, B)), kind: "delete", value: new Uint8Array(0) };
    expect(lww.decide(standing(at(4)), deleted)).toEqual({ outcome: "apply", conflict: true });
    const tombstone: Standing = { ...standing(at(6)), kind: "delete" };
    expect(lww.decide(tombstone, operation(at(5, B)))).toEqual({ outcome: "stale", conflict: true });
  });

  it("never arises where one site's write reaches a site that has been idle", () => {
    const first = operation(at(4, B));
    const second = operation(at(9, B), null);
    expect(lww.decide(undefined, first).conflict || lww.decide(standing(first.version), second).conflict).toBe(false);
  });
});
