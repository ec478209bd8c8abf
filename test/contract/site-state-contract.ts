/** What every site state promises: the words of `SiteState` in src/core/ports.ts, one by one. */
import { afterEach, expect, it } from "vitest";
import type { StateRig } from "./rigs.js";

const UNAVAILABLE = { code: "KVGW_STATE_UNAVAILABLE" };

export function siteStateContract(make: () => Promise<StateRig>): void {
  let rig: StateRig | undefined;
  const start = async (): Promise<StateRig> => (rig = await make());
  afterEach(async () => {
    await rig?.dispose();
    rig = undefined;
  });

  it("has nothing under a key that was never saved", async () => {
    const { state } = await start();
    expect(await state.load("checkpoint.config.site-b")).toBeNull();
    expect(await state.keys("checkpoint")).toEqual([]);
  });

  it("gives back what was saved last, of any JSON shape", async () => {
    const { state } = await start();
    const nested = { created: "1", sequence: 2 ** 53 - 1, nested: [[{ a: null }]] };
    for (const value of [7, "", "text ☃", true, [], {}, nested]) {
      await state.save("k", value);
      expect(await state.load("k")).toEqual(value);
    }
  });

  it("has made durable what it says it saved: the site's next process finds it", async () => {
    const { state, next } = await start();
    await state.save("causality.config", { floorUs: 5, records: [["k", 9]] });
    expect(await next.load("causality.config")).toEqual({ floorUs: 5, records: [["k", 9]] });
  });

  it("keeps keys apart, also where one is the beginning of another", async () => {
    const { state } = await start();
    await state.save("a", 1);
    await state.save("a.b", 2);
    await state.save("a.bc", 3);
    expect([await state.load("a"), await state.load("a.b"), await state.load("a.bc")]).toEqual([1, 2, 3]);
  });

  it("lists what is below a prefix, whole tokens only", async () => {
    const { state } = await start();
    const saved = {
      "set-aside.a.site-b.x": 1,
      "set-aside.a.site-c.y": { z: 2 },
      "set-aside.ab.site-b.x": 3,
      "set-aside.a": 4,
    };
    for (const [key, value] of Object.entries(saved)) await state.save(key, value);
    expect([...(await state.keys("set-aside.a"))].sort()).toEqual(["set-aside.a.site-b.x", "set-aside.a.site-c.y"]);
  });

  it.each(["delete", "purge"] as const)("neither finds nor lists what an operator has removed (%s)", async (how) => {
    const { state, remove } = await start();
    for (const key of ["kept", "removed", "back"]) await state.save(`set-aside.a.${key}`, {});
    await remove("set-aside.a.removed", how);
    await remove("set-aside.a.back", how);
    await state.save("set-aside.a.back", {});
    expect(await state.load("set-aside.a.removed")).toBeNull();
    expect([...(await state.keys("set-aside.a"))].sort()).toEqual(["set-aside.a.back", "set-aside.a.kept"]);
  });

  it("takes many writes at once", async () => {
    const { state } = await start();
    await Promise.all(Array.from({ length: 100 }, (_, n) => state.save(`many.${n}`, n)));
    expect(await state.keys("many")).toHaveLength(100);
  });

  it("says that it is unavailable while the server is away", async () => {
    const { state, kill } = await start();
    await state.save("k", 1);
    await kill();
    await expect(state.load("k")).rejects.toMatchObject(UNAVAILABLE);
    await expect(state.save("k", 2)).rejects.toMatchObject(UNAVAILABLE);
    await expect(state.keys("k")).rejects.toMatchObject(UNAVAILABLE);
  });
}
