/** The checker about what nobody can know any more: each time a history that passes, and one beside it that does not. */
import { describe, expect, it } from "vitest";
import { type Tale, tale } from "./checker/tale.js";

const X = { key: "x" } as const;
const NOW = 1_700_000_000_000_000;
const FAR = NOW + 86_400_000_000;
const BUCKET = { site: "a", bucket: "config" } as const;
const taken = (sequence: number) => ({ what: "removed", place: "bucket", ...BUCKET, key: "x", sequence, why: "purged" }) as const;

describe("a log that was put back to before an operation was purged from it", () => {
  /** Logged as 100, purged, logged again as 900; then the log is as before, and the other site takes the write from there. */
  const putBack = (back: readonly number[], meanwhile = (story: Tale) => story) =>
    meanwhile(
      tale()
        .write({ ...X, site: "a", sequence: 1, us: 100, value: "v" })
        .log({ ...X, site: "a", sequence: 1, revision: 1, us: 100, value: "v" })
        .add({ what: "removed", place: "log", ...BUCKET, key: "x", sequence: 1, why: "purged" }),
    )
      .log({ ...X, site: "a", sequence: 2, revision: 1, us: 900, storedUs: 100, value: "v" })
      .add({ what: "lost", place: "log", ...BUCKET, sequence: 1, back })
      .apply({ ...X, site: "b", sequence: 1, us: 100, origin: "a", value: "v" });

  it("has the operation again, under its first version", () => {
    expect(putBack([1]).end().violations()).toEqual([]);
  });

  it("has not made wrong that it was passed while it was gone", () => {
    const passed = (story: Tale) => story.save("b", "checkpoint.config.a", { created: "1000000000", sequence: 1 });
    expect(putBack([1], passed).end().violations()).toEqual([]);
  });

  it("has it not where it was put back to a later copy", () => {
    expect(putBack([]).end().broken()).toEqual(["convergence", "highest version wins"]);
  });
});

describe("a value that was set aside as a ghost", () => {
  const ghost = (lose: (story: Tale) => Tale) =>
    lose(
      tale()
        .write({ ...X, site: "a", sequence: 1, us: 100, value: "v" })
        .log({ ...X, site: "a", sequence: 1, revision: 1, us: 100, value: "v" })
        .apply({ ...X, site: "b", sequence: 1, us: 100, origin: "a", value: "v" }),
    )
      .add({ what: "removed", place: "bucket", ...BUCKET, key: "x", sequence: 1, why: "forgotten" })
      .add({ what: "removed", place: "log", ...BUCKET, key: "x", sequence: 1, why: "forgotten" })
      .add({ what: "removed", place: "bucket", site: "b", bucket: "config", key: "x", sequence: 1, why: "purged" });

  it("may be gone where the other site had it and has lost it", () => {
    expect(ghost((story) => story.add({ what: "lost", place: "bucket", site: "b", bucket: "config", sequence: 0 })).end().violations()).toEqual([]);
  });

  it("is missed where no other site ever had it", () => {
    const alone = tale()
      .write({ ...X, site: "a", sequence: 1, us: 100, value: "v" })
      .log({ ...X, site: "a", sequence: 1, revision: 1, us: 100, value: "v" })
      .add({ what: "removed", place: "bucket", ...BUCKET, key: "x", sequence: 1, why: "forgotten" })
      .add({ what: "removed", place: "log", ...BUCKET, key: "x", sequence: 1, why: "forgotten" });
    expect(alone.end().broken()).toEqual(["highest version wins"]);
  });
});

