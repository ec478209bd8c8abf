/**
 * The clock guard against the laws of a policy: at any moment, what is far ahead of the clock stands below everything that
 * is not, and the rest is as before. So sites whose clocks agree end equal, whatever came to which of them first (I2).
 */
import { describe, expect, it } from "vitest";
import type { Operation } from "../../src/core/operation.js";
import { lww } from "../../src/core/policy/lww.js";
import type { ConflictPolicy, Standing } from "../../src/core/policy/policy.js";
import type { Known } from "../../src/core/replica.js";
import { type Version, compareVersions } from "../../src/core/version.js";
import { createClockGuard } from "../../src/pipeline/clock-guard.js";
import { operationAt } from "../core/arbitraries.js";
import { keyNamed, siteNamed } from "../core/names.js";
import { createVirtualClock } from "../memory/virtual-clock.js";
import { policyLaws } from "./policy-laws.js";

const HERE = siteNamed("z");
const K = keyNamed("k");

/** Of the times 1 to 6 that the laws draw, 4 and later are far in the future. */
function guardAt(trusted = true) {
  const clock = createVirtualClock(0);
  const guard = createClockGuard({ site: HERE, clock, maxClockSkewMs: () => 0.003 });
  if (trusted) guard.measured(siteNamed("a"), 0);
  return guard;
}

/** As the applier decides; but an operation that comes too early is set aside there, and here it is what loses. */
function guarded(): ConflictPolicy {
  const guard = guardAt();
  return {
    name: "lww under the clock guard",
    decide(current: Standing | undefined, operation: Operation) {
      const standing = guard.standing(K, current === undefined ? undefined : { ...current, revision: 1 }, operation.version);
      const decision = lww.decide(standing, operation);
      const isTooEarly = guard.isAhead(operation.version) && current !== undefined && !guard.isAhead(current.version);
      return isTooEarly ? { outcome: "stale", conflict: false } : decision;
    },
  };
}

const isLate = ({ ts }: Version) => ts > 3;
policyLaws(guarded(), (a, b) => Number(isLate(b)) - Number(isLate(a)) || compareVersions(a, b));

describe("the clock guard", () => {
  const known = (ts: number, site = "a"): Known => ({ version: { ts, site: siteNamed(site) }, base: null, kind: "put", revision: 1 });
  const sane = operationAt(2, siteNamed("b")).version;

  it("lets what is not ahead replace what is, and nothing else out of order", () => {
    const guard = guardAt();
    expect(guard.standing(K, known(6), sane)).toBeUndefined();
    expect(guard.standing(K, known(3), sane)).toEqual(known(3));
    expect(guard.standing(K, known(6), known(5).version)).toEqual(known(6));
  });

  it("gives nothing up while no other clock agrees with the one here", () => {
    const guard = guardAt(false);
    expect(guard.standing(K, known(6), sane)).toEqual(known(6));
    expect(guard.holdsBack(K, known(6).version)).toBe(true);
  });

  it("goes by most of the clocks, this one among them", () => {
    const guard = guardAt(false);
    const [a, b, c] = ["a", "b", "c"].map(siteNamed) as [typeof HERE, typeof HERE, typeof HERE];
    guard.measured(a, 10_000);
    expect(guard.isTrusted()).toBe(false);
    guard.measured(b, 0);
    expect(guard.isTrusted()).toBe(true);
    guard.measured(c, 10_000);
    expect(guard.isTrusted()).toBe(false);
  });

  it("keeps what an operator has let pass", () => {
    const guard = guardAt();
    guard.admit(K, known(6).version);
    expect(guard.holdsBack(K, known(6).version)).toBe(false);
    expect(guard.standing(K, known(6), sane)).toEqual(known(6));
    expect(guard.holdsBack(keyNamed("other"), known(6).version)).toBe(true);
    guard.expel(K, known(6).version);
    expect(guard.holdsBack(K, known(6).version)).toBe(true);
  });

  it("keeps an own version that is to be logged again", () => {
    const guard = guardAt();
    guard.protectOwn(({ ts }) => ts === 6);
    expect(guard.standing(K, known(6, "z"), sane)).toEqual(known(6, "z"));
    expect(guard.standing(K, known(5, "z"), sane)).toBeUndefined();
    expect(guard.standing(K, known(6), sane)).toBeUndefined();
  });
});
