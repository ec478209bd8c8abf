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
    expect(await state.load("checkpoint.config.site-b")).toEqual({ value: null, revision: 0 });
    expect(await state.keys("checkpoint")).toEqual([]);
  });

  it("gives back what was saved last, of any JSON shape", async () => {
    const { state } = await start();
    const nested = { created: "1", sequence: 2 ** 53 - 1, nested: [[{ a: null }]] };
    for (const value of [7, "", "text ☃", true, [], {}, nested]) {
      await state.save("k", value);
      expect((await state.load("k")).value).toEqual(value);
    }
  });

  it("has made durable what it says it saved: the site's next process finds it", async () => {
    const { state, next } = await start();
    await state.save("causality.config", { floorUs: 5, records: [["k", 9]] });
    expect((await next.load("causality.config")).value).toEqual({ floorUs: 5, records: [["k", 9]] });
  });

  it("says how many replicas it has, and has what it had", async () => {
    const { state } = await start();
    await state.save("k", 1);
    expect(await state.raise(1)).toBe(1);
    expect((await state.load("k")).value).toBe(1);
  });

  it("keeps keys apart, also where one is the beginning of another", async () => {
    const { state } = await start();
    await state.save("a", 1);
    await state.save("a.b", 2);
    await state.save("a.bc", 3);
    expect([(await state.load("a")).value, (await state.load("a.b")).value, (await state.load("a.bc")).value]).toEqual([1, 2, 3]);
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
    expect((await state.load("set-aside.a.removed")).value).toBeNull();
    expect([...(await state.keys("set-aside.a"))].sort()).toEqual(["set-aside.a.back", "set-aside.a.kept"]);
  });

  it("lets a save name the record that it must follow, and refuses it otherwise", async () => {
    const { state, next } = await start();
    const first = await state.save("lease", "a", 0);
    expect(await next.load("lease")).toEqual({ value: "a", revision: first });
    await expect(next.save("lease", "b", 0)).rejects.toMatchObject({ code: "KVGW_STATE_CHANGED" });
    const second = await next.save("lease", "b", first);
    expect(second).toBeGreaterThan(first);
    await expect(state.save("lease", "c", first)).rejects.toMatchObject({ code: "KVGW_STATE_CHANGED" });
    expect(await state.load("lease")).toEqual({ value: "b", revision: second });
    expect(await state.save("lease", "d")).toBeGreaterThan(second);
  });

  it("has nothing of what it removed, and begins anew", async () => {
    const { state } = await start();
    const first = await state.save("tombstone.a.x", 1);
    await state.save("tombstone.a.y", 2);
    await state.remove("tombstone.a.x");
    await state.remove("tombstone.a.never");
    expect(await state.load("tombstone.a.x")).toEqual({ value: null, revision: 0 });
    expect(await state.keys("tombstone.a")).toEqual(["tombstone.a.y"]);
    expect(await state.save("tombstone.a.x", 3, 0)).toBeGreaterThan(first);
    expect((await state.load("tombstone.a.x")).value).toBe(3);
  });

  it("reads all below a prefix at once, whole tokens only, without what was removed", async () => {
    const { state, remove } = await start();
    for (let n = 0; n < 300; n++) await state.save(`tombstone.a.${n}`, { n });
    for (const key of ["tombstone.ab.1", "tombstone.a", "tombstone.b.1"]) await state.save(key, null);
    await state.remove("tombstone.a.7");
    await remove("tombstone.a.8", "delete");
    await state.save("tombstone.a.9", "again");
    const found = new Map<string, unknown>();
    await state.scan("tombstone.a", (key, value) => found.set(key, value));
    const expected = Array.from({ length: 300 }, (_, n) => [`tombstone.a.${n}`, n === 9 ? "again" : { n }] as const);
    expect([...found].sort()).toEqual(expected.filter(([key]) => !/\.[78]$/.test(key)).sort());
    await state.scan("nothing", () => expect.unreachable());
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
    await expect(state.remove("k")).rejects.toMatchObject(UNAVAILABLE);
    await expect(state.scan("k", () => undefined)).rejects.toMatchObject(UNAVAILABLE);
    await expect(state.keys("k")).rejects.toMatchObject(UNAVAILABLE);
    await expect(state.raise(1)).rejects.toMatchObject(UNAVAILABLE);
  });
}
