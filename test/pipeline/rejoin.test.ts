/** A site that comes back wrong brings nothing back that was deleted, loses nothing that is new, and is filled again. */
import { describe, expect, it } from "vitest";
import type { BucketConfig } from "../../src/config/config.js";
import { type Place, type World, createWorld } from "./world.js";

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const TTL = { tombstoneTtlMs: HOUR_MS, reconcileIntervalMs: 5 * MINUTE_MS } satisfies Partial<BucketConfig>;

type Story = World & Record<"a" | "b" | "c", Place>;

async function running(sites: readonly string[] = ["a", "b", "c"]): Promise<Story> {
  const world = createWorld({ sites, config: TTL });
  world.start();
  await world.settle();
  return { ...world, a: world.place("a"), b: world.place("b"), c: world.place(sites.includes("c") ? "c" : "a") };
}

/** An operator's backup of everything that a site keeps: the returned function puts it back, with the gateway stopped. */
function backup({ bucket, log, site, gateway, start }: Place, what: readonly ("bucket" | "log" | "state")[]): () => void {
  const putBack = [what.includes("bucket") ? bucket.copy() : null, what.includes("log") ? log.copy() : null];
  const state = what.includes("state") ? [...site.state] : null;
  return () => {
    gateway().crash();
    for (const each of putBack) each?.();
    if (state !== null) {
      site.state.clear();
      for (const [key, text] of state) site.state.set(key, text);
    }
    start();
  };
}
const ALL = ["bucket", "log", "state"] as const;
const setAside = (place: Place) =>
  [...place.site.state].filter(([key]) => key.startsWith("set-aside.")).map(([, text]) => JSON.parse(text) as Record<string, unknown>);

/** Values at every site, a backup, then everything deleted and swept. */
async function forgotten(world: Story, place: Place, what: readonly ("bucket" | "log" | "state")[] = ALL): Promise<() => void> {
  world.a.app.put("by.a", "1");
  world.b.app.put("by.b", "2");
  await world.clock.advance(10 * MINUTE_MS);
  const putBack = backup(place, what);
  await world.clock.advance(MINUTE_MS);
  for (const key of ["by.a", "by.b"]) world.a.app.delete(key);
  await world.clock.advance(3 * HOUR_MS);
  expect(world.places().map(({ gateway }) => gateway().snapshot().tombstones)).toEqual(world.places().map(() => 0));
  return putBack;
}

