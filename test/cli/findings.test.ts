/** What is wrong with a key, by what each site holds of it. */
import { describe, expect, it } from "vitest";
import { type Finding, type Holding, type Judgement, judge } from "../../src/cli/verify/findings.js";
import type { SiteId } from "../../src/core/ids.js";

const SITES = ["a", "b", "c"] as SiteId[];

interface Written {
  /** Microseconds of the version; null for what nobody knows. */
  readonly ts: number | null;
  readonly site?: string;
  readonly writtenUs?: number;
}

const written = ({ ts, site = "a", writtenUs = 1 }: Written) => ({
  revision: 1,
  writtenUs,
  version: ts === null ? null : { ts, site: site as SiteId },
});
const value = (hash: string, by: Written): Holding => ({ kind: "value", hash, bytes: 1, ...written(by) });
const tombstone = (kind: "delete" | "purge" | "expired", by: Written): Holding => ({ kind, ...written(by) });
const MISSING: Holding = { kind: "missing" };

const judged = (holdings: readonly Holding[], strict = false): Judgement =>
  judge(holdings.map((holding, at) => [SITES[at] as SiteId, holding]), strict);

describe("the finding of a key", () => {
  it.each<[string, readonly Holding[], Judgement["category"], readonly Finding[]]>([
    ["nothing where all hold the same", [value("x", { ts: 5 }), value("x", { ts: 5 })], null, ["newest", "same"]],
    ["nothing where nobody has anything", [MISSING, MISSING], null, ["same", "same"]],
    ["nothing where one has swept a tombstone", [tombstone("delete", { ts: 5 }), MISSING], null, ["newest", "same"]],
    ["nothing where one has expired and one has nothing", [MISSING, tombstone("expired", { ts: null })], null, ["same", "newest"]],
    ["another value than the newest", [value("x", { ts: 5 }), value("y", { ts: 6 })], "different", ["different", "newest"]],
    ["missing where one has none", [value("x", { ts: 5 }), MISSING], "missing", ["newest", "missing"]],
    ["missing behind an older delete", [tombstone("delete", { ts: 4 }), value("x", { ts: 5 })], "missing", ["missing", "newest"]],
    ["extra where the newest is a delete", [tombstone("purge", { ts: 6 }), value("x", { ts: 5 })], "extra", ["newest", "extra"]],
    ["extra where it has expired elsewhere", [tombstone("expired", { ts: null, writtenUs: 9 }), value("x", { ts: 5 })], "extra", ["newest", "extra"]],
    ["the version alone, of a value", [value("x", { ts: 6 }), value("x", { ts: 5 })], "version", ["newest", "version"]],
    ["the version alone, of a tombstone", [tombstone("purge", { ts: 5 }), tombstone("delete", { ts: 6 })], "version", ["version", "newest"]],
    ["no version of an expiry", [tombstone("expired", { ts: 5 }), tombstone("delete", { ts: 6 })], null, ["same", "newest"]],
    ["the gravest of several", [value("x", { ts: 9 }), MISSING, value("y", { ts: 5 })], "different", ["newest", "missing", "different"]],
  ])("is %s", (_, holdings, category, findings) => {
    expect(judged(holdings)).toEqual({ category, findings });
    expect(judged([...holdings].reverse()).category).toBe(category);
  });

  it("takes a write that is not logged yet to stand at its server's time", () => {
    const unlogged = value("new", { ts: null, writtenUs: 9 });
    expect(judged([value("old", { ts: 5 }), unlogged]).findings).toEqual(["different", "newest"]);
    expect(judged([value("later", { ts: 10 }), unlogged]).findings).toEqual(["newest", "different"]);
  });

  it("asks who most agree with, and then who wrote it, where one version has two values", () => {
    const forged = value("forged", { ts: 5, site: "b" });
    const real = value("real", { ts: 5, site: "b" });
    expect(judged([forged, real, real]).findings).toEqual(["different", "newest", "same"]);
    expect(judged([forged, real]).findings).toEqual(["different", "newest"]);
    expect(judged([real, tombstone("expired", { ts: 5, site: "b" })]).findings).toEqual(["extra", "newest"]);
  });

  it("is the version only if it was asked for, where nobody knows it", () => {
    const holdings = [value("x", { ts: null }), value("x", { ts: 5 }), tombstone("expired", { ts: null })] as const;
    expect(judged(holdings.slice(0, 2)).category).toBeNull();
    expect(judged(holdings.slice(0, 2), true)).toEqual({ category: "version", findings: ["version", "newest"] });
    expect(judged([holdings[2], holdings[2]], true).category).toBeNull();
  });
});
