/** What every operation log promises: the words of `OperationLog` in src/core/ports.ts, one by one. */
import { afterEach, describe, expect, it } from "vitest";
import { READ_WINDOW_MESSAGES } from "../../src/core/limits.js";
import { type EntryIdentity, type LoggedOperation, NO_BYTES, type Operation } from "../../src/core/operation.js";
import type { AppendOutcome, OperationLog } from "../../src/core/ports.js";
import { operationAt } from "../core/arbitraries.js";
import { keyNamed } from "../core/names.js";
import { eventually } from "../support/eventually.js";
import { type LogRig, PEER, SITE } from "./rigs.js";

const TS = 1_730_542_200_000_000;
const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => byte);

export const operationOf = (key: string, more: Partial<Operation> = {}): Operation =>
  operationAt(TS, SITE, { key: keyNamed(key), ...more });

export const identityAt = (revision: number): EntryIdentity => ({
  bucketCreated: "1730542200000000001",
  revision,
  timestampNs: "1730542200000000002",
});

/** @param key the sequence that the operation's own key is expected at */
export const appended = (log: OperationLog, operation: Operation, last: number, key = 0): Promise<AppendOutcome> =>
  new Promise((resolve) => log.append(operation, identityAt(last + 1), { last, key }, resolve));

async function scanned(log: OperationLog, from: number) {
  const found: LoggedOperation[] = [];
  const mark = await log.scan(from, (logged) => void found.push(logged));
  return { found, mark };
}
const keysOf = (found: readonly LoggedOperation[]) =>
  found.map(({ operation, sequence }) => `${operation.key}@${sequence}`);

