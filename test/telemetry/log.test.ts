/** The log's lines: their shape, their bounds, where they go. */
import fs from "node:fs";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type LogLevel, createLogger } from "../../src/telemetry/log.js";

function rig(level: LogLevel = "info") {
  const lines: string[] = [];
  const logger = createLogger({ site: "site-a", level, destination: { write: (line) => void lines.push(line) } });
  const parsed = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { lines, logger, parsed };
}

afterEach(() => vi.restoreAllMocks());

describe("a log line", () => {
  test("is one JSON object with time, level, site, the event's fields and a message", () => {
    const { lines, logger, parsed } = rig();
    logger.log("warn", "peer degraded", { bucket: "orders", peer: "site-b", code: "KVGW_TIMEOUT", delayMs: 5 });
    expect(lines[0]?.endsWith("}\n")).toBe(true);
    const [{ time, ...rest } = {}] = parsed();
    expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(rest).toEqual({
      level: "warn",
      site: "site-a",
      bucket: "orders",
      peer: "site-b",
      code: "KVGW_TIMEOUT",
      delayMs: 5,
      msg: "peer degraded",
    });
  });

  test("stays one line whatever its texts hold", () => {
    const { lines, logger, parsed } = rig();
    const hostile = '"}\n{"level":"error"}\r\n\u2028\u0000\ud800';
    logger.log("info", hostile, { reason: hostile });
    expect(lines[0]?.trimEnd()).not.toMatch(/[\r\n]/);
    expect(parsed()[0]).toMatchObject({ level: "info", reason: hostile, msg: hostile });
  });

  test("cuts every text at 256 characters, also within lists and in the message", () => {
    const { logger, parsed } = rig();
    const [fits, long] = ["x".repeat(256), "x".repeat(100_000)];
    logger.log("info", long, { fits, long, list: [fits, long] });
    const cut = `${"x".repeat(255)}…`;
    expect(parsed()[0]).toMatchObject({ fits, long: cut, list: [fits, cut], msg: cut });
  });

  test("carries at most a hundred entries of a list", () => {
    const { logger, parsed } = rig();
    const list = Array.from({ length: 10_000 }, (_, index) => `bucket-${index}`);
    logger.log("info", "config applied", { list });
    expect(parsed()[0]?.["list"]).toEqual(list.slice(0, 100));
  });
});

describe("the level", () => {
  test("keeps lines below it out, and can be changed while running", () => {
    const { logger, parsed } = rig("warn");
    logger.log("info", "first");
    logger.setLevel("debug");
    logger.log("debug", "second");
    logger.setLevel("error");
    logger.log("warn", "third");
    logger.log("error", "fourth");
    expect(parsed().map(({ msg }) => msg)).toEqual(["second", "fourth"]);
  });
});

test("without a destination a line is on stderr when the call returns, written by this thread", () => {
  const written: [descriptor: number, text: string][] = [];
  vi.spyOn(fs, "writeSync").mockImplementation((descriptor, text) => {
    written.push([descriptor, String(text)]);
    return Buffer.byteLength(String(text));
  });
  createLogger({ site: "site-a", level: "info" }).log("info", "last words");
  expect(written.map(([descriptor, text]) => [descriptor, /"msg":"last words"\}\n$/.test(text)])).toEqual([[2, true]]);
});
