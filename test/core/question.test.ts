/** The words of reconcile: what is written is read again, anything else is refused, and no answer grows too large. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Digest } from "../../src/core/digest.js";
import { type Key, parseSiteId } from "../../src/core/ids.js";
import {
  DIGEST_PREFIX_LENGTH_MAX,
  KEY_LENGTH_MAX,
  QUESTION_KEYS_MAX,
  QUESTION_KEY_BYTES_MAX,
  QUESTION_PREFIXES_MAX,
  TIMESTAMP_US_MAX,
} from "../../src/core/limits.js";
import type { BucketStore, Clock } from "../../src/core/ports.js";
import {
  type Summary,
  decodeDigests,
  decodeDigestsQuestion,
  decodeEntriesQuestion,
  decodeFetchQuestion,
  decodeHello,
  decodePage,
  decodeVersions,
  decodeVersionsQuestion,
  encodeDigests,
  encodeHello,
  encodePage,
  encodeVersions,
} from "../../src/core/question.js";
import { createReplica } from "../../src/core/replica.js";
import { createAnswers } from "../../src/pipeline/serve.js";
import { createWitness } from "../../src/pipeline/witness.js";
import { anyKey, anySite, anyTs, anyVersion, operationAt } from "./arbitraries.js";
import { createSeededRandom } from "../memory/seeded-random.js";
import { keyNamed, siteNamed } from "./names.js";

const COUNT_MAX = 999_999_999_999_999;
const count = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(1, COUNT_MAX), fc.integer({ min: 1, max: COUNT_MAX }));
const sum = fc.stringMatching(/^[0-9a-f]{32}$/);
const checkpoint = { created: "1", sequence: 2 };
const NOTHING: Digest = { count: 0, sum: "0".repeat(32) };
const anyDigest: fc.Arbitrary<Digest> = fc.oneof(fc.constant(NOTHING), fc.record({ count, sum }));
const anyPrefix = fc.stringMatching(/^[0-9a-f]{0,8}$/);
const anySummary: fc.Arbitrary<Summary> = fc.record({
  key: anyKey,
  version: anyVersion,
  kind: fc.constantFrom("put", "delete", "purge"),
  since: fc.option(fc.maxSafeNat()),
});
const anyRun = fc.stringMatching(/^[0-9a-f]{1,32}$/);
const anyMoment = fc.record({ run: anyRun, count: fc.maxSafeNat() });
const anyCheckpoint = fc.record({ created: fc.string(), sequence: fc.maxSafeNat() });
const anySeen = fc.record({ created: fc.string(), sequence: fc.maxSafeNat(), run: anyRun, atUs: fc.maxSafeNat(), left: fc.boolean() });
const anyHello = fc.record({
  protocol: fc.maxSafeNat(),
  site: anySite,
  fingerprint: fc.string(),
  nowUs: anyTs,
  log: anyCheckpoint,
  start: anyCheckpoint,
  bucket: anyCheckpoint,
  seen: fc.uniqueArray(fc.tuple(anySite, anySeen), { selector: ([site]) => site }).map((all) => new Map(all)),
  rejoining: fc.boolean(),
  moment: anyMoment,
  equal: fc.uniqueArray(fc.tuple(anySite, anyMoment), { selector: ([site]) => site }).map((all) => new Map(all)),
  digest: anyDigest,
});
/** What the other side gets to read. */
const sent = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe("what is written is read as it was", () => {
  const same = <T>(arbitrary: fc.Arbitrary<T>, read: (value: T) => unknown) =>
    fc.assert(
      fc.property(arbitrary, (value) => {
        expect(read(value)).toEqual(value);
      }),
      { numRuns: 500 },
    );

  it("in a hello", () => same(anyHello, (hello) => decodeHello(sent(encodeHello(hello)))));

  it("in digests", () => {
    const parts = fc.array(anyDigest, { minLength: 16, maxLength: 16 });
    same(fc.array(parts, { maxLength: QUESTION_PREFIXES_MAX }), (digests) => decodeDigests(sent(encodeDigests(digests))));
  });

  it("in a page", () => {
    const page = fc.record({ summaries: fc.array(anySummary), more: fc.boolean() });
    same(page, (each) => decodePage(sent(encodePage(each))));
  });

  it("in versions", () => {
    same(fc.array(fc.option(anySummary)), (summaries) => decodeVersions(sent(encodeVersions(summaries))));
  });

  it("in every question", () => {
    const [prefixes, keys] = [fc.array(anyPrefix, { maxLength: QUESTION_PREFIXES_MAX }), fc.array(anyKey, { maxLength: 9 })];
    same(fc.record({ prefixes }), (question) => decodeDigestsQuestion(sent(question)));
    same(fc.record({ prefix: anyPrefix, after: fc.option(anyKey) }), (question) => decodeEntriesQuestion(sent(question)));
    same(fc.record({ keys }), (question) => decodeVersionsQuestion(sent(question)));
    same(fc.record({ key: anyKey, offset: fc.maxSafeNat() }), (question) => decodeFetchQuestion(sent(question)));
  });

  it("and nothing that stands beside it", () => {
    const [log, moment] = [["1", 2], ["a", 2]];
    const introduced = { protocol: 1, site: "a", fingerprint: "", nowUs: 1 };
    const told = { start: log, bucket: log, seen: { b: ["1", 2, "a", 3, true] }, rejoining: false, moment, equal: { b: moment } };
    const hello = { ...introduced, log, ...told, digest: "", x: 1 };
    const [checkpoint, plain] = [{ created: "1", sequence: 2 }, { run: "a", count: 2 }];
    const known = { ...introduced, log: checkpoint, start: checkpoint, bucket: checkpoint, rejoining: false, moment: plain };
    const bySite = { seen: new Map([["b", { ...checkpoint, run: "a", atUs: 3, left: true }]]), equal: new Map([["b", plain]]), digest: NOTHING };
    expect(decodeHello(hello)).toEqual({ ...known, ...bySite });
    expect(decodeHello({ ...hello, log: [...log, 7] })).toBeNull();
    expect(decodeFetchQuestion({ key: "k", offset: 0, x: 1 })).toEqual({ key: "k", offset: 0 });
  });
});

