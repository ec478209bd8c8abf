/** What was seen becomes one history in the order in which it happened, whoever told of it first. */
import { describe, expect, it } from "vitest";
import { nanosOf } from "./observer.js";
import { type Seen, createRecord, shortValue } from "./record.js";

const us = (Date.now() + 60_000) * 1_000;
const seen = (partial: Partial<Seen> & { readonly atUs: number }): Seen => ({
  ...{ place: "bucket", site: "site-a", bucket: "config", key: "k", created: "1", sequence: 1, block: "", value: "", op: null },
  timestampNs: `${us + partial.atUs}000`,
  ...partial,
});
const told = (record: ReturnType<typeof createRecord>) =>
  record.history().map((happening) => (happening.what === "stored" ? `${happening.place} ${happening.site} ${happening.sequence}` : happening.what));

describe("the record of a run", () => {
  it("orders what servers tell by their time, not by when it came in", () => {
    const record = createRecord();
    record.see(seen({ site: "site-b", atUs: 30 }));
    record.see(seen({ place: "log", atUs: 20 }));
    record.see(seen({ atUs: 10 }));
    expect(told(record)).toEqual(["bucket site-a 1", "log site-a 1", "bucket site-b 1"]);
  });

  it("orders one stream by its sequence, also where its times do not rise", () => {
    const record = createRecord();
    record.see(seen({ sequence: 2, atUs: 10 }));
    record.see(seen({ sequence: 1, atUs: 20 }));
    record.see(seen({ place: "log", atUs: 15 }));
    expect(told(record)).toEqual(["log site-a 1", "bucket site-a 1", "bucket site-a 2"]);
  });

  it("puts what this process did where its time is", () => {
    const record = createRecord();
    record.see(seen({ atUs: 0 }));
    record.add({ what: "phase", phase: "healed" });
    expect(told(record)).toEqual(["phase", "bucket site-a 1"]);
    expect(record.history()[1]?.ms).toBeGreaterThan(50_000);
  });

  it("keeps apart what had a sequence before a loss, and what got it afterwards", () => {
    const record = createRecord();
    record.see(seen({ sequence: 1, atUs: -120e6 }));
    record.see(seen({ sequence: 2, atUs: -110e6 }));
    record.lose({ place: "bucket", site: "site-a", bucket: "config", sequence: 1 });
    record.see(seen({ sequence: 2, atUs: 1 }));
    expect(told(record)).toEqual(["bucket site-a 1", "bucket site-a 2", "lost", "bucket site-a 2"]);
  });

  it("forgets what was saved before a site's state was put back", () => {
    const record = createRecord();
    record.see(seen({ place: "state", atUs: -120e6, value: "before" }));
    record.lose({ place: "state", site: "site-a", bucket: "KVGW_site-a", sequence: 0 });
    record.see(seen({ place: "state", atUs: 1, value: "after" }));
    expect(record.history()).toMatchObject([{ what: "saved", text: "after" }]);
  });

  it("takes a site's state for what was saved", () => {
    const record = createRecord();
    record.see(seen({ place: "state", key: "checkpoint.config.site-b", value: '{"sequence":3}', atUs: 1 }));
    expect(record.history()).toMatchObject([{ what: "saved", site: "site-a", key: "checkpoint.config.site-b", text: '{"sequence":3}' }]);
  });

  it("keeps short values whole, and of long ones what tells them apart", () => {
    expect(shortValue(Buffer.from("op 7 short"))).toBe("op 7 short");
    const [one, other] = [Buffer.alloc(100_000, "a"), Buffer.alloc(100_000, "a")];
    other[99_999] = 0;
    expect(shortValue(one)).toBe(shortValue(Buffer.from(one)));
    expect(shortValue(one)).not.toBe(shortValue(other));
    expect(shortValue(one).length).toBeLessThan(60);
  });

  it.each([
    ["2026-11-21T17:00:52.417937361Z", "1795280452417937361"],
    ["2026-11-21T17:00:52.4Z", "1795280452400000000"],
    ["2026-11-21T17:00:52Z", "1795280452000000000"],
    ["2026-11-21T18:00:52.000000001+01:00", "1795280452000000001"],
  ])("reads the time %s to the nanosecond", (time, nanos) => {
    expect(nanosOf(time)).toBe(nanos);
  });
});
