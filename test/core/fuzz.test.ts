/** Whatever anybody sends is read or refused; nothing throws, and what is read stands within bounds (F10). */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeJson, parseIdentity, parseTimestamp } from "../../src/core/codec.js";
import { isKey } from "../../src/core/ids.js";
import { TIMESTAMP_US_MAX } from "../../src/core/limits.js";
import * as pulse from "../../src/core/pulse.js";
import * as question from "../../src/core/question.js";
import { formatVersion, parseVersion } from "../../src/core/version.js";
import { readOperation } from "../../src/nats/answer-headers.js";
import { type LogFormat, readLogMessage } from "../../src/nats/log-codec.js";
import { createSeededRandom } from "../memory/seeded-random.js";
import { keyNamed, siteNamed } from "./names.js";

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

/** One number makes one case: what fast-check would build of many arbitraries is too slow for so many cases. */
const CASES = 100_000;

const deep = (levels: number): unknown => JSON.parse("[".repeat(levels) + "]".repeat(levels));
const JUNK: readonly unknown[] = [
  ...[undefined, null, true, "", "k", "a..b", "1 a", "0 a", "1 __proto__", "__proto__", "0A", "123456789"],
  ...[0, -0, 1, -1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, "7 ".padEnd(34, "f"), "k".repeat(3_001)],
  ...[[], {}, [[]], [null], deep(1_000), Array.from({ length: 600 }, () => "k"), { length: 16 }],
  ...[JSON.parse('{"__proto__":{"created":"1","sequence":1}}'), { created: "1", sequence: -1 }],
];
const HEX = "0123456789abcdef".repeat(2);
const mark = ["1730542200000000000", 7];
const summaries = [["k", "1 a", 0], ["a.b", `${TIMESTAMP_US_MAX} site-b`, 1, 7]];
const sixteen = Array.from({ length: 16 }, (_, n) => (n === 3 ? `${n} ${HEX}` : ""));
const SOUND = {
  hello: {
    ...{ protocol: 1, site: "a", fingerprint: HEX, nowUs: 1, log: mark, digest: `3 ${HEX}` },
    ...{ start: mark, bucket: mark, rejoining: false },
    seen: { b: [...mark, "0f", 1, false], c: [...mark, "a", 2, true] },
    ...{ moment: ["0f", 1], equal: { b: ["a", 0] } },
  },
  digests: [sixteen, sixteen],
  page: { summaries, more: true },
  versions: [...summaries, 0],
  digestsQuestion: { prefixes: ["", "0a", "01234567"] },
  entriesQuestion: { prefix: "0", after: "k" },
  versionsQuestion: { keys: ["k", "a.b"] },
  fetchQuestion: { key: "k", offset: 0 },
  pulseQuestion: { buckets: ["config", "A_b-1"] },
  pulse: { site: "site-b", buckets: [[1, "1730542200000000000", 7, 12], 0, [3]] },
};

/** The same with one thing replaced, left out or put in, somewhere. */
function damaged(value: unknown, next: () => number): unknown {
  const junk = () => JUNK[Math.floor(next() * JUNK.length)];
  if (typeof value !== "object" || value === null || next() < 0.15) return junk();
  const list = Array.isArray(value) ? [...(value as unknown[])] : { ...value };
  const fields = list as Record<string, unknown>;
  const names = Object.keys(fields);
  const name = names[Math.floor(next() * names.length)] ?? "0";
  const how = next();
  if (how < 0.1 && Array.isArray(list)) list.splice(Number(name), 1);
  else if (how < 0.1) Reflect.deleteProperty(fields, name);
  else if (how < 0.2 && Array.isArray(list)) list.push(junk());
  else if (how < 0.2) fields[`${name}-`] = junk();
  else fields[name] = damaged(fields[name], next);
  return list;
}

/** Sound or damaged once or twice; `isSound` says whether it is the former. */
function eachCase(sound: unknown, check: (value: unknown, isSound: boolean) => void): void {
  const property = fc.property(fc.nat(), (seed) => {
    const random = createSeededRandom(seed);
    let value = sound;
    for (let times = seed % 3; times > 0; times--) value = damaged(value, random.next);
    check(value, seed % 3 === 0);
  });
  fc.assert(property, { numRuns: CASES });
}