const deep = (levels: number): unknown => JSON.parse("[".repeat(levels) + "]".repeat(levels));
/** What is never a list, nor an object with fields. */
const WRONG: readonly unknown[] = [undefined, null, true, 7, "", "x", "[]", Number.NaN, Symbol("s"), () => [], deep(10_000)];
const BAD_KEYS: readonly unknown[] = [
  ...["", ".", "a.", ".a", "a..b", "a b", "a*", ">", "ä", "k\n", "k".repeat(KEY_LENGTH_MAX + 1)],
  ...[7, null, ["k"], {}],
];
const TOO_LARGE = [Number.POSITIVE_INFINITY, 2 ** 53, 2 ** 53 + 1, 1e300];
const BAD_COUNTS: readonly unknown[] = [-1, 0.5, Number.NaN, ...TOO_LARGE, "0", null, undefined, 1n, [0]];
const TOO_LONG = "0".repeat(DIGEST_PREFIX_LENGTH_MAX + 1);
const BAD_PREFIXES: readonly unknown[] = ["A", "0F", "g", "0x1", " ", "-1", "0\n", TOO_LONG, 0, null, [], ["0"]];
const BAD_SITES: readonly unknown[] = ["", "A", "Site-b", "a_b", "-a", "a-", "a.b", "__proto__", "x".repeat(33), 7, null, {}];
const BAD_VERSIONS: readonly unknown[] = [
  ...["", "1", "1 ", " 1 a", "1  a", "01 a", "0 a", "-1 a", "1.5 a", "1e3 a", "NaN a"],
  ...["9007199254740992 a", "9007199254740993 a", "99999999999999999 a", "1 A", "1 a_b", "1 __proto__"],
  ...[`1 ${"x".repeat(33)}`, "1 a ", "1 a\n", 7, null, ["1 a"], { ts: 1, site: "a" }],
];
const ZEROS = "0".repeat(32);
const BAD_DIGESTS: readonly unknown[] = [
  ...[`0 ${ZEROS}`, `1 ${ZEROS.slice(1)}`, `1 ${ZEROS}0`, `1 ${"A".repeat(32)}`, `-1 ${ZEROS}`, `01 ${ZEROS}`],
  ...[`1e3 ${ZEROS}`, `1000000000000000 ${ZEROS}`, `1  ${ZEROS}`, `1 ${ZEROS}\n`, " ", 0, null, []],
];

