/** A name that has passed its parser can stand in any subject, stream and consumer name without further checks. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isKey, parseBucketName, parseKey, parseSiteId } from "../../src/core/ids.js";
import { KEY_LENGTH_MAX, SITE_NAME_LENGTH_MAX } from "../../src/core/limits.js";

const anyText = fc.oneof(fc.string({ unit: "binary" }), fc.string({ unit: fc.constantFrom(..."aB0.-_=/*> \r\n") }));

describe("keys", () => {
  it("are allowed in all shapes of NATS KV", () => {
    for (const key of ["k", "a.b.c", "-", "_", "=", "/", "/a/b", "a/b=c_d-e.F9", "k".repeat(KEY_LENGTH_MAX)]) {
      expect(parseKey(key), key.slice(0, 20)).toEqual({ ok: true, value: key });
    }
  });

  it("are refused where a subject would break or mean something else", () => {
    const bad = "|.|.a|a.|a..b|a b| |*|a.*|>|a.>|a\r\nb|a\0|a\t|ä|💥|a:b".split("|");
    for (const key of [...bad, "k".repeat(KEY_LENGTH_MAX + 1), "x".repeat(65_536)])
      expect(isKey(key), JSON.stringify(key.slice(0, 20))).toBe(false);
  });

  it("never hold an empty token, a wildcard, a space or a control character", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        if (!isKey(text)) return;
        expect(text.split(".").every((token) => token.length > 0)).toBe(true);
        expect(/[*>\s\u0000-\u001f]/.test(text)).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });

  it("may be called like parts of a JavaScript object", () => {
    for (const key of ["__proto__", "constructor", "toString"]) expect(isKey(key)).toBe(true);
  });
});

describe("site and bucket names", () => {
  it("of sites are lower-case letters, digits and inner hyphens, at most 32", () => {
    const longest = "x".repeat(SITE_NAME_LENGTH_MAX);
    for (const site of ["a", "0", "site-a", "a--b", longest]) expect(parseSiteId(site).ok, site).toBe(true);
    const bad = "|A|-|-a|a-|a_b|a.b|a b|*|>|ä|a\n".split("|");
    for (const site of [...bad, `${longest}x`]) expect(parseSiteId(site).ok, JSON.stringify(site)).toBe(false);
  });

  it("of buckets are letters, digits, underscores and hyphens", () => {
    for (const bucket of ["a", "A_b-9", "__proto__"]) expect(parseBucketName(bucket).ok, bucket).toBe(true);
    const bad = "|a.b|a b|*|>|ä|a/b|a\n".split("|");
    for (const bucket of bad) expect(parseBucketName(bucket).ok, JSON.stringify(bucket)).toBe(false);
  });
});
