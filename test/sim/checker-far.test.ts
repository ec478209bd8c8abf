/** The checker about clocks that were days ahead: such a version may be replaced by a lower one, and must be in the end. */
import { describe, expect, it } from "vitest";
import { type Tale, tale } from "./checker/tale.js";

const X = { key: "x" } as const;
const NOW = 1_700_000_000_000_000;
const FAR = NOW + 86_400_000_000;

const farAtA = (us = FAR) =>
  tale()
    .write({ ...X, site: "a", sequence: 1, us, value: "v" })
    .log({ ...X, site: "a", sequence: 1, revision: 1, us, value: "v" });
/** The same write once more, as of now. */
const again = (us = NOW, far = FAR) =>
  farAtA(far)
    .log({ ...X, site: "a", sequence: 2, revision: 1, us, storedUs: far, value: "v" })
    .apply({ ...X, site: "b", sequence: 1, us, origin: "a", value: "v" });

describe("a write that was stamped days ahead", () => {
  it("may be logged again as of now", () => {
    expect(again().end().violations()).toEqual([]);
  });

  it("may be replaced where it had been applied", () => {
    const history = farAtA()
      .apply({ ...X, site: "b", sequence: 1, us: FAR, origin: "a", value: "v" })
      .log({ ...X, site: "a", sequence: 2, revision: 1, us: NOW, storedUs: FAR, value: "v" })
      .apply({ ...X, site: "b", sequence: 2, us: NOW, origin: "a", value: "v" });
    expect(history.end().violations()).toEqual([]);
  });

  it("must not stand like that in the end, though all sites are equal", () => {
    const history = farAtA().apply({ ...X, site: "b", sequence: 1, us: FAR, origin: "a", value: "v" });
    expect(history.end().broken()).toEqual(["highest version wins"]);
  });

  it("is no hurdle for a write over it, once it is logged as of now", () => {
    const written = (us: number) =>
      farAtA()
        .write({ ...X, site: "a", sequence: 2, us: NOW + 7, value: "w" })
        .log({ ...X, site: "a", sequence: 2, revision: 1, us: NOW, storedUs: FAR, value: "v" })
        .log({ ...X, site: "a", sequence: 3, revision: 2, us, storedUs: NOW + 7, value: "w" })
        .apply({ ...X, site: "b", sequence: 1, us, origin: "a", value: "w" });
    expect(written(NOW + 7).end().violations()).toEqual([]);
    expect(written(NOW - 7).end().broken()).toContain("causality");
  });

  describe("and is below what stood there before it", () => {
    const before = () =>
      tale()
        .write({ ...X, site: "a", sequence: 1, us: NOW + 5, value: "u" })
        .log({ ...X, site: "a", sequence: 1, revision: 1, us: NOW + 5, value: "u" });
    const after = (history: Tale) =>
      history
        .write({ ...X, site: "a", sequence: 2, us: FAR, value: "v" })
        .log({ ...X, site: "a", sequence: 2, revision: 2, us: FAR, value: "v" })
        .log({ ...X, site: "a", sequence: 3, revision: 2, us: NOW, storedUs: FAR, value: "v" });

    it("is wrong where another site had that", () => {
      const history = after(before().apply({ ...X, site: "b", sequence: 1, us: NOW + 5, origin: "a", value: "u" }));
      expect(history.end().broken()).toContain("causality");
    });

    it("may be so where the other site has lost it", () => {
      const copy = before().apply({ ...X, site: "b", sequence: 1, us: NOW + 5, origin: "a", value: "u" });
      const history = after(copy.add({ what: "lost", place: "bucket", site: "b", bucket: "config", sequence: 0 }));
      expect(history.apply({ ...X, site: "b", sequence: 1, us: NOW, origin: "a", value: "v" }).end().violations()).toEqual([]);
    });

    it("may be so where nobody else had it", () => {
      const history = after(before()).apply({ ...X, site: "b", sequence: 1, us: NOW, origin: "a", value: "v" });
      expect(history.end().violations()).toEqual([]);
    });
  });

  it("must not be logged again where it was not days ahead", () => {
    expect(again(NOW, NOW + 5).end().broken()).toEqual(expect.arrayContaining(["log order", "logged once"]));
  });

  it("must not be logged again days ahead", () => {
    expect(again(FAR + 1).end().broken()).toContain("logged once");
  });

  it("may lower the floor that its clock has written, and no other floor", () => {
    const floor = (us: number) => again().save("a", "causality.config", { floorUs: us });
    expect(floor(FAR).save("a", "causality.config", { floorUs: NOW }).end().violations()).toEqual([]);
    expect(floor(NOW + 5).save("a", "causality.config", { floorUs: NOW }).end().broken()).toEqual(["the floor never falls"]);
  });
});