describe("what is malformed is refused", () => {
  const refuses = (decode: (value: unknown) => unknown, values: readonly unknown[]) => {
    for (const [n, value] of values.entries()) expect(decode(value), `value ${n}`).toBeNull();
  };
  const moment = ["0f", 1];
  const mark = ["1", 2];
  const introduced = { protocol: 1, site: "a", fingerprint: "f", nowUs: 1, log: mark };
  const told = { start: mark, bucket: mark, seen: {}, rejoining: false, moment, equal: {} };
  const hello = { ...introduced, ...told, digest: "" };
  const seen: readonly unknown[] = ["1", 2, "0f", 1, false];
  const badMoments = [
    ...[...WRONG, {}, [], { run: "0f", count: 1 }, ["0f"], [undefined, 1], ["", 1], ["x", 1], [1, 1], [...moment, 1]],
    ...[["0".repeat(33), 1], ["0", -1], ["0", 0.5], ["0", "1"]],
  ];
  const badCheckpoints = [...WRONG, ...BAD_COUNTS.map((sequence) => ["1", sequence]), [1, 2], [undefined, 2], {}, [], { created: "1", sequence: 2 }];
  const wrongAt: readonly (readonly [number, unknown])[] = [[4, 1], [2, "x"], [2, 1], [3, -1], [3, "1"], [0, 7], [1, -1]];
  const badSeen = [...badCheckpoints, mark, [...seen, 1], ...wrongAt.map(([at, wrong]) => seen.with(at, wrong))];
  const sites = (name: unknown): unknown => JSON.parse(`{"${String(name)}":${JSON.stringify(seen)}}`);

  it("of a hello", () => {
    expect(decodeHello(hello)).not.toBeNull();
    refuses(decodeHello, [...WRONG, [], {}, [hello]]);
    refuses((protocol) => decodeHello({ ...hello, protocol }), BAD_COUNTS);
    refuses((site) => decodeHello({ ...hello, site }), BAD_SITES);
    refuses((fingerprint) => decodeHello({ ...hello, fingerprint }), [undefined, null, 7, [], {}]);
    refuses((nowUs) => decodeHello({ ...hello, nowUs }), [...BAD_COUNTS, 0, TIMESTAMP_US_MAX + 1]);
    refuses((log) => decodeHello({ ...hello, log }), badCheckpoints);
    refuses((digest) => decodeHello({ ...hello, digest }), BAD_DIGESTS);
    for (const field of ["start", "bucket"]) refuses((bad) => decodeHello({ ...hello, [field]: bad }), badCheckpoints);
    refuses((all) => decodeHello({ ...hello, seen: all }), WRONG);
    refuses((one) => decodeHello({ ...hello, seen: { b: one } }), badSeen);
    refuses((rejoining) => decodeHello({ ...hello, rejoining }), [...WRONG.filter((wrong) => typeof wrong !== "boolean"), 0, "false"]);
    refuses((equal) => decodeHello({ ...hello, equal }), WRONG);
    refuses((equal) => decodeHello({ ...hello, equal: { b: equal } }), badMoments);
    refuses((said) => decodeHello({ ...hello, moment: said }), badMoments);
  });

  it("of the sites in a hello, of which none is taken for a part of the object", () => {
    refuses((name) => decodeHello({ ...hello, seen: sites(name) }), BAD_SITES.filter((name) => typeof name === "string"));
    for (const name of ["constructor", "valueof", "1", "0"]) {
      const read = decodeHello({ ...hello, seen: sites(name) })?.seen;
      expect([...(read ?? [])]).toEqual([[name, { ...checkpoint, run: "0f", atUs: 1, left: false }]]);
    }
    expect(parseSiteId("__proto__").ok).toBe(false);
  });

  it("of digests", () => {
    const parts = Array.from({ length: 16 }, () => "");
    expect(decodeDigests([parts])).toHaveLength(1);
    refuses(decodeDigests, [...WRONG, {}, [[]], [parts.slice(1)], [[...parts, ""]], [parts, null], ["".padEnd(16)]]);
    refuses((digest) => decodeDigests([[digest, ...parts.slice(1)]]), BAD_DIGESTS);
    refuses(decodeDigests, [Array.from({ length: QUESTION_PREFIXES_MAX + 1 }, () => parts)]);
  });

  it("of summaries, in a page and in versions", () => {
    const summary = ["k", "1 a", 0];
    const inPage = (each: unknown) => decodePage({ summaries: [each], more: false });
    const inVersions = (each: unknown) => decodeVersions([each]);
    expect([inPage(summary), inVersions(summary), inVersions(0)]).not.toContain(null);
    refuses(decodePage, [...WRONG, [], {}, { summaries: [] }, { summaries: [], more: 1 }, { summaries: {}, more: true }]);
    refuses(decodeVersions, [...WRONG, {}, [1], [""], [[]], [false]]);
    for (const decode of [inPage, inVersions]) {
      refuses(decode, [...WRONG.slice(1), ["k", "1 a"], ["k", "1 a", 0, 0, 0], { 0: "k", 1: "1 a", 2: 0, length: 3 }]);
      refuses((key) => decode([key, "1 a", 0]), BAD_KEYS);
      refuses((version) => decode(["k", version, 0]), BAD_VERSIONS);
      refuses((since) => decode(["k", "1 a", 1, since]), [true, "0", 0.5, -1, undefined, [], Number.NaN]);
      refuses((kind) => decode(["k", "1 a", kind]), [true, false, "0", 3, 0.5, -1, null, undefined, [], Number.NaN]);
    }
    const many = Array.from({ length: QUESTION_KEYS_MAX + 1 }, () => summary);
    refuses(decodePage, [{ summaries: many, more: true }]);
    refuses(decodeVersions, [many]);
    expect(decodeVersions(many.slice(1))).toHaveLength(QUESTION_KEYS_MAX);
  });

  it("of questions", () => {
    refuses(decodeDigestsQuestion, [...WRONG, {}, [], ...WRONG.slice(0, 10).map((prefixes) => ({ prefixes }))]);
    refuses((prefix) => decodeDigestsQuestion({ prefixes: ["", prefix] }), BAD_PREFIXES);
    refuses(decodeDigestsQuestion, [{ prefixes: Array.from({ length: QUESTION_PREFIXES_MAX + 1 }, () => "") }]);
    refuses(decodeEntriesQuestion, [...WRONG, {}, [], { prefix: "" }, { after: null }, { prefix: "", after: undefined }]);
    refuses((prefix) => decodeEntriesQuestion({ prefix, after: null }), BAD_PREFIXES);
    refuses((after) => decodeEntriesQuestion({ prefix: "", after }), BAD_KEYS.filter((key) => key !== null));
    refuses(decodeVersionsQuestion, [...WRONG, {}, [], ...WRONG.slice(0, 10).map((keys) => ({ keys }))]);
    refuses((key) => decodeVersionsQuestion({ keys: ["k", key] }), BAD_KEYS);
    refuses(decodeVersionsQuestion, [{ keys: Array.from({ length: QUESTION_KEYS_MAX + 1 }, () => "k") }]);
    refuses(decodeFetchQuestion, [...WRONG, {}, [], { key: "k" }, { offset: 0 }]);
    refuses((key) => decodeFetchQuestion({ key, offset: 0 }), BAD_KEYS);
    refuses((offset) => decodeFetchQuestion({ key: "k", offset }), BAD_COUNTS);
  });

  it("of more keys than an answer has room for", () => {
    const longest = Array.from({ length: 10 }, () => "k".repeat(KEY_LENGTH_MAX));
    const keys = (bytes: number) => ({ keys: [...longest, "k".repeat(bytes - 10 * KEY_LENGTH_MAX)] });
    expect(decodeVersionsQuestion(keys(QUESTION_KEY_BYTES_MAX))).not.toBeNull();
    expect(decodeVersionsQuestion(keys(QUESTION_KEY_BYTES_MAX + 1))).toBeNull();
  });
});

