/** Whatever anybody sends is read or refused; nothing throws, and what is read stands within bounds (F10). */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeJson, parseIdentity, parseTimestamp } from "../../src/core/codec.js";
import { isKey } from "../../src/core/ids.js";
import { TIMESTAMP_US_MAX } from "../../src/core/limits.js";
import { formatVersion, parseVersion } from "../../src/core/version.js";
import { type LogFormat, readLogMessage } from "../../src/nats/log-codec.js";
import { siteNamed } from "./names.js";

const RUNS = 30_000;
const utf8 = new TextEncoder();

/** Pieces of real texts in any order: nearer to being valid than random text is. */
const PIECES = [
  "1730542200000000|9007199254740991|9007199254740992|99999999999|0|-1|1e3|NaN|site-a|a|A_b| |  |\t|\r\n|:|{|}|[|]|,",
  `"op"|"put"|"del"|"bucket"|"key"|"value"|"value_base64"|"ts"|"node_id"|"AP8="|null|true|__proto__|\0|ä|💥|\ud800`,
];
const pieces = fc.constantFrom(...PIECES.join("|").split("|"));
const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join("")),
  fc
    .tuple(fc.integer({ min: -2, max: 2 ** 53 }), fc.constantFrom(" a", " site-b", "  a", ""))
    .map(([ts, rest]) => `${ts}${rest}`),
);

const anyWord = fc.constantFrom("put", "delete", "purge", "config", "site-a");
const anyField = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.integer(), anyText, anyWord);
const anyDocument = fc.record(
  {
    op: fc.oneof(fc.constantFrom("put", "delete"), anyField),
    bucket: anyField,
    key: anyField,
    value: anyField,
    value_base64: anyField,
    ts: fc.oneof(fc.integer({ min: 1 }), fc.maxSafeInteger(), anyField),
    node_id: fc.oneof(fc.constant("site-a"), anyField),
  },
  { requiredKeys: [] },
);
const anyPayload = fc.oneof(
  fc.uint8Array({ maxLength: 64 }),
  anyText.map((text) => utf8.encode(text)),
  anyDocument.map((document) => utf8.encode(JSON.stringify(document))),
);

const HEADER_NAMES = "Kvgw-Version Kvgw-Base Kvgw-Revision Kvgw-Expires KV-Operation Nats-Rollup Nats-TTL X".split(" ");
const anyHeaderValue = fc.oneof(
  fc.constantFrom("1 a", "7 site-a", "1 2 3", "1", "DEL", "PURGE", "PUT", "", "all", "1 b\r\nKvgw-Version: 2 a"),
  anyText,
);
const anyBlock = fc.oneof(
  fc.constant(""),
  fc
    .array(fc.tuple(fc.constantFrom(...HEADER_NAMES), anyHeaderValue), { maxLength: 6 })
    .map((headers) => `NATS/1.0\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`),
  anyText,
);

const withinBounds = (ts: number) => Number.isSafeInteger(ts) && ts >= 1 && ts <= TIMESTAMP_US_MAX;

describe("anything at all", () => {
  it("as a version, an identity or a time is read exactly or refused", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const version = parseVersion(text);
        const written = version === null ? text : formatVersion(version);
        if (written !== text) throw new Error(`${text} was read as ${written}`);
        const identity = parseIdentity(text);
        if (identity !== null && !Number.isSafeInteger(identity.revision)) throw new Error(`revision of ${text}`);
        const ts = parseTimestamp(text);
        if (ts !== null && String(ts) !== text) throw new Error(`${text} was read as ${ts}`);
      }),
      { numRuns: RUNS },
    );
  });

  it("as the lab's JSON is read within bounds or refused", () => {
    let read = 0;
    fc.assert(
      fc.property(anyPayload, (payload) => {
        const result = decodeJson(payload);
        if (!result.ok) return;
        read++;
        if (!withinBounds(result.value.version.ts)) throw new Error(`ts ${result.value.version.ts}`);
      }),
      { numRuns: RUNS },
    );
    expect(read).toBeGreaterThan(0);
  });

  it("as a message of an operation log is an operation of its origin or refused", () => {
    const origin = siteNamed("site-a");
    let read = 0;
    const anyFormat = fc.constantFrom<LogFormat>("raw", "json");
    const anyKey = fc.oneof({ weight: 3, arbitrary: fc.constant("k") }, { weight: 1, arbitrary: anyText });
    fc.assert(
      fc.property(anyKey, anyBlock, anyPayload, anyFormat, fc.boolean(), (key, block, payload, format, headersOnly) => {
        const context = { origin, bucket: "config", format, headersOnly };
        const result = readLogMessage({ key, block, payload, sequence: 7 }, context);
        if (!result.ok) return;
        read++;
        const { operation, sequence } = result.value;
        const { ts, site } = operation.version;
        const sound = isKey(operation.key) && site === origin && withinBounds(ts) && sequence === 7;
        if (!sound) throw new Error(JSON.stringify(result.value));
      }),
      { numRuns: RUNS },
    );
    expect(read).toBeGreaterThan(0);
  });
});
