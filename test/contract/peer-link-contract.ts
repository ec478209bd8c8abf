/** What every peer link promises: the words of `PeerLink` and `Reader` in src/core/ports.ts, one by one. */
import { afterEach, describe, expect, it } from "vitest";
import { NO_BYTES, type Operation } from "../../src/core/operation.js";
import type { OperationLog } from "../../src/core/ports.js";
import { operationAt } from "../core/arbitraries.js";
import { keyNamed } from "../core/names.js";
import { eventually } from "../support/eventually.js";
import { appended, identityAt } from "./operation-log-contract.js";
import { type Read, readOf } from "./recorder.js";
import { PEER, type PeerRig, SITE } from "./rigs.js";

const TS = 1_730_542_200_000_000;
const VERSION = { "Kvgw-Version": `${TS} ${PEER}` };
const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const WIDE = 1_000;

const operationOf = (key: string, more: Partial<Operation> = {}) => operationAt(TS, PEER, { key: keyNamed(key), ...more });

async function append(log: OperationLog, from: number, ...keys: readonly string[]): Promise<void> {
  for (const [at, key] of keys.entries()) {
    const operation = operationOf(key, { value: new Uint8Array(7) });
    await appended(log, operation, from + at, await log.sequenceOf(operation.key));
  }
}

const received = ({ operations }: Read) => operations.map(({ operation, sequence }) => `${operation.key}@${sequence}`);

/** Bytes of a message's header block. */
function blockBytes(headers: Readonly<Record<string, string>>): number {
  const lines = Object.entries(headers).map(([name, text]) => `${name}: ${text}\r\n`);
  return lines.length === 0 ? 0 : `NATS/1.0\r\n${lines.join("")}\r\n`.length;
}