type Coded = readonly [string, unknown, (value: unknown) => unknown, (read: never) => unknown];

describe.each<Coded>([
  ["a hello", SOUND.hello, question.decodeHello, question.encodeHello],
  ["digests", SOUND.digests, question.decodeDigests, question.encodeDigests],
  ["a page", SOUND.page, question.decodePage, question.encodePage],
  ["versions", SOUND.versions, question.decodeVersions, question.encodeVersions],
  ["a question for digests", SOUND.digestsQuestion, question.decodeDigestsQuestion, (read: unknown) => read],
  ["a question for entries", SOUND.entriesQuestion, question.decodeEntriesQuestion, (read: unknown) => read],
  ["a question for versions", SOUND.versionsQuestion, question.decodeVersionsQuestion, (read: unknown) => read],
  ["a question for a value", SOUND.fetchQuestion, question.decodeFetchQuestion, (read: unknown) => read],
  ["a question for a pulse", SOUND.pulseQuestion, pulse.decodePulseQuestion, (read: unknown) => read],
  ["a pulse", SOUND.pulse, pulse.decodePulse, pulse.encodePulse],
])("%s", (_, sound, decode, encode) => {
  it("that is damaged is refused, or read as what can be written again", () => {
    const counts = { sound: 0, damaged: 0, refused: 0 };
    eachCase(sound, (value, isSound) => {
      const read = decode(value);
      if (read === null) {
        if (isSound) throw new Error("refused, though nothing is wrong with it");
        counts.refused++;
        return;
      }
      counts[isSound ? "sound" : "damaged"]++;
      const written = JSON.stringify(encode(read as never));
      const again = decode(JSON.parse(written));
      const rewritten = again === null ? null : JSON.stringify(encode(again as never));
      if (rewritten !== written) throw new Error(`${written} is not read again`);
    });
    expect(counts.sound + counts.damaged + counts.refused).toBe(CASES);
    expect(Math.min(...Object.values(counts))).toBeGreaterThan(CASES / 1_000);
  });
});

describe("the headers of a fetched value", () => {
  const VALUES = [
    ...["1 a", "7 site-b", "none", "0", "1", "67108864", "67108865", "9007199254740992", "-1", "1e3", "0x10", " 5"],
    ...["", "DEL", "PURGE", "PUT", "DELETE", "ä", "\0", "\r", "1 a\r\nKvgw-Total: 9", "x".repeat(5_000)],
  ];
  const NAMES = ["Kvgw-Version", "Kvgw-Total", "Kvgw-Base", "Kvgw-Expires", "KV-Operation", "kvgw-version", ""];
  const SOUND_VALUES = ["1 a", "5", "none", "7", "PUT", "2 a", ""];

  it("are read within bounds or refused", () => {
    let [read, refused] = [0, 0];
    const property = fc.property(fc.nat(), (seed) => {
      const { next } = createSeededRandom(seed);
      const lines = NAMES.map((name, at) => {
        const value = (next() < 0.6 ? SOUND_VALUES[at] : VALUES[Math.floor(next() * VALUES.length)]) ?? "";
        return next() < 0.3 ? "" : `${name}: ${value}\r\n`;
      });
      const block = `NATS/1.0\r\n${lines.join("")}\r\n`;
      const fetched = readOperation(keyNamed("k"), next() < 0.2 ? block.slice(0, seed % 99) : block);
      if (fetched === null) return void refused++;
      read++;
      const { operation, total } = fetched;
      const { version, base, expiresUs, value } = operation;
      const times = [version.ts, base?.ts ?? 1, expiresUs ?? 1];
      const soundTotal = Number.isSafeInteger(total) && total >= 0 && total <= 64 * 1024 * 1024;
      if (!times.every(withinBounds) || !soundTotal || value.length > 0) throw new Error(JSON.stringify(fetched));
      if (operation.kind !== "put" && total > 0) throw new Error("a tombstone with a value");
    });
    fc.assert(property, { numRuns: CASES });
    expect(read + refused).toBe(CASES);
    expect(Math.min(read, refused)).toBeGreaterThan(CASES / 1_000);
  });
});