describe("a site that was put back to an old copy", () => {
  it.each([
    [["bucket", "log", "state"], "everything"],
    [["bucket"], "the bucket alone"],
    [["bucket", "log"], "bucket and log"],
  ] as const)("of %j brings back nothing that was deleted and forgotten: %s", async (what, _) => {
    for (const name of ["a", "b"] as const) {
      const world = await running();
      const putBack = await forgotten(world, world[name], what);
      putBack();
      await world.clock.advance(2 * HOUR_MS);
      expect(world.contents()).toEqual(world.everywhere({}));
      expect(world[name].events("rejoined")).toEqual([{ type: "rejoined", bucket: "config", ghosts: 2 }]);
    }
  });

  it("keeps the ghosts aside, with their values", async () => {
    const world = await running();
    (await forgotten(world, world.b))();
    await world.clock.advance(HOUR_MS);
    expect(setAside(world.b).map(({ key, origin, reason, kind }) => [key, origin, reason, kind]).sort()).toEqual([
      ["by.a", "a", "ghost", "put"],
      ["by.b", "b", "ghost", "put"],
    ]);
    const values = [...world.b.site.state].filter(([key]) => key.startsWith("ghost.")).map(([, text]) => JSON.parse(text) as string);
    expect(values.map((text) => Buffer.from(text, "base64").toString()).sort()).toEqual(["1", "2"]);
    expect([world.a, world.c].map(setAside)).toEqual([[], []]);
  });

  describe("with ghosts set aside", () => {
    const account = ({ gateway }: Place) => {
      const found = gateway().setAsides();
      if (found === null) throw new Error("the bucket does not run");
      return found;
    };
    const kept = ({ site }: Place) => [...site.state.keys()].filter((key) => /^(ghost|set-aside)\./.test(key));

    async function withGhosts() {
      const world = await running();
      (await forgotten(world, world.b))();
      await world.clock.advance(HOUR_MS);
      return { world, b: world.b };
    }
    async function ask(world: World, place: Place, what: "release" | "drop", key: string | null) {
      const asked = account(place)[what]({ key, origin: null });
      await world.clock.advance(1_000);
      return asked;
    }

    it("writes one again as a new write when it is released by name, everywhere", async () => {
      const { world, b } = await withGhosts();
      expect(await ask(world, b, "release", "by.a")).toMatchObject({ done: [{ key: "by.a" }], refused: [] });
      await world.clock.advance(HOUR_MS);
      expect(world.contents()).toEqual(world.everywhere({ "by.a": "1" }));
      expect(b.logged().at(-1)).toMatch(/^put by\.a \d+ b$/);
      expect(kept(b)).toHaveLength(2);
    });

    it("brings none back that is not named, and none over a value that is there", async () => {
      const { world, b } = await withGhosts();
      const all = await ask(world, b, "release", null);
      expect(all.done).toEqual([]);
      expect(all.refused.map(({ message }) => message)).toEqual(Array(2).fill("everybody has deleted it; name the key to write it again"));
      world.a.app.put("by.a", "new");
      await world.clock.advance(MINUTE_MS);
      expect(await ask(world, b, "release", "by.a")).toMatchObject({ done: [], refused: [{ message: expect.stringMatching(/has a value again/) as string }] });
      expect(world.contents()).toEqual(world.everywhere({ "by.a": "new" }));
      expect(setAside(b)).toHaveLength(2);
    });

    it("forgets them with their values when they are dropped, and only then", async () => {
      const { world, b } = await withGhosts();
      for (const key of ["by.a", "by.b"]) world.a.app.put(key, "new");
      await world.clock.advance(2 * HOUR_MS);
      expect(setAside(b)).toHaveLength(2);
      expect((await ask(world, b, "drop", null)).done).toHaveLength(2);
      expect(kept(b)).toEqual([]);
      expect(world.contents()).toEqual(world.everywhere({ "by.a": "new", "by.b": "new" }));
    });
  });

  it("of the log alone sets aside the values that only the log has", async () => {
    const world = await running();
    const putBack = await forgotten(world, world.a, ["log"]);
    world.a.app.put("new", "v");
    await world.clock.advance(2 * HOUR_MS);
    putBack();
    await world.clock.advance(2 * HOUR_MS);
    expect(world.contents()).toEqual(world.everywhere({ new: "v" }));
    expect(setAside(world.a).map(({ key, reason }) => [key, reason])).toEqual([["by.a", "ghost"]]);
    expect(world.a.logged().filter((text) => text.includes(" by.a "))).toEqual([]);
  });

  it("gets back what it has lost: values, newer values, deletes", async () => {
    const world = await running();
    for (const key of ["kept", "changed", "deleted"]) world.a.app.put(key, "old");
    await world.clock.advance(2 * HOUR_MS);
    const putBack = backup(world.b, ALL);
    world.b.app.put("own", "new");
    world.b.app.put("changed", "new");
    world.a.app.put("others", "new");
    world.a.app.delete("deleted");
    await world.clock.advance(10 * MINUTE_MS);
    const before = world.contents();
    expect(before["b"]).toEqual({ kept: "old", changed: "new", own: "new", others: "new" });
    putBack();
    await world.clock.advance(HOUR_MS);
    expect(world.contents()).toEqual(before);
    expect(setAside(world.b)).toEqual([]);
  });

  it("keeps what was written there since, although its place in the bucket was used before", async () => {
    const world = await running();
    const putBack = await forgotten(world, world.b);
    putBack();
    for (let n = 0; n < 20; n++) world.b.app.put(`new.${n}`, "v");
    await world.clock.advance(2 * HOUR_MS);
    expect(Object.keys(world.contents()["a"] ?? {})).toHaveLength(20);
    expect(world.contents()).toEqual(world.everywhere(world.contents()["a"] ?? {}));
  });

  it("waits for a peer that is away, and brings nothing back meanwhile", async () => {
    const world = await running();
    world.a.app.put("only.c.knows", "v");
    const putBack = await forgotten(world, world.b);
    world.c.gateway().crash();
    putBack();
    await world.clock.advance(2 * HOUR_MS);
    expect(world.b.gateway().state()).toBe("live");
    expect([world.b.events("rejoining").length, world.b.events("rejoined").length]).toEqual([1, 0]);
    expect(Object.keys(world.contents()["a"] ?? {})).toEqual(["only.c.knows"]);
    world.c.start();
    await world.clock.advance(HOUR_MS);
    expect(world.b.events("rejoined")).toHaveLength(1);
    expect(world.contents()).toEqual(world.everywhere({ "only.c.knows": "v" }));
  });

  it("where all came back wrong gives all that any of them has", async () => {
    const world = await running(["a", "b"]);
    for (const name of ["before", "later"]) world.a.app.put(name, "v");
    await world.clock.advance(10 * MINUTE_MS);
    const putBackB = backup(world.b, ALL);
    const putBackA = await forgotten(world, world.a);
    for (const name of ["before", "later"]) world.a.app.delete(name);
    await world.clock.advance(3 * HOUR_MS);
    putBackA();
    putBackB();
    await world.clock.advance(2 * HOUR_MS);
    const all = { before: "v", later: "v", "by.a": "1", "by.b": "2" };
    expect(world.contents()).toEqual(world.everywhere(all));
  });
});

