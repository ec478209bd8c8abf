/** The checker judges the product, so it is judged first: good histories pass, and each bad one breaks its property. */
import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { SETUP, type Tale, tale } from "./checker/tale.js";

const X = { key: "x" } as const;
/** One write at `a` that has arrived at `b`, versions in microseconds. */
const replicated = () =>
  tale()
    .write({ ...X, site: "a", sequence: 1, us: 100, value: "v" })
    .log({ ...X, site: "a", sequence: 1, revision: 1, us: 100, value: "v" })
    .apply({ ...X, site: "b", sequence: 1, us: 100, origin: "a", value: "v" });

const CHECKER = new URL("checker/", import.meta.url);

describe("the checker", () => {
  it("knows nothing of the product, so that no mistake is made twice", () => {
    const files = readdirSync(CHECKER).filter((file) => file.endsWith(".ts"));
    const imports = files.flatMap((file) => readFileSync(new URL(file, CHECKER), "utf8").match(/from "[^"]+"/g) ?? []);
    expect(imports.length).toBeGreaterThan(files.length);
    expect(imports.filter((from) => !/^from "(?:\.\/[a-z]+|\.\.\/history|\.\.\/world\/recorder)\.js"$/.test(from))).toEqual([]);
  });
});

describe("a good history", () => {
  it("passes: a write, its operation, its apply", () => {
    expect(replicated().end().violations()).toEqual([]);
  });

  it("passes where a concurrent write loses and its site takes the winner", () => {
    const good = replicated()
      .write({ ...X, site: "b", sequence: 2, us: 300, value: "w" })
      .log({ ...X, site: "b", sequence: 1, revision: 2, us: 300, value: "w" })
      .write({ ...X, site: "a", sequence: 2, us: 200, value: "loser" })
      .log({ ...X, site: "a", sequence: 2, revision: 2, us: 200, value: "loser" })
      .apply({ ...X, site: "a", sequence: 3, us: 300, origin: "b", value: "w" });
    expect(good.end().violations()).toEqual([]);
  });

  it("passes with a delete, and with a local write that was overwritten before anybody saw it", () => {
    const good = replicated()
      .write({ ...X, site: "b", sequence: 2, us: 200, value: "unseen" })
      .write({ ...X, site: "b", sequence: 3, us: 300, kind: "delete" })
      .log({ ...X, site: "b", sequence: 1, revision: 3, us: 300, kind: "delete" })
      .apply({ ...X, site: "a", sequence: 2, us: 300, origin: "b", kind: "delete" });
    expect(good.end().violations()).toEqual([]);
  });

  it("passes with an expiry, with and without a marker, and with an operation applied past its deadline", () => {
    const good = tale()
      .write({ ...X, site: "a", sequence: 1, us: 100, value: "v" })
      .log({ ...X, site: "a", sequence: 1, revision: 1, us: 100, value: "v", expiresUs: 500 })
      .expire({ ...X, site: "a", sequence: 1 })
      .marker({ ...X, site: "a", sequence: 2 })
      .apply({ ...X, site: "b", sequence: 1, us: 100, origin: "a", kind: "delete" });
    expect(good.end().violations()).toEqual([]);
  });

  it("passes with checkpoints that rise, fall only with another log, and cover what is settled", () => {
    const good = replicated()
      .save("b", "checkpoint.config.a", { created: "1000000000", sequence: 1 })
      .save("b", "checkpoint.config.a", { created: "2000000000", sequence: 0 })
      .save("b", "causality.config", { floorUs: 500, records: [] })
      .save("b", "causality.config", { floorUs: 500, records: [] });
    expect(good.end().violations()).toEqual([]);
  });

  it("passes where an excluded key differs, since it is nobody's business", () => {
    expect(tale().write({ key: "secret.x", site: "a", sequence: 1, us: 100, value: "v" }).end().violations()).toEqual([]);
  });
});

describe("a bad history breaks", () => {
  const KEPT = "acknowledged is kept";

  it("convergence: sites differ", () => {
    const bad = replicated()
      .write({ ...X, site: "a", sequence: 2, us: 200, value: "w" })
      .log({ ...X, site: "a", sequence: 2, revision: 2, us: 200, value: "w" });
    expect(bad.end().broken()).toEqual(["convergence", "highest version wins"]);
  });

  it("convergence: one site has no tombstone but an older one", () => {
    const bad = replicated()
      .write({ ...X, site: "a", sequence: 2, us: 200, kind: "delete" })
      .log({ ...X, site: "a", sequence: 2, revision: 2, us: 200, kind: "delete" })
      .apply({ ...X, site: "b", sequence: 2, us: 200, origin: "a", kind: "delete" })
      .write({ ...X, site: "a", sequence: 3, us: 300, kind: "delete" })
      .log({ ...X, site: "a", sequence: 3, revision: 3, us: 300, kind: "delete" });
    expect(bad.end().broken()).toEqual(["convergence", "highest version wins"]);
  });

  it("highest version wins: all agree on the loser", () => {
    const bad = tale()
      .write({ ...X, site: "a", sequence: 1, us: 200, value: "winner" })
      .log({ ...X, site: "a", sequence: 1, revision: 1, us: 200, value: "winner" })
      .write({ ...X, site: "b", sequence: 1, us: 100, value: "loser" })
      .log({ ...X, site: "b", sequence: 1, revision: 1, us: 100, value: "loser" })
      .apply({ ...X, site: "a", sequence: 2, us: 100, origin: "b", value: "loser" });
    expect(bad.end().broken()).toEqual(["versions rise", "highest version wins"]);
  });

  describe("highest version wins: a log lost an operation, and its write was logged again under a lower version", () => {
    const again = (story: Tale) =>
      story
        .add({ what: "removed", place: "log", site: "a", bucket: "config", key: "x", sequence: 1, why: "purged" })
        .log({ ...X, site: "a", sequence: 2, revision: 1, us: 100, value: "v" });
    const higher = () =>
      tale()
        .write({ ...X, site: "a", sequence: 1, us: 100, value: "v" })
        .log({ ...X, site: "a", sequence: 1, revision: 1, us: 900, storedUs: 100, value: "v" });

    it("passes where nobody had taken the first", () => {
      const history = again(higher()).apply({ ...X, site: "b", sequence: 1, us: 100, origin: "a", value: "v" });
      expect(history.end().broken()).not.toContain("highest version wins");
    });

    it("does not where somebody had", () => {
      const history = again(higher().apply({ ...X, site: "b", sequence: 1, us: 900, origin: "a", value: "v" }));
      expect(history.end().broken()).toContain("highest version wins");
    });
  });

  it("acknowledged is kept: a write is in no log", () => {
    const bad = tale().write({ ...X, site: "a", sequence: 1, us: 100, value: "v" });
    expect(bad.end().broken()).toContain(KEPT);
  });

  it("acknowledged is kept: a write was never stored", () => {
    const bad = tale()
      .add({ what: "called", op: 9, site: "a", bucket: "config", key: "x", kind: "put", value: "v", expected: null })
      .add({ what: "answered", op: 9, outcome: "acknowledged", revision: 1 });
    expect(bad.end().broken()).toEqual([KEPT]);
  });

  it("no write is overwritten unseen: an older version replaced one that no log has", () => {
    const bad = tale()
      .write({ ...X, site: "a", sequence: 1, us: 100, value: "v" })
      .log({ ...X, site: "a", sequence: 1, revision: 1, us: 100, value: "v" })
      .write({ ...X, site: "b", sequence: 1, us: 200, value: "newer" })
      .apply({ ...X, site: "b", sequence: 2, us: 100, origin: "a", value: "v" });
    expect(bad.end().broken()).toEqual(["no write is overwritten unseen"]);
  });

  it("nothing invented: a gateway wrote what no log has, or changed it", () => {
    const version = replicated().apply({ ...X, site: "b", sequence: 2, us: 300, origin: "a", value: "v" });
    expect(version.broken()).toContain("nothing invented");
    const value = tale()
      .write({ ...X, site: "a", sequence: 1, us: 100, value: "v" })
      .log({ ...X, site: "a", sequence: 1, revision: 1, us: 100, value: "v" })
      .apply({ ...X, site: "b", sequence: 1, us: 100, origin: "a", value: "other" });
    expect(value.broken()).toContain("nothing invented");
  });

  it("nothing invented: the log has what nobody wrote, or wrote differently", () => {
    expect(tale().log({ ...X, site: "a", sequence: 1, revision: 7, us: 100 }).broken()).toContain("nothing invented");
    const kind = tale()
      .write({ ...X, site: "a", sequence: 1, us: 100, value: "v" })
      .log({ ...X, site: "a", sequence: 1, revision: 1, us: 100, kind: "delete" });
    expect(kind.broken()).toContain("nothing invented");
    const origin = tale()
      .write({ ...X, site: "a", sequence: 1, us: 100, value: "v" })
      .log({ ...X, site: "a", sequence: 1, revision: 1, us: 100, value: "v", origin: "b" });
    expect(origin.broken()).toContain("nothing invented");
  });

  it("no echo in logs: an applied entry was logged", () => {
    const bad = replicated().log({ ...X, site: "b", sequence: 1, revision: 1, us: 101, storedUs: 100, value: "v" });
    expect(bad.broken()).toContain("no echo in logs");
  });

  it("no expiry in logs: the server's marker was logged", () => {
    const bad = tale()
      .marker({ ...X, site: "a", sequence: 2 })
      .add({
        ...{ what: "stored", place: "log", site: "a", bucket: "config", key: "x", created: "1000000000", sequence: 1, op: null },
        ...{ timestampNs: "0", value: "" },
        block: "NATS/1.0\r\nKvgw-Version: 300 a\r\nKvgw-Revision: 1000000000 2 0\r\nKV-Operation: DEL\r\n\r\n",
      });
    expect(bad.broken()).toContain("no expiry in logs");
  });

  it("logged once: one write was logged again", () => {
    const again = { ...X, site: "a", revision: 1, value: "v", storedUs: 100 };
    const bad = replicated().log({ ...again, sequence: 2, us: 100 });
    expect(bad.broken()).toContain("logged once");
    expect(replicated().log({ ...again, sequence: 2, us: 500 }).broken()).toContain("logged once");
  });

  it("one version, one write: two writes share a version", () => {
    const bad = replicated()
      .write({ ...X, site: "a", sequence: 2, us: 90, value: "w" })
      .log({ ...X, site: "a", sequence: 2, revision: 2, us: 100, storedUs: 90, value: "w" });
    expect(bad.broken()).toContain("one version, one write");
  });

  it("log order: a key's operations are the wrong way round", () => {
    const bad = tale()
      .write({ ...X, site: "a", sequence: 1, us: 100, value: "v" })
      .write({ ...X, site: "a", sequence: 2, us: 200, value: "w" })
      .log({ ...X, site: "a", sequence: 1, revision: 2, us: 200, value: "w" })
      .log({ ...X, site: "a", sequence: 2, revision: 1, us: 100, value: "v" });
    expect(bad.broken()).toContain("log order");
  });

  describe("versions rise: a tombstone has been swept, and something older came", () => {
    const swept = (kind: "put" | "delete") =>
      tale()
        .write({ ...X, site: "a", sequence: 1, us: 100, kind, value: "" })
        .log({ ...X, site: "a", sequence: 1, revision: 1, us: 100, kind, value: "" })
        .write({ ...X, site: "b", sequence: 1, us: 200, kind: "delete" })
        .log({ ...X, site: "b", sequence: 1, revision: 1, us: 200, kind: "delete" })
        .apply({ ...X, site: "a", sequence: 2, us: 200, origin: "b", kind: "delete" })
        .save("a", "tombstone.config.x", { key: "x", version: "200 b", kind: "delete" })
        .add({ what: "removed", place: "bucket", site: "a", bucket: "config", key: "x", sequence: 2, why: "forgotten" })
        .apply({ ...X, site: "a", sequence: 3, us: 100, origin: "a", kind, value: "" });

    it("passes where that is a tombstone", () => {
      expect(swept("delete").end().broken()).not.toContain("versions rise");
    });

    it("does not where that is a value", () => {
      expect(swept("put").end().broken()).toContain("no resurrection");
    });
  });

  it("versions rise: an older value replaced a newer one", () => {
    const bad = replicated()
      .write({ ...X, site: "b", sequence: 2, us: 300, value: "w" })
      .log({ ...X, site: "b", sequence: 1, revision: 2, us: 300, value: "w" })
      .apply({ ...X, site: "b", sequence: 3, us: 100, origin: "a", value: "v" });
    expect(bad.broken()).toContain("versions rise");
  });

  it("no resurrection: an older value replaced a delete", () => {
    const bad = replicated()
      .write({ ...X, site: "b", sequence: 2, us: 300, kind: "delete" })
      .log({ ...X, site: "b", sequence: 1, revision: 2, us: 300, kind: "delete" })
      .apply({ ...X, site: "b", sequence: 3, us: 100, origin: "a", value: "v" });
    expect(bad.broken()).toContain("no resurrection");
  });

  describe("causality: a clock was set back, and a write is not above what it overwrote", () => {
    const setBack = (lose: (story: Tale) => Tale) =>
      lose(
        tale()
          .write({ ...X, site: "a", sequence: 1, us: 900, value: "v" })
          .log({ ...X, site: "a", sequence: 1, revision: 1, us: 900, value: "v" })
          .write({ ...X, site: "a", sequence: 2, us: 100, value: "w" }),
      ).log({ ...X, site: "a", sequence: 2, revision: 2, us: 100, value: "w" });

    it("passes where the log has lost what was overwritten", () => {
      const lose = (story: Tale) => story.add({ what: "removed", place: "log", site: "a", bucket: "config", key: "x", sequence: 1, why: "purged" });
      expect(setBack(lose).end().broken()).not.toContain("causality");
    });

    it("does not where the log still has it", () => {
      expect(setBack((story) => story).end().broken()).toContain("causality");
    });
  });

  it("causality: a local write is not above what it overwrote", () => {
    const bad = replicated()
      .write({ ...X, site: "b", sequence: 2, us: 50, value: "w" })
      .log({ ...X, site: "b", sequence: 1, revision: 2, us: 50, value: "w" });
    expect(bad.broken()).toContain("causality");
  });

  it("checkpoints rise: one fell within the life of a log", () => {
    const bad = replicated()
      .save("b", "checkpoint.config.a", { created: "1000000000", sequence: 1 })
      .save("b", "checkpoint.config.a", { created: "1000000000", sequence: 0 });
    expect(bad.end().broken()).toEqual(["checkpoints rise"]);
  });

  it("checkpoints pass what is settled: one passed an operation before its apply", () => {
    const bad = tale()
      .write({ ...X, site: "a", sequence: 1, us: 100, value: "v" })
      .log({ ...X, site: "a", sequence: 1, revision: 1, us: 100, value: "v" })
      .save("b", "checkpoint.config.a", { created: "1000000000", sequence: 1 })
      .apply({ ...X, site: "b", sequence: 1, us: 100, origin: "a", value: "v" });
    expect(bad.end().broken()).toEqual(["checkpoints pass what is settled"]);
  });

  it("the floor never falls", () => {
    const bad = tale().save("b", "causality.config", { floorUs: 500 }).save("b", "causality.config", { floorUs: 400 });
    expect(bad.broken()).toEqual(["the floor never falls"]);
  });

  it("key filter: an excluded key was logged, or written by a gateway", () => {
    const bad = tale()
      .write({ key: "secret.x", site: "a", sequence: 1, us: 100, value: "v" })
      .log({ key: "secret.x", site: "a", sequence: 1, revision: 1, us: 100, value: "v" })
      .apply({ key: "secret.x", site: "b", sequence: 1, us: 100, origin: "a", value: "v" });
    expect(bad.violations().map(({ site, property }) => [site, property])).toEqual([
      ["a", "key filter"],
      ["b", "key filter"],
    ]);
  });

  it("idle writes nothing: something was stored or saved after all was done", () => {
    const idle = () => replicated().add({ what: "phase", phase: "idle" });
    expect(idle().end().broken()).toEqual([]);
    expect(idle().save("b", "checkpoint.config.a", { created: "1000000000", sequence: 1 }).end().broken()).toEqual(["idle writes nothing"]);
    expect(idle().apply({ ...X, site: "b", sequence: 2, us: 100, origin: "a", value: "v" }).broken()).toContain("idle writes nothing");
  });

  it("everything comes to rest: it did not", () => {
    const over = (...phases: readonly ("idle" | "over")[]) => {
      const told = tale();
      for (const phase of phases) told.add({ what: "phase", phase });
      return told.broken();
    };
    expect([over("idle", "over"), over("over")]).toEqual([[], ["everything comes to rest"]]);
  });

  it("every bucket is live in the end: one is not", () => {
    const ending = (...states: readonly string[]) => {
      const told = tale();
      for (const state of states) told.add({ what: "gateway", site: "a", life: 1, bucket: "config", state, code: null, note: state });
      return told.add({ what: "phase", phase: "idle" }).add({ what: "phase", phase: "over" }).broken();
    };
    expect([ending("degraded", "live"), ending("live", "parked")]).toEqual([[], ["every bucket is live in the end"]]);
  });

  it("every bucket is live in the end: one waits, though the gateway beside it is gone", () => {
    const ending = (gone: number) => {
      const told = tale();
      const at = { what: "gateway", site: "a", bucket: "config", code: null, note: "" } as const;
      told.add({ ...at, life: 1, state: "live" }).add({ ...at, life: 2, state: "starting" }).add({ what: "gone", site: "a", life: gone });
      return told.add({ what: "phase", phase: "idle" }).add({ what: "phase", phase: "over" }).broken();
    };
    expect([ending(2), ending(1)]).toEqual([[], ["every bucket is live in the end"]]);
  });

  it("buckets are isolated: a bucket was in trouble though only another one was struck", () => {
    const struck = (bucket: string) =>
      tale()
        .add({ what: "fault", name: "bucket full", site: "a", bucket: "config", note: "" })
        .add({ what: "gateway", site: "a", life: 1, bucket, state: "degraded", code: null, note: "" })
        .broken({ ...SETUP, onlyBucketFaults: true });
    expect(struck("config")).toEqual([]);
    expect(struck("other")).toEqual(["buckets are isolated"]);
  });

  it("no bug is reported: a gateway reported one", () => {
    const bad = tale().add({ what: "gateway", site: "a", life: 1, bucket: null, state: null, code: "KVGW_INTERNAL", note: "" });
    expect(bad.broken()).toEqual(["no bug is reported"]);
  });
});
