/** What a bucket shows after it has lost the end of a key's history is an old entry, and no new write. */
import { describe, expect, it } from "vitest";
import { createWorld } from "./world.js";

describe("an older revision that an expiry has uncovered", () => {
  it.each([true, false])("goes at the next start, and no site takes it for a write (markers: %s)", async (markers) => {
    const world = createWorld({ stream: { history: 5, messageTtl: true, markers } });
    const a = world.place("a");
    world.start();
    await world.settle();
    a.app.put("k", "old");
    await world.settle();
    a.app.put("k", "brief", { "Nats-TTL": "30s" });
    await world.clock.advance(5_000);
    expect(world.contents()).toEqual(world.everywhere({ k: "brief" }));
    await world.clock.advance(60_000);
    await world.stop(a);
    a.start();
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({}));
    expect(world.places().map(({ log }) => log.mark().lastSequence)).toEqual([2, 0]);
  });
});

describe("a bucket that was put back to an older copy while the gateway was away", () => {
  async function rewound(then: (app: ReturnType<ReturnType<typeof createWorld>["place"]>["app"]) => void) {
    const world = createWorld();
    const a = world.place("a");
    world.start();
    a.app.put("k", "first");
    await world.settle();
    const putBack = a.bucket.copy();
    then(a.app);
    await world.settle();
    a.gateway().crash();
    putBack();
    return { ...world, a };
  }

  it("gets its delete again", async () => {
    const world = await rewound((app) => void app.delete("k"));
    world.a.start();
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({}));
    expect(world.a.log.mark().lastSequence).toBe(2);
  });

  it("gets its later value again, and sends nothing out as new", async () => {
    const world = await rewound((app) => void app.put("k", "second"));
    world.a.start();
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "second" }));
    expect(world.a.log.mark().lastSequence).toBe(2);
  });

  it("takes what is written to it afterwards, above what it has lost", async () => {
    const world = await rewound((app) => void app.put("k", "second"));
    world.a.site.skewMs = -3_600_000;
    world.a.start();
    await world.settle();
    world.a.app.put("k", "third");
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "third" }));
  });
});

describe("a bucket that was deleted and made again while the gateway was away", () => {
  async function emptied(more: (world: ReturnType<typeof createWorld>) => void = () => undefined) {
    const world = createWorld();
    const a = world.place("a");
    world.start();
    await world.settle();
    for (const key of ["one", "two"]) a.app.put(key, "of a");
    world.place("b").app.put("three", "of b");
    a.app.delete("two");
    await world.settle();
    a.gateway().crash();
    a.bucket.destroy();
    more(world);
    a.start();
    await world.clock.advance(60_000);
    return world;
  }

  it("is filled again from the own log and from the peers", async () => {
    const world = await emptied();
    expect(world.contents()).toEqual(world.everywhere({ one: "of a", three: "of b" }));
    expect(world.places().map(({ log }) => log.mark().lastSequence)).toEqual([3, 1]);
  });

  it("is filled from the own log also where no peer can be asked", async () => {
    const world = await emptied(({ places }) => {
      for (const place of places()) if (place.id === "b") place.gateway().crash();
    });
    expect(world.contents()["a"]).toEqual({ one: "of a" });
    expect(world.place("a").events("restored")).toEqual([expect.objectContaining({ keys: 1 })]);
  });

  it("does not bring back what a peer has deleted", async () => {
    const world = await emptied(({ place }) => void place("b").app.delete("one"));
    expect(world.contents()).toEqual(world.everywhere({ three: "of b" }));
  });
});
