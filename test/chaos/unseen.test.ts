/** What a server's death hid is put back as far as others speak of it, so that it is not taken for lost or invented. */
import { beforeEach, describe, expect, it } from "vitest";
import { check } from "../sim/checker/check.js";
import type { WriteKind } from "../sim/history.js";
import { type Record, type Seen, createRecord } from "./record.js";
import { type Unseen, putBackUnseen } from "./unseen.js";

const START_US = Date.now() * 1_000;
const SETUP = { buckets: [{ name: "config", sites: ["a", "b"], format: "raw", include: [">"], exclude: [] }], beganMs: START_US / 1_000, onlyBucketFaults: false } as const;
const CREATED = `${START_US - 1_000}000`;
const block = (lines: string) => `NATS/1.0\r\n${lines}\r\n`;

describe("messages that nobody saw", () => {
  let record: Record;
  let op = 0;
  beforeEach(() => void (record = createRecord()));

  const see = (place: Seen["place"], site: string, sequence: number, us: number, more: Partial<Seen> = {}) =>
    record.see({
      ...{ place, site, sequence, bucket: "config", key: "k", created: CREATED, block: "", value: "", op: null },
      ...{ timestampNs: `${START_US + us}000`, ...more },
    });
  /** A client's write that got revision `sequence`, or no answer (0). */
  function call(site: string, sequence: number, value: string, kind: WriteKind = "put"): number {
    op++;
    record.add({ what: "called", op, site, bucket: "config", key: "k", kind, value, expected: null });
    record.add({ what: "answered", op, outcome: sequence > 0 ? "acknowledged" : "unknown", revision: sequence });
    return op;
  }
  const version = (us: number) => `Kvgw-Version: ${START_US + us} a\r\n`;
  const from = (sequence: number, us: number) => `Kvgw-Revision: ${CREATED} ${sequence} ${START_US + us}000\r\n`;
  const missing = (place: Unseen["place"], sequence: number): Unseen => ({ place, site: "a", bucket: "config", created: CREATED, sequence });
  const broken = () => check(record.history(), SETUP).map(({ property }) => property);

  it("are known where a client was told their revision", () => {
    call("a", 1, "one");
    see("bucket", "a", 2, 20, { value: "two", op: call("a", 2, "two") });
    see("log", "a", 1, 25, { value: "two", block: block(version(20) + from(2, 20)) });
    expect(broken()).toContain("acknowledged is kept");
    expect(putBackUnseen(record, [missing("bucket", 1)])).toBe(1);
    expect(broken()).not.toContain("acknowledged is kept");
  });

  it("are known where an operation names them, also without an answer", () => {
    const unknown = call("a", 0, "", "delete");
    see("log", "a", 1, 25, { block: block(`${version(10)}${from(1, 10)}KV-Operation: DEL\r\n`) });
    expect(broken()).toContain("nothing invented");
    expect(putBackUnseen(record, [missing("bucket", 1)])).toBe(1);
    expect(broken()).not.toContain("nothing invented");
    expect(record.history().find(({ what }) => what === "stored")).toMatchObject({ place: "bucket", op: unknown, sequence: 1 });
  });

  it("are known where a gateway applied them elsewhere", () => {
    see("bucket", "a", 1, 10, { value: "one", op: call("a", 1, "one") });
    see("bucket", "b", 1, 30, { value: "one", block: block(version(10)) });
    expect(broken()).toContain("nothing invented");
    expect(putBackUnseen(record, [missing("log", 1)])).toBe(1);
    expect(broken()).not.toContain("nothing invented");
  });

  it("stay away where nobody speaks of them: what is invented stays so", () => {
    see("bucket", "b", 1, 30, { value: "nobody's", block: block(version(10)) });
    expect(putBackUnseen(record, [missing("log", 1), missing("bucket", 7)])).toBe(0);
    expect(broken()).toContain("nothing invented");
  });
});