describe("the largest message", () => {
  const MESSAGE_BYTES_MAX = 64 * 1024;
  const version = { ts: TIMESTAMP_US_MAX, site: siteNamed("x".repeat(32)) };
  const bytesOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value));
  const keysOf = (length: number, count: number): Key[] =>
    Array.from({ length: count }, (_, n) => keyNamed(`${n}`.padEnd(length, "k").slice(-length)));
  /** From many short keys to few long ones, and where both bounds are met. */
  const LENGTHS = [3, 10, 60, 64, 65, 66, 70, 100, 500, 1_000, KEY_LENGTH_MAX];

  it("of digests and the question for them stays below 64 KiB", () => {
    const parts = Array.from({ length: 16 }, () => ({ count: COUNT_MAX, sum: "f".repeat(32) }));
    const answer = encodeDigests(Array.from({ length: QUESTION_PREFIXES_MAX }, () => parts));
    expect(decodeDigests(sent(answer))).not.toBeNull();
    expect(bytesOf(answer)).toBeGreaterThan(MESSAGE_BYTES_MAX / 2);
    expect(bytesOf(answer)).toBeLessThan(MESSAGE_BYTES_MAX);
    const prefixes = Array.from({ length: QUESTION_PREFIXES_MAX }, () => "f".repeat(DIGEST_PREFIX_LENGTH_MAX));
    expect(bytesOf({ prefixes })).toBeLessThan(MESSAGE_BYTES_MAX);
  });

  it.each(LENGTHS)("of a page of keys of %i characters stays below 64 KiB", async (length) => {
    const replica = createReplica(siteNamed("a"));
    const keys = keysOf(length, QUESTION_KEYS_MAX + 100);
    for (const [n, key] of keys.entries()) replica.recordApplied(operationAt(1, version.site, { key, version }), n + 1);
    const answers = createAnswers({
      ...{ site: siteNamed("a"), fingerprint: () => "", replica, start: checkpoint, captured: () => checkpoint },
      ...{ marks: { seen: () => new Map() }, rejoin: { isRejoining: () => false, hear: () => undefined }, onAsked: () => undefined },
      ...{ logged: () => Promise.resolve({ created: "", sequence: 0 }), isLogged: () => true, store: {} as BucketStore, clock: {} as Clock },
      witness: createWitness(siteNamed("a"), createSeededRandom(1)),
    });
    const page = await answers.entries("", null);
    expect(bytesOf(encodePage(page))).toBeLessThan(MESSAGE_BYTES_MAX);
    expect([page.more, decodePage(sent(encodePage(page)))]).toEqual([true, page]);
    const fits = Math.min(QUESTION_KEYS_MAX, Math.floor(QUESTION_KEY_BYTES_MAX / length));
    expect(page.summaries).toHaveLength(fits);
    const seen = new Set(page.summaries.map(({ key }) => key));
    for (let { more } = page; more; ) {
      const next = await answers.entries("", [...seen].at(-1) ?? null);
      for (const { key } of next.summaries) seen.add(key);
      more = next.more;
    }
    expect(seen).toEqual(new Set(keys));
  });

  it.each(LENGTHS)("of versions of keys of %i characters, and of the question for them, stays below 64 KiB", (length) => {
    const most = Math.min(QUESTION_KEYS_MAX, Math.floor(QUESTION_KEY_BYTES_MAX / length));
    const question = decodeVersionsQuestion({ keys: keysOf(length, most) });
    expect(question?.keys).toHaveLength(most);
    expect(decodeVersionsQuestion({ keys: keysOf(length, most + 1) })).toBeNull();
    const answer = encodeVersions((question?.keys ?? []).map((key) => ({ key, version, kind: "purge", since: Number.MAX_SAFE_INTEGER })));
    expect(bytesOf(answer)).toBeLessThan(MESSAGE_BYTES_MAX);
    expect(bytesOf(question)).toBeLessThan(MESSAGE_BYTES_MAX);
    expect(decodeVersions(sent(answer))).toHaveLength(most);
  });
});
