/** What is written is read back as the same thing, and the lab's JSON from any agent means what it says. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type JsonOperation,
  decodeJson,
  encodeJson,
  formatIdentity,
  operationKind,
  parseIdentity,
  parseTimestamp,
} from "../../src/core/codec.js";
import { TIMESTAMP_US_MAX } from "../../src/core/limits.js";
import { anyIdentity, anyOperation, anyTs, operationAt } from "./arbitraries.js";
import { keyNamed, siteNamed } from "./names.js";

const utf8 = new TextEncoder();
const bytes = (document: unknown): Uint8Array => utf8.encode(JSON.stringify(document));

/** Below this a time in microseconds reads as one in milliseconds: the first hundred days of 1970 … March 1973. */
const MICROSECONDS_FROM = 1e14;

describe("identities and times as header values", () => {
  it("are read back as they were", () => {
    fc.assert(
      fc.property(anyIdentity, anyTs, (identity, ts) => {
        expect(parseIdentity(formatIdentity(identity))).toEqual(identity);
        expect(parseTimestamp(String(ts))).toBe(ts);
      }),
    );
  });

  it("are refused in any other form", () => {
    const identities = "|1|1 2|1 2 3 4| 1 2 3|1 2 3 |1  2 3|1 0 3|1 01 3|-1 2 3|1 2.5 3|a 2 3|1 9007199254740992 3|1 2 3\n";
    for (const text of identities.split("|")) expect(parseIdentity(text), JSON.stringify(text)).toBeNull();
    for (const text of "|0|01|-1|1.5|1e3| 1|1 |NaN|9007199254740992|99999999999999999".split("|")) {
      expect(parseTimestamp(text), JSON.stringify(text)).toBeNull();
    }
  });

  it("know the operations of NATS KV and no others", () => {
    expect([null, "PUT", "DEL", "PURGE"].map(operationKind)).toEqual(["put", "put", "delete", "purge"]);
    for (const other of ["", "del", "DELETE", "PUT ", "__proto__"]) expect(operationKind(other), other).toBeNull();
  });
});