export function peerLinkContract(make: () => Promise<PeerRig>): void {
  let rig: PeerRig | undefined;
  const start = async (): Promise<PeerRig> => (rig = await make());
  const filled = async (...keys: readonly string[]): Promise<PeerRig> => {
    const made = await start();
    await made.log.open(1);
    await append(made.log, 0, ...keys);
    return made;
  };
  afterEach(async () => {
    await rig?.dispose();
    rig = undefined;
  });

  describe("opening", () => {
    it("says that there is no log until there is one, and then where it stands", async () => {
      const { link, log } = await start();
      await expect(link.open()).rejects.toMatchObject({ code: "KVGW_LOG_MISSING" });
      const { created } = await log.open(1);
      expect(await link.open()).toEqual({ created, lastSequence: 0 });
      await append(log, 0, "a", "b");
      expect(await link.open()).toEqual({ created, lastSequence: 2 });
    });

    it("fails with a code while the server is away", async () => {
      const { link, kill } = await filled("a");
      await kill();
      await expect(link.open()).rejects.toMatchObject({
        code: expect.stringMatching(/KVGW_(UNREACHABLE|TIMEOUT)/) as string,
      });
    });
  });

  describe("reading", () => {
    it("gives what is kept from a sequence on, in order, and then what comes; nothing early", async () => {
      const { link, log } = await filled("a", "b", "a", "c");
      const read = await readOf(link, 2, WIDE);
      await eventually(() => expect(received(read)).toEqual(["b@2", "a@3", "c@4"]), { what: "what is kept" });
      await append(log, 4, "d", "b");
      await eventually(() => expect(received(read).slice(3)).toEqual(["d@5", "b@6"]), { what: "what came" });
      expect(read.cameEarly()).toBe(false);
    });

    it("from beyond the end gives only what comes", async () => {
      const { link, log, quiet } = await filled("a", "b");
      const read = await readOf(link, 3, WIDE);
      await quiet();
      expect(received(read)).toEqual([]);
      await append(log, 2, "c");
      await eventually(() => expect(received(read)).toEqual(["c@3"]), { what: "what came" });
    });

    it("gives every operation as it was appended, byte by byte", async () => {
      const { link, log } = await filled();
      const base = { ts: TS - 5, site: SITE };
      const large = new Uint8Array(600_000).map((_, at) => at * 31);
      const all = [
        operationOf("a", { value: EVERY_BYTE, base, expiresUs: TS + 5 }),
        operationOf("b.c", { value: new TextEncoder().encode("ünï ☃ 💥") }),
        operationOf("empty", { value: NO_BYTES }),
        operationOf("large", { value: large }),
        operationOf("d", { kind: "delete", value: NO_BYTES, base }),
        operationOf("p", { kind: "purge", value: NO_BYTES }),
      ];
      for (const [at, operation] of all.entries()) await appended(log, operation, at);
      const read = await readOf(link, 1, WIDE);
      await eventually(() => expect(read.operations).toHaveLength(all.length), { what: "all operations" });
      for (const [at, operation] of all.entries()) {
        const found = read.operations[at];
        expect({ ...found?.operation, value: null }).toEqual({ ...operation, value: null });
        expect(Buffer.compare(found?.operation.value ?? NO_BYTES, operation.value)).toBe(0);
        expect(found?.identity).toEqual(identityAt(at + 1));
      }
    });

    it("tells how much the server still holds", async () => {
      const { link } = await filled("a", "b", "c", "d", "e");
      const read = await readOf(link, 1, 2, "never");
      await eventually(() => expect(received(read)).toHaveLength(2), { what: "a window" });
      expect(read.reader.pending()).toBe(3);
      read.reader.release(2, read.bytes[0] ?? 0);
      await eventually(() => expect(received(read)).toHaveLength(4), { what: "another window" });
      expect(read.reader.pending()).toBe(1);
    });

    it("gives no more than the window until something is released", async () => {
      const { link, log, quiet } = await filled("a", "b", "c", "d", "e", "f");
      const read = await readOf(link, 1, 4, "never");
      await eventually(() => expect(received(read)).toEqual(["a@1", "b@2", "c@3", "d@4"]), { what: "a window" });
      await append(log, 6, "g");
      await quiet();
      expect(received(read)).toHaveLength(4);
      read.reader.release(2, (read.bytes[0] ?? 0) * 2);
      await eventually(() => expect(received(read).slice(4)).toEqual(["e@5", "f@6"]), { what: "two more" });
      await quiet();
      expect(received(read)).toHaveLength(6);
      read.reader.release(4, (read.bytes[0] ?? 0) * 4);
      await eventually(() => expect(received(read).at(-1)).toBe("g@7"), { what: "the last" });
    });

    it("works through any number of operations with a window of one", async () => {
      const { link } = await filled("a", "b", "c", "d", "e");
      const read = await readOf(link, 1, 1);
      await eventually(() => expect(received(read)).toHaveLength(5), { what: "all operations" });
    });
  });

  describe("what cannot be read", () => {
    const poison: Readonly<
      Record<string, readonly [key: string, headers: Readonly<Record<string, string>>, reason: string]>
    > = {
      "a message without version in it": ["k", {}, "malformed"],
      "a broken version": ["k", { "Kvgw-Version": "9007199254740993 site-b" }, "malformed"],
      "another site's version": ["k", { "Kvgw-Version": `${TS} ${SITE}` }, "foreign_origin"],
      "a key that NATS KV does not allow": ["not:legal!", VERSION, "invalid_key"],
      "a broken base": ["k", { ...VERSION, "Kvgw-Base": "x" }, "malformed"],
      "a broken deadline": ["k", { ...VERSION, "Kvgw-Expires": "-1" }, "malformed"],
      "a broken identity": ["k", { ...VERSION, "Kvgw-Revision": "1 2" }, "malformed"],
    };

    it.each(Object.entries(poison))(
      "such as %s is reported where it stands, and the rest flows",
      async (_, [key, headers, reason]) => {
        const { link, log, stream } = await filled("a");
        const document = { op: "put", bucket: "x", key, value: "v", ts: TS, node_id: "Nobody!" };
        await stream.publish(key, JSON.stringify(document), headers);
        await append(log, 2, "z");
        const read = await readOf(link, 1, WIDE);
        await eventually(() => expect(received(read)).toEqual(["a@1", "z@3"]), { what: "the sound ones" });
        expect(read.sequences).toEqual([1, 2, 3]);
        expect(read.unreadable[0]).toMatchObject({ sequence: 2, key });
        expect(read.unreadable[0]?.detail.length).toBeGreaterThan(5);
        // In JSON the payload is looked at first, and this one is nobody's.
        expect([reason, "malformed"]).toContain(read.unreadable[0]?.reason);
        expect(read.bytes[1]).toBe(JSON.stringify(document).length + blockBytes(headers));
      },
    );
  });

  describe("the end of reading", () => {
    it("is told once when the log is deleted, and nothing comes after it", async () => {
      const { link, stream, quiet } = await filled("a");
      const read = await readOf(link, 1, WIDE);
      await eventually(() => expect(received(read)).toEqual(["a@1"]), { what: "the operation" });
      await stream.destroy();
      await eventually(() => expect(read.lost.map(({ code }) => code)).toEqual(["KVGW_READER_LOST"]), { what: "the loss" });
      await quiet();
      expect([read.lost.length, read.sequences.length]).toEqual([1, 1]);
    });

    it("is told once when the server dies", async () => {
      const { link, kill, quiet } = await filled("a");
      const read = await readOf(link, 1, WIDE);
      await eventually(() => expect(received(read)).toEqual(["a@1"]), { what: "the operation" });
      await kill();
      await eventually(() => expect(read.lost).toHaveLength(1), { what: "the loss" });
      await quiet();
      expect(read.lost.map(({ code }) => code)).toEqual(["KVGW_READER_LOST"]);
    });

    it("is silent when it was asked for", async () => {
      const { link, log, stream, quiet } = await filled("a");
      const read = await readOf(link, 1, WIDE);
      await eventually(() => expect(received(read)).toEqual(["a@1"]), { what: "the operation" });
      await read.reader.stop();
      await append(log, 1, "b");
      await stream.destroy();
      await quiet();
      expect([read.lost.length, read.sequences.length]).toEqual([0, 1]);
    });

    it("lets another reader begin where the first one stood", async () => {
      const { link } = await filled("a", "b", "c");
      const first = await readOf(link, 1, 2, "never");
      await eventually(() => expect(received(first)).toHaveLength(2), { what: "the first two" });
      await first.reader.stop();
      const second = await readOf(link, 3, 2);
      await eventually(() => expect(received(second)).toEqual(["c@3"]), { what: "the third" });
      expect(received(first)).toHaveLength(2);
    });
  });
}
