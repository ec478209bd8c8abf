/** What asking and answering promise together: the words of `Questions` and `PeerService` in src/core/ports.ts. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { hash32 } from "../../src/core/hash.js";
import { GatewayError } from "../../src/core/errors.js";
import type { Key } from "../../src/core/ids.js";
import {
  ANSWERS_AT_ONCE_MAX,
  DIGEST_PREFIX_LENGTH_MAX,
  FETCH_PART_BYTES,
  KEY_LENGTH_MAX,
  QUESTION_KEYS_MAX,
  QUESTION_PREFIXES_MAX,
  TIMESTAMP_US_MAX,
} from "../../src/core/limits.js";
import { NO_BYTES, type Operation } from "../../src/core/operation.js";
import type { Questions } from "../../src/core/ports.js";
import type { Hello, Summary } from "../../src/core/question.js";
import { operationAt } from "../core/arbitraries.js";
import { bucketNamed, keyNamed, siteNamed } from "../core/names.js";
import { eventually } from "../support/eventually.js";
import { EMPTY, NO_PARTS, answersWith, helloOf, plain } from "./answering.js";
import { PEER, type QuestionEnds, type QuestionsRig, SITE } from "./rigs.js";

const MIB = 1024 * 1024;
const TS = 1_730_542_200_000_000;
const K = keyNamed("k");
const BUCKET = bucketNamed("config");
const UNREACHABLE = { code: "KVGW_UNREACHABLE" };
const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const bytesOf = (length: number) => new Uint8Array(length).map((_, at) => at * 31 + (at >> 8));
const summary = (key: string, more: Partial<Summary> = {}): Summary => ({
  ...{ key: keyNamed(key), version: { ts: TS, site: PEER }, kind: "put", since: null },
  ...more,
});

export function questionsContract(make: () => Promise<QuestionsRig>): void {
  let rig: QuestionsRig | undefined;
  let unserve: (() => void) | undefined;
  const start = async (): Promise<QuestionsRig & QuestionEnds> => {
    rig = await make();
    return { ...rig, ...rig.ends(PEER, BUCKET) };
  };
  /** Somebody answers, and has answered already. */
  const answered = async (more: Partial<Questions>) => {
    const made = await start();
    unserve = made.service.serve(answersWith(more));
    await eventually(() => made.asked.versions([]), { what: "the first answer" });
    return made;
  };
  afterEach(async () => {
    unserve?.();
    await rig?.dispose();
    [rig, unserve] = [undefined, undefined];
  });

  describe("a question", () => {
    it("who are you is answered by each to the other", async () => {
      const asked: Hello[] = [];
      const [own, theirs] = [helloOf({ site: SITE, seen: new Map(), rejoining: false, digest: EMPTY }), helloOf()];
      const made = await answered({ hello: (asker) => Promise.resolve((asked.push(asker), theirs)) });
      expect(await made.asked.hello(own)).toEqual(theirs);
      expect(asked).toEqual([own]);
    });

    it("for digests is answered for each prefix, in order", async () => {
      const prefixes = ["", "0", "f".repeat(DIGEST_PREFIX_LENGTH_MAX), "0a1b"];
      const known = { count: 999_999_999_999_999, sum: "f".repeat(32) };
      const parts = prefixes.map((_, n) => NO_PARTS.map((nothing, at) => (at === n ? known : nothing)));
      const heard: (readonly string[])[] = [];
      const made = await answered({ digests: (asked) => Promise.resolve((heard.push(asked), parts)) });
      expect(await made.asked.digests(prefixes)).toEqual(parts);
      expect(heard).toEqual([prefixes]);
    });

    it("for as many digests as may be asked for is answered", async () => {
      const made = await answered({ digests: (asked) => Promise.resolve(asked.map(() => NO_PARTS)) });
      const prefixes = Array.from({ length: QUESTION_PREFIXES_MAX }, (_, n) => n.toString(16).padStart(8, "0"));
      expect(await made.asked.digests(prefixes)).toHaveLength(QUESTION_PREFIXES_MAX);
    });

    it("for entries is answered page by page, from anywhere", async () => {
      const heard: [string, Key | null][] = [];
      const page = { summaries: [summary("a"), summary("b.c", { kind: "delete", since: 4 })], more: true };
      const made = await answered({ entries: (...asked) => Promise.resolve((heard.push(asked), page)) });
      expect(await made.asked.entries("0f", null)).toEqual(page);
      expect(await made.asked.entries("", keyNamed("b.c"))).toEqual(page);
      expect(heard).toEqual([["0f", null], ["", "b.c"]]);
    });

    it("for versions is answered for each key, known or not", async () => {
      const made = await answered({
        versions: (keys) => Promise.resolve(keys.map((key) => (hash32(key) % 2 === 0 ? summary(key) : null))),
      });
      const keys = Array.from({ length: QUESTION_KEYS_MAX }, (_, n) => keyNamed(`k.${n}`));
      const versions = await made.asked.versions(keys);
      expect(versions).toEqual(keys.map((key) => (hash32(key) % 2 === 0 ? summary(key) : null)));
      expect(new Set(versions.map((each) => each === null))).toEqual(new Set([true, false]));
    });

    it("about the longest keys is answered", async () => {
      const keys = Array.from({ length: 10 }, (_, n) => keyNamed(`${n}`.padEnd(KEY_LENGTH_MAX, "k")));
      const made = await answered({ versions: (asked) => Promise.resolve(asked.map((key) => summary(key))) });
      expect((await made.asked.versions(keys)).map((each) => each?.key)).toEqual(keys);
    });

    it("gets its own answer among many", async () => {
      const made = await answered({
        versions: async (keys) => {
          await sleep((keys[0] ?? "").length % 7);
          return keys.map((key) => summary(key));
        },
      });
      const asked = Array.from({ length: ANSWERS_AT_ONCE_MAX / 2 }, (_, n) => keyNamed("k".repeat(n + 1)));
      const all = await Promise.all(asked.map((key) => made.asked.versions([key])));
      expect(all.map(([first]) => first?.key)).toEqual(asked);
    });
  });

  describe("a fetch", () => {
    const base = { ts: 1, site: siteNamed("x".repeat(32)) };
    it.each<[string, Partial<Operation>]>([
      ["every byte", { value: EVERY_BYTE }],
      ["an empty value", { value: NO_BYTES }],
      ["text of line ends", { value: Buffer.from("\r\n\r\nNATS/1.0\r\n") }],
      ["a delete", { kind: "delete", value: NO_BYTES }],
      ["a purge", { kind: "purge", value: NO_BYTES }],
      ["an operation that overwrote another site's", { base }],
      ["an operation that overwrote none", { base: null }],
      ["an operation of which nobody knows what it overwrote", { base: undefined }],
      ["a deadline", { expiresUs: TIMESTAMP_US_MAX }],
      ["a version of a third site", { version: { ts: TIMESTAMP_US_MAX, site: siteNamed("9") } }],
      ["all of it", { kind: "delete", value: NO_BYTES, base, expiresUs: 1, version: { ts: 1, site: siteNamed("z-0") } }],
    ])("brings %s as it is", async (_, more) => {
      const operation = operationAt(TS, PEER, more);
      const made = await answered({ fetch: () => Promise.resolve(operation) });
      expect(plain(await made.asked.fetch(K))).toEqual(plain(operation));
    });

    it.each([FETCH_PART_BYTES - 1, FETCH_PART_BYTES, FETCH_PART_BYTES + 1, 2 * FETCH_PART_BYTES, MIB - 1, MIB])(
      "brings a value of %i bytes, which is one message or several",
      async (length) => {
        const operation = operationAt(TS, PEER, { value: bytesOf(length), base: undefined });
        const made = await answered({ fetch: () => Promise.resolve(operation) });
        const fetched = await made.asked.fetch(K);
        expect(Buffer.compare(fetched?.value ?? NO_BYTES, operation.value)).toBe(0);
        expect({ ...fetched, value: null }).toEqual({ ...operation, value: null });
      },
    );

    it("asks for the key that was named, whatever it looks like", async () => {
      const heard: string[] = [];
      const made = await answered({ fetch: (key) => Promise.resolve((heard.push(key), operationAt(TS, PEER, { key }))) });
      const keys = ["a.b.c", "-", "_", "=", "/a/b", "__proto__", "k".repeat(KEY_LENGTH_MAX)].map(keyNamed);
      for (const key of keys) expect((await made.asked.fetch(key))?.key).toBe(key);
      expect(heard).toEqual(keys);
    });

    it("brings nothing where the site cannot say right now", async () => {
      const made = await answered({ fetch: () => Promise.resolve(null) });
      expect(await made.asked.fetch(K)).toBeNull();
    });
  });

  describe("trouble", () => {
    it("is told at once where nobody answers", async () => {
      const { asked } = await start();
      await expect(asked.hello(helloOf())).rejects.toMatchObject(UNREACHABLE);
      await expect(asked.fetch(K)).rejects.toMatchObject(UNREACHABLE);
    });

    it("with one answer has a code, and does not keep the next from coming", async () => {
      const failing = async (): Promise<never> => {
        await sleep(20);
        throw new GatewayError("KVGW_TIMEOUT", "the bucket did not answer");
      };
      const made = await answered({ fetch: failing, digests: failing });
      const code = { code: "KVGW_TIMEOUT" };
      await Promise.all(Array.from({ length: 20 }, () => expect(made.asked.fetch(K)).rejects.toMatchObject(code)));
      await expect(made.asked.digests([""])).rejects.toMatchObject(code);
      expect(await made.asked.versions([K])).toEqual([null]);
    });

    it("that is an answer which never comes ends as a time-out", async () => {
      const made = await answered({ fetch: () => new Promise(() => undefined) });
      await expect(made.asked.fetch(K)).rejects.toMatchObject({ code: "KVGW_TIMEOUT" });
      expect(await made.asked.versions([K])).toEqual([null]);
    });

    it("with the connection is told at once, also to who waits, and is over when it is back", async () => {
      let waiting = 0;
      const made = await answered({ fetch: () => (waiting++, new Promise(() => undefined)) });
      const waits = made.asked.fetch(K).catch((thrown: unknown) => thrown);
      await eventually(() => expect(waiting).toBe(1), { what: "the question has come" });
      await made.kill();
      expect(await waits).toMatchObject({ code: expect.stringMatching(/^KVGW_(UNREACHABLE|TIMEOUT)$/) as string });
      await eventually(() => expect(made.asked.versions([K])).rejects.toMatchObject(UNREACHABLE), { what: "the break" });
      await made.revive();
      expect(await eventually(() => made.asked.versions([K]), { what: "answered again" })).toEqual([null]);
    });
  });

  describe("who answers", () => {
    it("does so until told to stop, and another one after that", async () => {
      const made = await answered({ fetch: () => Promise.resolve(operationAt(1, PEER)) });
      expect((await made.asked.fetch(K))?.version.ts).toBe(1);
      unserve?.();
      await eventually(() => expect(made.asked.fetch(K)).rejects.toMatchObject(UNREACHABLE), { what: "the end" });
      unserve = made.service.serve(answersWith({ fetch: () => Promise.resolve(operationAt(2, PEER)) }));
      const again = await eventually(() => made.asked.fetch(K), { what: "the next one" });
      expect(again?.version.ts).toBe(2);
    });

    it("hears nothing that was meant for a site or bucket whose name begins alike", async () => {
      const { ends } = await start();
      const places = [
        [PEER, BUCKET],
        [siteNamed(`${PEER}b`), BUCKET],
        [siteNamed(`${PEER}-config`), BUCKET],
        [PEER, bucketNamed(`${BUCKET}s`)],
        [PEER, bucketNamed(`${BUCKET}-2`)],
        [PEER, bucketNamed("Config")],
      ] as const;
      const all = places.map(([site, bucket], n) => {
        const { asked, service } = ends(site, bucket);
        return { asked, unserve: service.serve(answersWith({ fetch: () => Promise.resolve(operationAt(n + 1, PEER)) })) };
      });
      for (const [n, { asked }] of all.entries()) {
        const fetched = await eventually(() => asked.fetch(K), { what: `the answer of ${places[n]?.join(" ")}` });
        expect(fetched?.version.ts).toBe(n + 1);
      }
      all[0]?.unserve();
      await eventually(() => expect(all[0]?.asked.fetch(K)).rejects.toMatchObject(UNREACHABLE), { what: "the end of one" });
      for (const { asked } of all.slice(1)) expect(await asked.fetch(K)).not.toBeNull();
      for (const each of all) each.unserve();
    });
  });
}