export function operationLogContract(make: () => Promise<LogRig>): void {
  let rig: LogRig | undefined;
  const opened = async (): Promise<LogRig> => {
    rig = await make();
    await rig.log.open(1);
    return rig;
  };
  const filled = async (...keys: readonly string[]): Promise<LogRig> => {
    const made = await opened();
    for (const [at, key] of keys.entries()) {
      await appended(made.log, operationOf(key), at, keys.slice(0, at).lastIndexOf(key) + 1);
    }
    return made;
  };
  afterEach(async () => {
    await rig?.dispose();
    rig = undefined;
  });

  describe("opening", () => {
    it("makes a missing log, and finds the same one again", async () => {
      const { log, other } = await opened();
      const mark = await log.open(1);
      expect(mark).toEqual({ created: expect.stringMatching(/^[0-9]{19}$/) as string, lastSequence: 0, replicas: 1 });
      await appended(log, operationOf("k"), 0);
      expect(await other.open(1)).toEqual({ ...mark, lastSequence: 1 });
    });

    it("tells another life of the log by another creation time", async () => {
      const { log, stream } = await filled("k");
      const before = await log.open(1);
      await stream.destroy();
      const after = await log.open(1);
      expect(after.lastSequence).toBe(0);
      expect(after.created).not.toBe(before.created);
    });

    it("fails with a code while the server is away", async () => {
      const { log, kill } = await opened();
      await kill();
      await expect(log.open(1)).rejects.toMatchObject({
        code: expect.stringMatching(/KVGW_(UNREACHABLE|TIMEOUT)/) as string,
      });
    });
  });

  describe("appending", () => {
    it("gives one sequence after the other", async () => {
      const { log } = await opened();
      expect(await appended(log, operationOf("a"), 0)).toEqual({ kind: "appended", sequence: 1 });
      expect(await appended(log, operationOf("b"), 1)).toEqual({ kind: "appended", sequence: 2 });
      expect(await appended(log, operationOf("a"), 2, 1)).toEqual({ kind: "appended", sequence: 3 });
    });

    it("keeps the order of many in flight", async () => {
      const { log } = await opened();
      const all = Array.from({ length: 500 }, (_, at) => appended(log, operationOf(`k${at}`), at));
      expect(await Promise.all(all)).toEqual(all.map((_, at) => ({ kind: "appended", sequence: at + 1 })));
      expect(keysOf((await scanned(log, 1)).found)).toEqual(all.map((_, at) => `k${at}@${at + 1}`));
    });

    it("is a mismatch wherever the log does not end where it should, and stores nothing", async () => {
      const { log } = await filled("a", "b");
      for (const expected of [0, 1, 3, 99])
        expect(await appended(log, operationOf("c"), expected)).toEqual({ kind: "mismatch" });
      expect(keysOf((await scanned(log, 1)).found)).toEqual(["a@1", "b@2"]);
    });

    it("never passes a gap: what was sent behind a mismatch is one too", async () => {
      const { log } = await filled("a");
      const sent = [
        appended(log, operationOf("b"), 7),
        appended(log, operationOf("c"), 8),
        appended(log, operationOf("d"), 9),
      ];
      expect(await Promise.all(sent)).toEqual(sent.map(() => ({ kind: "mismatch" })));
    });

    it("is a mismatch where its key does not stand where it should, though the log does, and stores nothing", async () => {
      const { log } = await filled("a", "b", "a");
      for (const key of [0, 1, 2, 4]) expect(await appended(log, operationOf("a"), 3, key)).toEqual({ kind: "mismatch" });
      for (const key of [1, 3]) expect(await appended(log, operationOf("c"), 3, key)).toEqual({ kind: "mismatch" });
      expect(keysOf((await scanned(log, 1)).found)).toEqual(["b@2", "a@3"]);
      expect(await appended(log, operationOf("a"), 3, 3)).toEqual({ kind: "appended", sequence: 4 });
    });

    it("is a mismatch where the log does not end where it should, though its key stands there", async () => {
      const { log } = await filled("a", "b");
      for (const last of [0, 1, 3]) expect(await appended(log, operationOf("a"), last, 1)).toEqual({ kind: "mismatch" });
      expect(keysOf((await scanned(log, 1)).found)).toEqual(["a@1", "b@2"]);
    });

    it("compares the key as it is left behind those in flight before it", async () => {
      const { log } = await filled("a");
      const sent = [
        appended(log, operationOf("b"), 1),
        appended(log, operationOf("a"), 2, 1),
        appended(log, operationOf("b"), 3, 1),
        appended(log, operationOf("c"), 3),
      ];
      const kinds = (await Promise.all(sent)).map(({ kind }) => kind);
      expect(kinds).toEqual(["appended", "appended", "mismatch", "appended"]);
      expect(keysOf((await scanned(log, 1)).found)).toEqual(["b@2", "a@3", "c@4"]);
    });

    it("of a key that was purged from the log begins anew", async () => {
      const { log, stream } = await filled("a", "b");
      await stream.purge("a");
      expect(await appended(log, operationOf("a"), 2, 1)).toEqual({ kind: "mismatch" });
      expect(await log.sequenceOf(keyNamed("a"))).toBe(0);
      expect(await appended(log, operationOf("a"), 2, 0)).toEqual({ kind: "appended", sequence: 3 });
    });

    it("finds out that another gateway of the site has written", async () => {
      const { log, other } = await filled("a");
      expect(await appended(other, operationOf("b"), 1)).toEqual({ kind: "appended", sequence: 2 });
      expect(await appended(log, operationOf("c"), 1)).toEqual({ kind: "mismatch" });
      expect(keysOf((await scanned(log, 2)).found)).toEqual(["b@2"]);
      expect(await appended(log, operationOf("c"), 2)).toEqual({ kind: "appended", sequence: 3 });
    });

    it("of what can never fit says so", async () => {
      const { log } = await opened();
      const sized = (bytes: number) => operationOf("k", { value: new Uint8Array(bytes).fill(0x61) });
      expect(await appended(log, sized(2_000_000), 0)).toEqual({ kind: "too-large" });
      expect(await appended(log, sized(500_000), 0)).toEqual({ kind: "appended", sequence: 1 });
    });

    it("to a log that is gone has certainly not been stored", async () => {
      const { log, stream } = await filled("a");
      await stream.destroy();
      expect(await appended(log, operationOf("k"), 1)).toMatchObject({
        kind: "failed",
        error: { code: "KVGW_UNREACHABLE" },
      });
    });

    it("is answered exactly once although the server dies", async () => {
      const { log, kill, quiet } = await opened();
      const outcomes: AppendOutcome[] = [];
      for (let at = 0; at < 20; at++)
        log.append(operationOf(`k${at}`), identityAt(at + 1), { last: at, key: 0 }, (outcome) => void outcomes.push(outcome));
      await kill();
      await eventually(() => expect(outcomes).toHaveLength(20), { what: "all outcomes" });
      log.append(operationOf("k"), identityAt(99), { last: 20, key: 0 }, (outcome) => void outcomes.push(outcome));
      await eventually(() => expect(outcomes).toHaveLength(21), { what: "the outcome without a connection" });
      expect(outcomes.at(-1)?.kind).toMatch(/^(failed|unknown)$/);
      await quiet();
      expect(outcomes).toHaveLength(21);
    });
  });

  describe("where a key stands", () => {
    it("is told as the server compares it: also where nobody can read what is there, and 0 where nothing is", async () => {
      const { log, stream } = await filled("a", "b", "a", "a.b");
      await stream.publish("garbage", "x");
      const asked = ["a", "b", "a.b", "garbage", "c"].map((key) => log.sequenceOf(keyNamed(key)));
      expect(await Promise.all(asked)).toEqual([3, 2, 4, 5, 0]);
    });

    it("fails with a code while the server is away", async () => {
      const { log, kill } = await filled("a");
      await kill();
      await expect(log.sequenceOf(keyNamed("a"))).rejects.toMatchObject({
        code: expect.stringMatching(/KVGW_(UNREACHABLE|TIMEOUT)/) as string,
      });
    });
  });

  describe("scanning", () => {
    it("finds the last operation of every key, in order, and tells where the log ends", async () => {
      const { log } = await filled("a", "b", "a", "c");
      const { found, mark } = await scanned(log, 1);
      expect(keysOf(found)).toEqual(["b@2", "a@3", "c@4"]);
      expect(mark).toMatchObject({ created: (await log.open(1)).created, lastSequence: 4 });
    });

    it("begins where it is asked to, and finds nothing beyond the end", async () => {
      const { log } = await filled("a", "b", "a", "c");
      expect(keysOf((await scanned(log, 3)).found)).toEqual(["a@3", "c@4"]);
      expect(await scanned(log, 5)).toMatchObject({ found: [], mark: { lastSequence: 4 } });
      expect(await scanned(log, 99)).toMatchObject({ found: [], mark: { lastSequence: 4 } });
    });

    it("finds nothing in an empty log", async () => {
      const { log } = await opened();
      expect(await scanned(log, 1)).toMatchObject({ found: [], mark: { lastSequence: 0 } });
    });

    it("finds what is left when the last operations are gone, and still tells where the log ends", async () => {
      const { log, stream } = await filled("a", "b", "c", "d");
      for (const key of ["c", "d"]) await stream.purge(key);
      expect(keysOf((await scanned(log, 1)).found)).toEqual(["a@1", "b@2"]);
      expect(await scanned(log, 3)).toMatchObject({ found: [], mark: { lastSequence: 4 } });
      expect(await appended(log, operationOf("e"), 4)).toEqual({ kind: "appended", sequence: 5 });
    });

    it("finds more than fits into a reader's window", async () => {
      const { log } = await opened();
      const count = READ_WINDOW_MESSAGES + 100;
      await Promise.all(Array.from({ length: count }, (_, at) => appended(log, operationOf(`k${at}`), at)));
      expect((await scanned(log, 1)).found).toHaveLength(count);
    });

    it("gives everything of an operation but its value", async () => {
      const { log } = await opened();
      const base = { ts: TS - 5, site: PEER };
      const put = operationOf("a.b", { value: EVERY_BYTE, base, expiresUs: TS + 5 });
      const [deleted, purged] = (["delete", "purge"] as const).map((kind) => operationOf(kind, { kind, value: NO_BYTES }));
      const all = [put, deleted ?? put, purged ?? put];
      for (const [at, operation] of all.entries()) await appended(log, operation, at);
      const bare = (operation: Operation) => ({ ...operation, value: NO_BYTES });
      const { found } = await scanned(log, 1);
      expect(found.map(({ operation }) => bare(operation))).toEqual(all.map(bare));
      expect(found.map(({ sequence, identity }) => [sequence, identity])).toEqual(
        all.map((_, at) => [at + 1, identityAt(at + 1)]),
      );
    });

    it("passes over what is no operation of this site", async () => {
      const { log, stream } = await filled("a");
      await stream.publish("garbage", "x");
      await stream.publish("foreign", "x", { "Kvgw-Version": `${TS} ${PEER}` });
      expect(keysOf((await scanned(log, 1)).found)).toEqual(["a@1"]);
    });

    it("tells that the log is gone", async () => {
      const { log, stream } = await filled("a");
      await stream.destroy();
      await expect(scanned(log, 1)).rejects.toMatchObject({ code: "KVGW_STREAM_CHANGED" });
    });

    it("leaves nothing behind that a second scan would trip over", async () => {
      const { log } = await filled("a", "b");
      for (let n = 0; n < 5; n++) expect(keysOf((await scanned(log, 1)).found)).toEqual(["a@1", "b@2"]);
    });
  });
}
