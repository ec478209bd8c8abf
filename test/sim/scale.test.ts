/** A few sites as `npm run scale` runs many: what an operation takes is what the design says, however many they are. */
import { beforeAll, describe, expect, it } from "vitest";
import { type Ended, compileSimulator } from "./compiled.js";
import { createAgreement } from "./scale/agreement.js";
import type { ScaleResult, Topology } from "./scale/case.js";
import { type Figures, broken } from "./scale/laws.js";

const SITES = [2, 4, 8] as const;
const [WRITES, AWAY] = [40, 2];
/** A link of 20 ms, give or take a quarter, and what the own servers take at both ends. */
const [LINK_MS_MAX, LOCAL_MS_MAX] = [25, 6];

interface Found {
  readonly figures: readonly Figures[];
  readonly results: readonly ScaleResult[];
  readonly broken: readonly string[];
}

describe("a few sites and no faults", () => {
  let ended: Ended;
  beforeAll(async () => {
    const args = ["--sites", SITES.join(","), "--writes", `${WRITES}`, "--keys", "20", "--buckets", "2", "--away", `${AWAY}`];
    ended = await compileSimulator("scale-test").run("scale", ...args);
  });

  const found = () => ended.json as Found;
  const of = (topology: Topology, sites: number) => {
    const figures = found().figures.find((each) => each.topology === topology && each.sites === sites);
    if (figures === undefined) throw new Error(`no figures of ${topology} with ${sites} sites: ${ended.printed}`);
    return figures;
  };

  it("all end equal, and every law holds", () => {
    expect([ended.code, found().broken], ended.printed).toEqual([0, []]);
    expect(found().results.map(({ equal }) => equal)).toEqual(Array.from({ length: 2 * SITES.length }, () => true));
    expect(ended.printed).toContain("messages per operation");
  });

  describe.each(["mesh", "hub"] as const)("%s", (topology) => {
    it.each(SITES)("of %i sites: one append, and one read and one apply at each other site", (sites) => {
      const { logged, fromLogs, applied, acknowledged, fromTails } = of(topology, sites).perOperation;
      expect({ logged, fromLogs, applied, acknowledged, fromTails }).toEqual({
        ...{ logged: 1, fromLogs: sites - 1, applied: sites - 1 },
        ...{ acknowledged: sites, fromTails: sites },
      });
    });

    it.each(SITES)("of %i sites: at rest nothing is written, and each peer is asked for its pulse twelve times a minute", (sites) => {
      const { written, heartbeats } = of(topology, sites).idlePerSiteMinute;
      expect(written).toBe(0);
      expect(Math.abs(heartbeats / (sites - 1) - 12)).toBeLessThanOrEqual(1);
    });

    it("takes as long for many sites as for few, each of them one way away, or two through a hub", () => {
      const ways = topology === "hub" ? 2 : 1;
      for (const sites of SITES) expect(of(topology, sites).operationMaxMs).toBeLessThanOrEqual(ways * LINK_MS_MAX + LOCAL_MS_MAX);
    });

    it("says hello in as many bytes, however many sites there are", () => {
      const sizes = SITES.map((sites) => of(topology, sites).bytesPerHello);
      expect(Math.max(...sizes) / Math.min(...sizes)).toBeLessThan(1.1);
    });

    it("brings sites back that were away, with writes on both sides of the cut", () => {
      for (const { of: { away }, back } of found().results.filter((each) => each.of.topology === topology)) {
        expect(away).toBeGreaterThan(0);
        expect(back.convergeMs).toBeGreaterThan(0);
        expect(back.provedMs).toBeGreaterThanOrEqual(back.convergeMs);
      }
    });
  });

  it("a result that is not as the design says is told as broken", () => {
    const [good] = found().results;
    if (good === undefined) throw new Error(ended.printed);
    const worse = (counts: Record<string, number>): ScaleResult => ({ ...good, write: { ...good.write, counts: { ...good.write.counts, ...counts } } });
    expect(broken(good)).toEqual([]);
    expect(broken(worse({ logged: WRITES + 1 }))).toHaveLength(1);
    expect(broken(worse({ applied: WRITES + 1, "sent to the bucket": WRITES + 1 }))).toHaveLength(2);
    expect(broken({ ...good, equal: false })).toEqual(["all equal at the end: 1 wanted, 0 found"]);
    expect(broken({ ...good, idle: { ...good.idle, counts: { ...good.idle.counts, "saves floor": 1 } } })).toHaveLength(1);
  });
});

describe("the agreement", () => {
  it("holds as soon as each site has the same of every key, and no longer when one has something else", () => {
    let nowMs = 0;
    const agreement = createAgreement(2, () => nowMs);
    expect(agreement.holds()).toBe(true);
    agreement.stored("a", "x", "k", "1");
    expect(agreement.holds()).toBe(false);
    nowMs = 7;
    agreement.stored("b", "x", "k", "1");
    expect([agreement.holds(), agreement.tookMs]).toEqual([true, [7]]);
    agreement.stored("b", "x", "k", "1");
    expect(agreement.holds()).toBe(true);
    agreement.stored("b", "x", "k", "2");
    expect(agreement.holds()).toBe(false);
    agreement.stored("a", "x", "k", "3");
    expect(agreement.holds()).toBe(false);
    agreement.stored("b", "x", "k", "3");
    expect([agreement.holds(), agreement.tookMs]).toEqual([true, [7, 0]]);
    agreement.stored("a", "y", "k", "3");
    expect(agreement.holds()).toBe(false);
  });
});
