/** What is set aside is released or dropped by a person, and forgotten when something else has taken its place. */
import { describe, expect, it } from "vitest";
import type { StreamOptions } from "../memory/stream.js";
import type { SetAsideOutcome, SetAsides } from "../../src/pipeline/set-aside-retry.js";
import { type Place, type World, type WorldOptions, createWorld } from "./world.js";

const HOUR_MS = 3_600_000;
const ALL = { key: null, origin: null };
const KEY = { key: "k", origin: null };

interface Story extends World {
  readonly a: Place;
  readonly b: Place;
  /** What is asked for at b, when it is done. */
  ask(what: "release" | "drop", selection: { readonly key: string | null; readonly origin: string | null }): Promise<SetAsideOutcome>;
}

async function running(options: WorldOptions = {}): Promise<Story> {
  const world = createWorld(options);
  world.start();
  await world.settle();
  const [a, b] = [world.place("a"), world.place("b")];
  return {
    ...{ ...world, a, b },
    async ask(what, selection) {
      const asked = accountOf(b)[what](selection);
      asked.catch(() => undefined);
      await world.clock.advance(1_000);
      return asked;
    },
  };
}

function accountOf(place: Place): SetAsides {
  const account = place.gateway().setAsides();
  if (account === null) throw new Error("the bucket does not run");
  return account;
}
const listed = (place: Place) => accountOf(place).records().map(({ key, origin, reason }) => `${key} ${origin} ${reason}`);
const durable = ({ site }: Place) => [...site.state.keys()].filter((key) => key.startsWith("set-aside."));
const nothingLeft = (place: Place) => expect([listed(place), durable(place), place.gateway().snapshot().setAside]).toEqual([[], [], 0]);
/** A server whose limit somebody raised. */
const allow = (options: StreamOptions, messageBytesMax: number) => void ((options as { messageBytesMax: number }).messageBytesMax = messageBytesMax);
const poison = ({ log }: Place, key: string) => log.publish(key, new TextEncoder().encode("x"), "");

describe("releasing", () => {
  it("applies at once what came too early, and rounds leave it there", async () => {
    const world = await running();
    const { a, b } = world;
    b.app.put("k", "before");
    await world.settle();
    a.site.skewMs = 3 * HOUR_MS;
    a.app.put("k", "early");
    await world.settle();
    expect([b.app.read().get("k"), listed(b)]).toEqual(["before", ["k a far_future"]]);
    expect(await world.ask("release", KEY)).toMatchObject({ done: [{ key: "k", reason: "far_future" }], refused: [] });
    await world.clock.advance(HOUR_MS / 2);
    expect(b.app.read().get("k")).toBe("early");
    nothingLeft(b);
  });

  it("tries again what was too large: it stays on record until it fits", async () => {
    const world = await running({ streamAt: { b: { messageBytesMax: 1_000 } } });
    const { a, b } = world;
    a.app.put("k", "x".repeat(2_000));
    await world.settle();
    await world.ask("release", ALL);
    await world.settle();
    expect([listed(b), b.gateway().counters.peers.get(a.id)?.setAside.too_large]).toEqual([["k a too_large"], 1]);
    allow(b.bucket.options, 100_000);
    await world.ask("release", ALL);
    await world.settle();
    expect(b.app.read().get("k")).toHaveLength(2_000);
    nothingLeft(b);
  });

  it("logs an own write that was too large for the log, once it takes it", async () => {
    const world = await running({ stream: { messageBytesMax: 4_000_000 } });
    const { a, b } = world;
    const revision = b.app.put("k", "x".repeat(1_048_500));
    await world.settle();
    expect(await world.ask("release", KEY)).toMatchObject({ done: [], refused: [{ message: expect.stringMatching(/still too large/) as string }] });
    expect(listed(b)).toEqual(["k b too_large"]);
    allow(b.log.options, 4_000_000);
    expect(await world.ask("release", KEY)).toMatchObject({ done: [{ key: "k" }], refused: [] });
    await world.settle();
    expect([a.app.read().get("k")?.length, b.bucket.last("k")?.sequence, b.logged().length]).toEqual([1_048_500, revision, 1]);
    nothingLeft(b);
  });

  it("is refused for what cannot be read, which stays on record", async () => {
    const world = await running();
    poison(world.a, "k");
    await world.settle();
    expect(await world.ask("release", ALL)).toMatchObject({ done: [], refused: [{ record: { key: "k", reason: "malformed" } }] });
    expect(listed(world.b)).toEqual(["k a malformed"]);
  });

  it("of a key of which nothing is set aside is wrong usage, and of all that is nothing, too, is none", async () => {
    const world = await running();
    await expect(world.ask("release", KEY)).rejects.toMatchObject({ code: "KVGW_USAGE" });
    await expect(world.ask("drop", KEY)).rejects.toMatchObject({ code: "KVGW_USAGE" });
    expect(await world.ask("release", ALL)).toEqual({ done: [], refused: [] });
  });

  it("is not possible while the bucket is not running", async () => {
    const world = await running();
    world.b.gateway().update({ ...world.config, paused: true });
    await world.settle();
    expect(world.b.gateway().setAsides()).toBeNull();
  });
});

