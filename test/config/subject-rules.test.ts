import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isKey } from "../../src/core/ids.js";
import { createKeyFilter } from "../../src/core/key-filter.js";
import { keyPatternFlaw, subjectFlaw } from "../../src/config/subject-rules.js";
import { problemsOf, withBuckets } from "./config-rig.js";

const token = fc.constantFrom("a", "b", "ab");
const subject = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => ["rep", ...tokens].join("."));

/** Whether operations of one would be stored in the other's log. */
const contains = (outer: string, inner: string): boolean => outer === inner || inner.startsWith(`${outer}.`);

describe("the subjects of buckets", () => {
  it("are refused if and only if one contains another", () => {
    fc.assert(
      fc.property(fc.array(subject, { minLength: 1, maxLength: 6 }), (subjects) => {
        const text = withBuckets(subjects.map((each, index) => `b${index}: { subject: ${each} }`).join("\n"));
        const clash = subjects.some((outer, at) =>
          subjects.some((inner, other) => at !== other && contains(outer, inner)),
        );
        expect(problemsOf(text).length > 0).toBe(clash);
      }),
    );
  });

  it.each(["a", "rep.kv.ops.config", "REP.x-1", "rep.ü", "kvgwx.a", "a.$b", "a._INBOX"])("may be %s", (text) => {
    expect(subjectFlaw(text)).toBeNull();
  });

  it.each([
    "",
    ".",
    "a.",
    ".a",
    "a..b",
    "a.*",
    ">",
    "a b",
    "a\tb",
    "a\u0000",
    "$SYS.x",
    "_INBOX.a",
    "_R_.x",
    "kvgw",
    "kvgw.a",
  ])("may not be %j", (text) => {
    expect(subjectFlaw(text)).not.toBeNull();
  });
});

describe("key filters", () => {
  it("may be any key, which then takes part itself", () => {
    const key = fc.stringMatching(/^[-/_=.A-Za-z0-9]{1,20}$/).filter((text) => isKey(text));
    fc.assert(
      fc.property(key, (text) => {
        expect(keyPatternFlaw(text)).toBeNull();
        expect(createKeyFilter({ include: [text], exclude: [] })(text)).toBe(true);
      }),
    );
  });

  it.each([">", "*", "*.*", "a.>", "a.*.b.>", "*.>"])("may be %s", (pattern) => {
    expect(keyPatternFlaw(pattern)).toBeNull();
  });

  it.each(["", ".", "a.", "a..b", ">.a", "a>", "*a", "a*", "a b", "ä", "a.>.>", "**"])("may not be %j", (pattern) => {
    expect(keyPatternFlaw(pattern)).not.toBeNull();
  });
});