describe("a bucket that was deleted and made anew", () => {
  it("is filled again, and its absence is no delete", async () => {
    const world = await running();
    world.a.app.put("by.a", "1");
    world.b.app.put("by.b", "2");
    await world.clock.advance(2 * HOUR_MS);
    world.b.bucket.destroy();
    await world.clock.advance(HOUR_MS);
    expect(world.contents()).toEqual(world.everywhere({ "by.a": "1", "by.b": "2" }));
    expect(setAside(world.b)).toEqual([]);
  });

  it("is filled again also where the log is gone with it", async () => {
    const world = await running();
    world.a.app.put("by.a", "1");
    world.b.app.put("by.b", "2");
    await world.clock.advance(2 * HOUR_MS);
    for (const stream of [world.b.bucket, world.b.log]) stream.destroy();
    await world.clock.advance(HOUR_MS);
    expect(world.contents()).toEqual(world.everywhere({ "by.a": "1", "by.b": "2" }));
  });
});

describe("a site that was removed from the list and comes back", () => {
  it("brings back nothing that was deleted and forgotten without it, and all that it has written meanwhile", async () => {
    const world = await running();
    world.a.app.put("by.a", "1");
    world.c.app.put("by.c", "3");
    await world.clock.advance(10 * MINUTE_MS);
    await world.stop(world.c);
    for (const place of [world.a, world.b]) {
      await world.stop(place);
      place.start(["a", "b"]);
    }
    for (const key of ["by.a", "by.c"]) world.a.app.delete(key);
    await world.clock.advance(3 * HOUR_MS);
    expect([world.a, world.b].map(({ gateway }) => gateway().snapshot().tombstones)).toEqual([0, 0]);
    world.c.app.put("new", "v");
    for (const place of [world.a, world.b]) {
      await world.stop(place);
      place.start();
    }
    world.c.start();
    await world.clock.advance(2 * HOUR_MS);
    expect(world.contents()).toEqual(world.everywhere({ new: "v" }));
    expect(setAside(world.c).map(({ key }) => key).sort()).toEqual(["by.a", "by.c"]);
  });
});

describe("a site that was removed before its peers had read its log to the end", () => {
  it("brings what they had not read, however long ago: nobody can have deleted that", async () => {
    const world = await running();
    for (const place of [world.a, world.b]) place.gateway().peer(world.c.id).cut();
    world.c.app.put("unread", "v");
    await world.settle();
    await world.stop(world.c);
    for (const place of [world.a, world.b]) {
      await world.stop(place);
      place.start(["a", "b"]);
    }
    await world.clock.advance(3 * HOUR_MS);
    for (const place of [world.a, world.b]) {
      await world.stop(place);
      place.start();
    }
    world.c.start();
    await world.clock.advance(2 * HOUR_MS);
    expect(world.contents()).toEqual(world.everywhere({ unread: "v" }));
    expect(world.places().flatMap(setAside)).toEqual([]);
  });
});

describe("a site that is well", () => {
  it.each(["crash", "stop"] as const)("does not rejoin after a %s", async (how) => {
    const world = await running();
    for (let n = 0; n < 20; n++) world.places()[n % 3]?.app.put(`k.${n}`, "v");
    await world.clock.advance(10 * MINUTE_MS);
    if (how === "crash") world.b.gateway().crash();
    else await world.stop(world.b);
    world.b.start();
    await world.clock.advance(HOUR_MS);
    expect(world.places().flatMap((place) => [...place.events("rejoining"), ...place.events("rejoined")])).toEqual([]);
  });

  it("notes how far its peers had come when it sweeps, and nothing after that", async () => {
    const world = await running();
    for (const key of ["k", "deleted"]) world.a.app.put(key, "v");
    await world.clock.advance(10 * MINUTE_MS);
    const notes = () => world.places().map(({ site }) => [...site.state.keys()].filter((key) => /^(seen|captured)/.test(key)).sort());
    const told = () => world.places().map((place) => [place.saved("captured.config"), place.saved("seen.config.a")]);
    expect(told().flat().filter((each) => each !== null && (each as { created: string }).created !== "")).toEqual([]);
    world.a.app.delete("deleted");
    await world.clock.advance(3 * HOUR_MS);
    expect(notes()[1]).toEqual(["captured.config", "seen.config.a", "seen.config.c"]);
    const before = world.places().map(({ site }) => [...site.state]);
    await world.clock.advance(5 * HOUR_MS);
    expect(world.places().map(({ site }) => [...site.state])).toEqual(before);
  });
});