describe("dropping", () => {
  it("forgets the records that are meant and no others, also over a restart", async () => {
    const world = await running({ sites: ["a", "b", "c"] });
    const { a, b } = world;
    for (const key of ["k", "l"]) for (const place of [a, world.place("c")]) poison(place, key);
    await world.settle();
    expect((await world.ask("drop", { key: "k", origin: "a" })).done).toHaveLength(1);
    expect(listed(b).sort()).toEqual(["k c malformed", "l a malformed", "l c malformed"]);
    expect((await world.ask("drop", { key: null, origin: "c" })).done).toHaveLength(2);
    expect(listed(b)).toEqual(["l a malformed"]);
    b.gateway().crash();
    b.start();
    await world.settle();
    expect(listed(b)).toEqual(["l a malformed"]);
    await world.ask("drop", ALL);
    nothingLeft(b);
  });

  it("is not for ever where a peer still has the operation: the next round finds it", async () => {
    const world = await running();
    const { a, b } = world;
    a.site.skewMs = 3 * HOUR_MS;
    a.app.put("k", "early");
    await world.settle();
    await world.ask("drop", ALL);
    nothingLeft(b);
    await world.clock.advance(HOUR_MS / 6);
    expect([listed(b), b.app.read().size]).toEqual([["k a far_future"], 0]);
  });
});

describe("a record goes by itself", () => {
  it("when a later operation of its origin is applied", async () => {
    const world = await running({ streamAt: { b: { messageBytesMax: 1_000 } } });
    const { a, b } = world;
    a.app.put("k", "x".repeat(2_000));
    poison(a, "bad");
    await world.settle();
    expect(listed(b).sort()).toEqual(["bad a malformed", "k a too_large"]);
    a.app.put("k", "small");
    a.app.put("bad", "good");
    await world.settle();
    nothingLeft(b);
  });

  it("when another site's later write has taken the key", async () => {
    const world = await running({ streamAt: { b: { messageBytesMax: 1_000 } } });
    const { a, b } = world;
    a.app.put("k", "x".repeat(2_000));
    await world.settle();
    b.app.put("k", "small");
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "small" }));
    nothingLeft(b);
  });

  it("when an own write that fits follows the one that was too large", async () => {
    const world = await running({ stream: { messageBytesMax: 4_000_000 } });
    const { b } = world;
    b.app.put("k", "x".repeat(1_048_500));
    await world.settle();
    expect(listed(b)).toEqual(["k b too_large"]);
    b.app.put("k", "small");
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "small" }));
    nothingLeft(b);
  });

  it("when a round has proved that its origin has it no more", async () => {
    const world = await running({ streamAt: { b: { messageBytesMax: 1_000 } } });
    const { a, b } = world;
    a.app.put("k", "x".repeat(2_000));
    await world.settle();
    // Its bucket and its log have lost it, and nobody else has it.
    a.gateway().crash();
    for (const stream of [a.bucket, a.log]) stream.purge("k", Number.MAX_SAFE_INTEGER);
    a.start();
    await world.settle();
    b.gateway().reconcile();
    await world.settle();
    nothingLeft(b);
  });
});