describe("the lab's JSON", () => {
  const decoded = (document: unknown): JsonOperation => {
    const result = decodeJson(bytes(document));
    if (!result.ok) throw new Error(result.error);
    return result.value;
  };
  const lab = { op: "put", bucket: "config", key: "app.mode", value: "dark", ts: 1_730_542_200, node_id: "site-a" };

  it("carries any operation there and back, whatever bytes the value has", () => {
    fc.assert(
      fc.property(anyOperation, (any) => {
        const ts = Math.max(any.version.ts, MICROSECONDS_FROM);
        const operation = { ...any, version: { ...any.version, ts } };
        const { kind, key, value, version } = operation;
        const result = decodeJson(encodeJson(operation, "config"));
        expect(result).toEqual({ ok: true, value: { kind, key, bucket: "config", value, version } });
      }),
      { numRuns: 1_000 },
    );
  });

  it("keeps text readable, and writes as base64 only what is not UTF-8", () => {
    const site = siteNamed("site-a");
    const written = (value: Uint8Array) => {
      const operation = operationAt(1_730_542_200_000_001, site, { key: keyNamed("app.mode"), value });
      return JSON.parse(new TextDecoder().decode(encodeJson(operation, "config"))) as unknown;
    };
    const common = { op: "put", bucket: "config", key: "app.mode", ts: 1_730_542_200_000_001, node_id: "site-a" };
    expect(written(utf8.encode("dark"))).toEqual({ ...common, value: "dark" });
    expect(written(utf8.encode("ünï ☃ 💥"))).toEqual({ ...common, value: "ünï ☃ 💥" });
    expect(written(new Uint8Array(0))).toEqual({ ...common, value: "" });
    expect(written(new Uint8Array([0xef, 0xbb, 0xbf, 0x41]))).toEqual({ ...common, value: "\ufeffA" });
    expect(written(new Uint8Array([0, 255]))).toEqual({ ...common, value_base64: "AP8=" });
  });

  it("gives deletes no value, and ignores one that an agent sends", () => {
    const nothing = new Uint8Array(0);
    const written = encodeJson(operationAt(1, siteNamed("a"), { kind: "delete", value: nothing }), "b");
    const text = new TextDecoder().decode(written);
    expect(Object.keys(JSON.parse(text) as object)).not.toContain("value");
    for (const op of ["delete", "del"]) expect(decoded({ ...lab, op })).toMatchObject({ kind: "delete", value: nothing });
    expect(decoded({ ...lab, op: "purge" }).kind).toBe("purge");
  });

  it("takes seconds, milliseconds and microseconds for the same moment", () => {
    for (const ts of [1_730_542_200, 1_730_542_200_000, 1_730_542_200_000_000]) {
      expect(decoded({ ...lab, ts }).version).toEqual({ ts: 1_730_542_200_000_000, site: "site-a" });
    }
  });

  it("never yields a time beyond the bounds, in whatever unit it came", () => {
    const largest = [TIMESTAMP_US_MAX, 99_999_999_999_999, 99_999_999_999, 9_007_199_255, 9_007_199_254_741];
    for (const ts of largest) {
      const result = decodeJson(bytes({ ...lab, ts }));
      if (result.ok) expect(result.value.version.ts, `ts ${ts}`).toBeLessThanOrEqual(TIMESTAMP_US_MAX);
    }
    expect(decodeJson(bytes({ ...lab, ts: 99_999_999_999 })).ok).toBe(false);
  });

  it("takes fields that it does not know, also such that mean something in JavaScript", () => {
    expect(decoded({ ...lab, comment: "x", nested: { a: [1] } }).key).toBe("app.mode");
    const hostile = `{"__proto__":{"op":"purge"},"constructor":1,${JSON.stringify(lab).slice(1)}`;
    expect(decodeJson(utf8.encode(hostile))).toMatchObject({ ok: true, value: { kind: "put", key: "app.mode" } });
  });

  const refused: Readonly<Record<string, unknown>> = {
    "no object": [lab],
    "a bare text": "put",
    null: null,
    "no op": { ...lab, op: undefined },
    "an unknown op": { ...lab, op: "PUT" },
    "no bucket": { ...lab, bucket: undefined },
    "a bucket that is no text": { ...lab, bucket: 1 },
    "a key that is no text": { ...lab, key: ["a"] },
    "no node_id": { ...lab, node_id: undefined },
    "a node_id that is no site name": { ...lab, node_id: "Site_A" },
    "no ts": { ...lab, ts: undefined },
    "a ts as text": { ...lab, ts: "1730542200" },
    "a ts of zero": { ...lab, ts: 0 },
    "a negative ts": { ...lab, ts: -1 },
    "a broken ts": { ...lab, ts: 1_730_542_200.5 },
    "a ts beyond exact integers": { ...lab, ts: 2 ** 53 },
    "a put without value": { ...lab, value: undefined },
    "a value that is no text": { ...lab, value: 7 },
    "two values": { ...lab, value_base64: "AP8=" },
    "broken base64": { ...lab, value: undefined, value_base64: "AP8" },
    "base64 for URLs": { ...lab, value: undefined, value_base64: "AP-_" },
  };

  it.each(Object.entries(refused))("refuses %s, and says why", (_, document) => {
    const result = decodeJson(bytes(document));
    expect(result.ok).toBe(false);
    if (!result.ok) expect(result.error.length).toBeGreaterThan(5);
  });

  it("refuses what is not JSON, or not UTF-8, or cut short, or too deep", () => {
    const whole = bytes(lab);
    for (let length = 0; length < whole.length; length++) expect(decodeJson(whole.subarray(0, length)).ok).toBe(false);
    expect(decodeJson(new Uint8Array([0x22, 0xff, 0x22])).ok).toBe(false);
    expect(decodeJson(utf8.encode("[".repeat(100_000))).ok).toBe(false);
    expect(decodeJson(utf8.encode(`${"\ufeff"}${JSON.stringify(lab)}`)).ok).toBe(false);
  });
});