/** What holds only where questions are messages: values in parts, and answers that are counted. */
export function messagesContract(make: () => Promise<QuestionsRig>): void {
  let rig: QuestionsRig | undefined;
  let unserve: (() => void) | undefined;
  const answered = async (more: Partial<Questions>) => {
    rig = await make();
    const made = rig.ends(PEER, BUCKET);
    unserve = made.service.serve(answersWith(more));
    await eventually(() => made.asked.versions([]), { what: "the first answer" });
    return made;
  };
  afterEach(async () => {
    unserve?.();
    await rig?.dispose();
    [rig, unserve] = [undefined, undefined];
  });

  const large = operationAt(TS, PEER, { value: bytesOf(2.5 * FETCH_PART_BYTES) });
  it.each<[string, Operation | null]>([
    ["another version, of the same length", { ...large, version: { ts: TS + 1, site: PEER } }],
    ["another site's version of the same time", { ...large, version: { ts: TS, site: SITE } }],
    ["a longer value", { ...large, value: bytesOf(3 * FETCH_PART_BYTES), version: { ts: TS + 1, site: PEER } }],
    ["an empty value", { ...large, value: NO_BYTES, version: { ts: TS + 1, site: PEER } }],
    ["a tombstone of the same version, past its deadline", { ...large, kind: "delete", value: NO_BYTES }],
    ["something that it cannot say right now", null],
  ])("a value that becomes %s between two parts is not fetched", async (_, later) => {
    let parts = 0;
    const made = await answered({ fetch: () => Promise.resolve(parts++ < 2 ? large : later) });
    expect(await made.asked.fetch(K)).toBeNull();
    expect(parts).toBe(3);
  });

  it("a mistake in an answer is told as trouble of the peer, and the next one comes", async () => {
    const made = await answered({
      fetch: () => Promise.reject(new TypeError("x is undefined")),
      hello: () => {
        throw new RangeError("no such thing");
      },
    });
    await expect(made.asked.fetch(K)).rejects.toMatchObject(UNREACHABLE);
    await expect(made.asked.fetch(K)).rejects.toThrow(/site-b.*KVGW_INTERNAL.*x is undefined/);
    // More often than there may be questions at once: none of them counts any more.
    for (let n = 0; n < 2 * ANSWERS_AT_ONCE_MAX; n++) {
      await expect(made.asked.hello(helloOf())).rejects.toMatchObject(UNREACHABLE);
    }
    expect(await made.asked.versions([K])).toEqual([null]);
  });

  it("more questions than are worked on at once are refused at once, and the others answered", async () => {
    const release: (() => void)[] = [];
    const made = await answered({
      fetch: () => new Promise((resolve) => release.push(() => resolve(operationAt(TS, PEER)))),
    });
    const more = 20;
    let refused = 0;
    const asked = Array.from({ length: ANSWERS_AT_ONCE_MAX + more }, () =>
      made.asked.fetch(K).catch((thrown: unknown) => (refused++, thrown)),
    );
    await eventually(() => expect([release.length, refused]).toEqual([ANSWERS_AT_ONCE_MAX, more]), { what: "the refusals" });
    for (const each of release.splice(0)) each();
    const outcomes = await Promise.all(asked);
    expect(outcomes.filter((each) => (each as Partial<Operation>).version?.ts === TS)).toHaveLength(ANSWERS_AT_ONCE_MAX);
    const refusals = outcomes.filter((each) => each instanceof GatewayError);
    expect(refusals.map(({ code, message }) => [code, /too many questions/.test(message)])).toEqual(
      Array.from({ length: more }, () => ["KVGW_TIMEOUT", true]),
    );
    expect(await made.asked.versions([K])).toEqual([null]);
  });
}