describe("a delete that was swept while a site was away from the list", () => {
  /** That site had written before it went, and brings it when it is back. */
  const returned = (left: boolean, sweep: (story: Tale) => Tale) =>
    sweep(
      tale()
        .save("b", "seen.config.a", { created: "", sequence: 0, run: "0", atUs: 1, left })
        .write({ ...X, site: "a", sequence: 1, us: 100, value: "v" })
        .log({ ...X, site: "a", sequence: 1, revision: 1, us: 100, value: "v" })
        .write({ ...X, site: "b", sequence: 1, us: 200, kind: "delete" })
        .log({ ...X, site: "b", sequence: 1, revision: 1, us: 200, kind: "delete" }),
    ).apply({ ...X, site: "b", sequence: 2, us: 100, origin: "a", value: "v" });
  const swept = (story: Tale) =>
    (["bucket", "log"] as const).reduce((told, place) => told.add({ what: "removed", place, site: "b", bucket: "config", key: "x", sequence: 1, why: "forgotten" }), story);

  it("does not keep away what nobody had read of that site", () => {
    expect(returned(true, swept).end().violations()).toEqual([]);
  });

  it("keeps it away where the site was there all the time, or where nothing was swept", () => {
    for (const bad of [returned(false, swept), returned(true, (story) => story)]) {
      expect(bad.end().broken()).toContain("highest version wins");
    }
  });

  it("is no reason to differ", () => {
    const told = returned(true, swept).write({ ...X, site: "a", sequence: 2, us: 300, value: "w" }).log({ ...X, site: "a", sequence: 2, revision: 2, us: 300, value: "w" });
    expect(told.end().broken()).toEqual(["convergence", "highest version wins"]);
  });
});

describe("a gateway that ran beside another one and is gone", () => {
  /** Its apply of a version ahead of the clock lands so much later, and the other gateway logs a write over it at once. */
  const late = (ms: number) => {
    const at = { what: "gateway", site: "b", bucket: null, code: null, state: null, note: "starts" } as const;
    const told = tale()
      .write({ ...X, site: "a", sequence: 1, us: 900, value: "v" })
      .log({ ...X, site: "a", sequence: 1, revision: 1, us: 900, value: "v" })
      .add({ ...at, life: 1 })
      .add({ ...at, life: 2 })
      .add({ what: "gone", site: "b", life: 2 });
    for (let n = 0; n < ms; n++) told.save("b", "seen.config.a", n);
    return told
      .apply({ ...X, site: "b", sequence: 1, us: 900, origin: "a", value: "v" })
      .write({ ...X, site: "b", sequence: 2, us: 500, value: "w" })
      .log({ ...X, site: "b", sequence: 1, revision: 2, us: 500, value: "w" });
  };

  it("may have had a request on its way", () => {
    expect(late(100).broken()).not.toContain("causality");
  });

  it("has none on its way long afterwards", () => {
    expect(late(6_000).broken()).toContain("causality");
  });
});

describe("a write that was stamped days ahead", () => {
  const far = (before: Tale, sequence: number) =>
    before
      .write({ ...X, site: "a", sequence, us: FAR, value: "far" })
      .log({ ...X, site: "a", sequence, revision: sequence, us: FAR, value: "far" });

  describe("and was replaced by an operation of a peer before it was logged again", () => {
    const replaced = (us: number) =>
      far(tale(), 1)
        .write({ ...X, site: "b", sequence: 1, us: NOW, value: "w" })
        .log({ ...X, site: "b", sequence: 1, revision: 1, us: NOW, value: "w" })
        .add(taken(1))
        .apply({ ...X, site: "a", sequence: 2, us: NOW, origin: "b", value: "w" })
        .log({ ...X, site: "a", sequence: 2, revision: 1, us, storedUs: FAR, value: "far" });

    it("stays below that", () => {
      expect(replaced(NOW - 1).end().violations()).toEqual([]);
    });

    it("would be the newest above it", () => {
      expect(replaced(NOW + 1).end().broken()).toContain("highest version wins");
    });
  });

  describe("over a delete that only its own site had", () => {
    const over = (gone: (story: Tale) => Tale) => {
      const before = tale()
        .write({ ...X, site: "b", sequence: 1, us: NOW, kind: "purge" })
        .log({ ...X, site: "b", sequence: 1, revision: 1, us: NOW, kind: "purge" })
        .write({ ...X, site: "a", sequence: 1, us: NOW + 5, kind: "delete" })
        .log({ ...X, site: "a", sequence: 1, revision: 1, us: NOW + 5, kind: "delete" });
      return gone(far(before, 2))
        .apply({ ...X, site: "a", sequence: 3, us: NOW, origin: "b", kind: "purge" })
        .log({ ...X, site: "a", sequence: 3, revision: 2, us: NOW - 1, storedUs: FAR, value: "far" });
    };

    it("has taken it along where it is gone itself", () => {
      expect(over((story) => story.add(taken(2))).broken()).not.toContain("versions rise");
    });

    it("has not where it still stood there", () => {
      expect(over((story) => story).broken()).toContain("versions rise");
    });
  });
});
