/** F4: a gateway killed at any point, also between each two of its writes, loses nothing and says nothing twice. */
import { describe, expect, it } from "vitest";
import { formatIdentity } from "../../src/core/codec.js";
import { formatVersion } from "../../src/core/version.js";
import { readStored } from "../memory/operation-log.js";
import { BUCKET, type Place, type World, createWorld } from "./world.js";

/** One story with everything in it: both directions, deletes, writes over applied values, a conflict, wrong clocks. */
async function story(world: World): Promise<void> {
  const [a, b] = [world.place("a"), world.place("b")];
  a.site.skewMs = 30_000;
  a.app.put("one", "a1");
  b.app.put("two", "b1");
  await world.clock.advance(700);
  b.app.put("one", "b2");
  a.app.put("both", "of a");
  b.app.put("both", "of b");
  await world.clock.advance(700);
  a.app.delete("two");
  b.app.put("hot", "1");
  b.app.put("hot", "2");
  await world.clock.advance(700);
  b.app.purge("one");
  a.app.put("late", "a3");
  await world.clock.advance(700);
}

/** What all sites must read in the end, the same as if nobody had crashed. Of the two concurrent writes either may win: a
 *  write found after a crash may have overwritten what was being applied, and counts as if it had. */
function expectTheEnd(world: World): void {
  const [found = {}] = Object.values(world.contents());
  expect(["of a", "of b"]).toContain(found["both"]);
  expect(world.contents()).toEqual(world.everywhere({ both: found["both"] ?? "", hot: "2", late: "a3" }));
}

/** Every version under which an entry of the bucket was ever logged. */
function versionsByEntry(place: Place): ReadonlyMap<string, Set<string>> {
  const seen = new Map<string, Set<string>>();
  let last = 0;
  const onChange = () => {
    for (const message of place.log.messages()) {
      if (message.sequence <= last) continue;
      last = message.sequence;
      const read = readStored(message, { site: place.id, bucket: BUCKET, format: "raw" }, false);
      if (!read.ok || read.value.identity === null) throw new Error(`unreadable operation in the log of ${place.id}`);
      const entry = `${message.subject} ${formatIdentity(read.value.identity)}`;
      seen.set(
        entry,
        (seen.get(entry) ?? new Set()).add(`${formatVersion(read.value.operation.version)} #${message.sequence}`),
      );
    }
  };
  place.log.watch({ onChange, onGone: () => undefined });
  return seen;
}

/** Runs the story with a gateway at `b` that `arm` makes crash; it is back half a second later. */
async function runWithCrash(arm: (b: Place, crash: () => void) => void): Promise<boolean> {
  const world = createWorld();
  const b = world.place("b");
  const logged = world.places().map(versionsByEntry);
  let crashed = false;
  world.start();
  const dying = b.gateway();
  arm(b, () => {
    if (crashed) return;
    crashed = true;
    dying.crash();
    world.clock.schedule(500, () => void b.start());
  });
  await story(world);
  await world.settle();
  expectTheEnd(world);
  for (const entries of logged) for (const [entry, versions] of entries) expect([entry, ...versions]).toHaveLength(2);
  return crashed;
}

/** The n-th write of a gateway meets its end in one of these ways. */
const WAYS = {
  "before it is sent": (crash: () => void) => {
    crash();
    return "arrives" as const;
  },
  "when it has been sent": (crash: () => void) => {
    queueMicrotask(crash);
    return "arrives" as const;
  },
  "and it is lost": (crash: () => void) => {
    queueMicrotask(crash);
    return "request lost" as const;
  },
};

describe("a crash", () => {
  it("is not part of the story as such", async () => {
    expect(await runWithCrash(() => undefined)).toBe(false);
  });

  it.each(Object.entries(WAYS))(
    "at each of its writes in turn, %s, loses nothing and logs nothing twice",
    async (_, way) => {
      let crashes = 0;
      for (let n = 1; ; n++) {
        const crashed = await runWithCrash((b, crash) => {
          let writes = 0;
          b.gateway().local.faults.fate = () => (++writes === n ? way(crash) : "arrives");
        });
        if (!crashed) break;
        crashes++;
      }
      expect(crashes).toBeGreaterThan(15);
    },
  );

  it("at each message from or to its NATS, also while it starts, loses nothing and logs nothing twice", async () => {
    let crashes = 0;
    for (let n = 1; ; n++) {
      const crashed = await runWithCrash((b, crash) => {
        let messages = 0;
        b.gateway().local.faults.delayMs = () => {
          if (++messages === n) queueMicrotask(crash);
          return 3;
        };
      });
      if (!crashed) break;
      crashes++;
    }
    expect(crashes).toBeGreaterThan(50);
  });

  it("again and again loses nothing and logs nothing twice", async () => {
    const world = createWorld();
    const b = world.place("b");
    const logged = world.places().map(versionsByEntry);
    world.start();
    let crashes = 0;
    const crashSoon = () => {
      const dying = b.gateway();
      let writes = 0;
      dying.local.faults.fate = () => {
        if (++writes !== 2 || crashes >= 12) return "arrives";
        crashes++;
        queueMicrotask(() => {
          dying.crash();
          b.start();
          crashSoon();
        });
        return crashes % 2 === 0 ? "arrives" : "request lost";
      };
    };
    crashSoon();
    await story(world);
    await world.settle();
    expect(crashes).toBeGreaterThan(3);
    expectTheEnd(world);
    for (const entries of logged) for (const [entry, versions] of entries) expect([entry, ...versions]).toHaveLength(2);
  });
});

describe("a run that has ended", () => {
  it("logs nothing any more, also not what waited for an apply without an answer", async () => {
    const world = createWorld();
    const [a, b] = [world.place("a"), world.place("b")];
    a.site.skewMs = 60_000;
    world.start();
    await world.settle();
    const { faults } = b.gateway().local;
    faults.fate = ({ to }) => (to === "bucket" ? "request lost" : "arrives");
    a.app.put("k", "applied");
    await world.clock.advance(10);
    b.app.put("k", "first");
    b.app.put("k", "second");
    await world.clock.advance(10);
    expect(b.logged()).toEqual([]);
    faults.fate = () => "arrives";
    b.bucket.dropConsumers();
    await world.clock.advance(1_000);
    const [second] = b.logged();
    expect(b.gateway().counters.restarts).toBe(1);
    await world.settle();
    expect([b.logged(), b.log.mark().lastSequence]).toEqual([[second], 1]);
    expect(world.contents()).toEqual(world.everywhere({ k: "second" }));
  });
});

describe("a gateway that comes back", () => {
  it("logs what was written while it was away, once", async () => {
    const world = createWorld();
    const a = world.place("a");
    world.start();
    await world.settle();
    a.gateway().crash();
    a.app.put("k", "v");
    a.app.put("l", "w");
    a.app.delete("l");
    await world.settle();
    for (let n = 0; n < 3; n++) {
      a.start();
      await world.settle();
      a.gateway().crash();
    }
    expect(world.contents()["b"]).toEqual({ k: "v" });
    expect(a.log.mark().lastSequence).toBe(2);
  });

  it("gives up an append that its dead predecessor's has overtaken", async () => {
    const world = createWorld();
    const a = world.place("a");
    world.start();
    await world.settle();
    const dying = a.gateway();
    dying.local.faults.delayMs = () => 400;
    a.app.put("k", "v");
    await world.clock.advance(600);
    dying.crash();
    a.start();
    await world.settle();
    expect(a.log.mark().lastSequence).toBe(1);
    expect(world.contents()).toEqual(world.everywhere({ k: "v" }));
  });
});
