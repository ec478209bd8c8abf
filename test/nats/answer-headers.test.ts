/** The headers of answers: an operation is read as it was written or not at all, and a refusal is always printable. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GatewayError } from "../../src/core/errors.js";
import { NO_BYTES } from "../../src/core/operation.js";
import { operationLines, readOperation, readRefusal, refusalLines } from "../../src/nats/answer-headers.js";
import { anyOperation, anyVersion } from "../core/arbitraries.js";
import { keyNamed } from "../core/names.js";
import { blockOf } from "./scripted-server.js";

const K = keyNamed("k");
const block = (lines: string) => `NATS/1.0\r\n${lines}\r\n`;

describe("the headers of an operation", () => {
  it("say everything of it but the value itself", () => {
    const base = fc.option(fc.option(anyVersion, { nil: null }), { nil: undefined });
    fc.assert(
      fc.property(anyOperation, base, (some, overwrote) => {
        const operation = { ...some, base: overwrote };
        const read = readOperation(operation.key, block(operationLines(operation)));
        expect(read).toEqual({ operation: { ...operation, value: NO_BYTES }, total: operation.value.length });
      }),
      { numRuns: 1_000 },
    );
  });

  const sound = { "Kvgw-Version": "7 site-b", "Kvgw-Total": "5" };

  it("need no more than a version and the length of the value", () => {
    expect(readOperation(K, blockOf(sound))).toEqual({
      operation: { kind: "put", key: K, value: NO_BYTES, version: { ts: 7, site: "site-b" }, base: undefined, expiresUs: null },
      total: 5,
    });
  });

  it.each([
    ["no version", { "Kvgw-Version": "" }],
    ["a version without a site", { "Kvgw-Version": "7" }],
    ["a version of no site", { "Kvgw-Version": "7 Site_B" }],
    ["a version at no time", { "Kvgw-Version": "9007199254740992 a" }],
    ["a base that is no version", { "Kvgw-Base": "None" }],
    ["an empty base", { "Kvgw-Base": "" }],
    ["a deadline that is no time", { "Kvgw-Expires": "0" }],
    ["a deadline in the future of all times", { "Kvgw-Expires": "9007199254740992" }],
    ["a deadline with a fraction", { "Kvgw-Expires": "1.5" }],
    ["an operation that there is not", { "KV-Operation": "DELETE" }],
    ["an empty operation", { "KV-Operation": "" }],
    ["no length", { "Kvgw-Total": "" }],
    ["a negative length", { "Kvgw-Total": "-5" }],
    ["a length with a fraction", { "Kvgw-Total": "5.5" }],
    ["a length in another form", { "Kvgw-Total": "5e0" }],
    ["a length in hexadecimal", { "Kvgw-Total": "0x5" }],
    ["a length without end", { "Kvgw-Total": "Infinity" }],
    ["a length beyond what a message can have", { "Kvgw-Total": String(64 * 1024 * 1024 + 1) }],
    ["a deleted value that has a length", { "KV-Operation": "DEL" }],
    ["a purged value that has a length", { "KV-Operation": "PURGE" }],
  ])("are refused with %s", (_, more) => {
    expect(readOperation(K, blockOf({ ...sound, ...more }))).toBeNull();
  });

  it("are refused where there are none, or others", () => {
    for (const other of ["", "NATS/1.0\r\n\r\n", blockOf({}, "503"), blockOf({ "Kvgw-Total": "5" })]) {
      expect(readOperation(K, other)).toBeNull();
    }
    expect(readOperation(K, blockOf({ "kvgw-version": "7 site-b", "kvgw-total": "5" }))).toBeNull();
  });
});

describe("the headers of a refusal", () => {
  const refused = (code: ConstructorParameters<typeof GatewayError>[0], message: string) =>
    readRefusal(block(refusalLines(new GatewayError(code, message))), "gateway of b");

  it("keep what the asker can act upon, and tell the rest as a peer that cannot be asked", () => {
    expect(refused("KVGW_TIMEOUT", "x")?.code).toBe("KVGW_TIMEOUT");
    expect(refused("KVGW_ANSWER_UNREADABLE", "x")?.code).toBe("KVGW_ANSWER_UNREADABLE");
    for (const code of ["KVGW_UNREACHABLE", "KVGW_INTERNAL", "KVGW_DENIED", "KVGW_SERVER_UNSUITABLE"] as const) {
      expect(refused(code, "x")).toMatchObject({ code: "KVGW_UNREACHABLE" });
      expect(refused(code, "why")?.message).toMatch(new RegExp(`gateway of b: it answers: ${code} why`));
    }
  });

  it("are two printable lines of bounded length, whatever the message", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 400 }), (message) => {
        const lines = refusalLines(new GatewayError("KVGW_TIMEOUT", `${message}\r\nKvgw-Total: 1čĊ\0`)).split("\r\n");
        expect(lines).toHaveLength(3);
        for (const line of lines) expect(line).toMatch(/^[\x20-\x7e]{0,300}$/);
      }),
    );
  });

  it("of somebody else are told as printable text of bounded length", () => {
    const forged = blockOf({ "Nats-Service-Error": `${"x".repeat(5_000)}\u001b[31m\n` });
    const told = readRefusal(forged, "b");
    expect(told?.code).toBe("KVGW_UNREACHABLE");
    expect(told?.message.length).toBeLessThan(300);
    expect(readRefusal(blockOf({ "Nats-Service-Error": "\u001b[31m KVGW_TIMEOUT x" }), "b")?.message).not.toContain("\u001b");
  });

  it("are not seen in an answer", () => {
    expect(readRefusal("", "b")).toBeNull();
    expect(readRefusal(blockOf({ "Kvgw-Version": "1 a" }), "b")).toBeNull();
  });
});
