/** Every append names where its key stands in the log, so that none which comes late replaces a newer operation. */
import { describe, expect, it } from "vitest";
import { keyNamed } from "../core/names.js";
import { createAppendRig as rig, writeOf } from "./append-rig.js";
import { createWorld } from "./world.js";

describe("an append", () => {
  it("names the log's end, foretold, and its key's place, seen", async () => {
    const { append, clock, told } = rig();
    for (const [at, key] of ["x", "y", "z"].entries()) append(key, at + 1);
    await clock.advance(10);
    append("y", 4);
    append("w", 5);
    await clock.advance(10);
    expect(told.sent).toEqual(["x@1 after 0, 0", "y@2 after 1, 0", "z@3 after 2, 0", "y@4 after 3, 2", "w@5 after 4, 0"]);
  });

  it("waits for the one of its key that is on its way, and those behind it wait, too", async () => {
    const { append, clock, told, faults } = rig();
    faults.delayMs = () => 10;
    for (const [at, key] of ["hot", "x", "hot", "y"].entries()) append(key, at + 1);
    await clock.advance(15);
    expect(told.sent).toEqual(["hot@1 after 0, 0", "x@2 after 1, 0"]);
    await clock.advance(20);
    expect(told.sent.slice(2)).toEqual(["hot@3 after 2, 1", "y@4 after 3, 0"]);
    await clock.advance(20);
    expect(told.done).toEqual(["hot@1", "x@2", "hot@3", "y@4"]);
  });

  it("speaks for all that waited with it: the newest of a key is sent, and done is told for each", async () => {
    const { append, clock, told, logged, appender } = rig();
    for (let n = 1; n <= 100; n++) append("hot", n);
    const ends = appender.logged();
    await clock.advance(10);
    expect([told.ever, logged()]).toEqual([["hot@1", "hot@100"], ["hot@100"]]);
    expect(told.done).toHaveLength(100);
    expect(await ends).toMatchObject({ sequence: 2 });
    expect(appender.outstanding()).toBe(0);
  });

  it("that no log can hold does not take with it what waits behind it, also while it is noted", async () => {
    const { append, clock, told, faults, logged } = rig();
    append("k", 1, { value: new Uint8Array(2_000_000) });
    faults.delayMs = () => 0;
    append("k", 2);
    await clock.advance(10);
    expect([told.setAside, logged()]).toEqual([["k"], ["k@2"]]);
    expect([...told.done].sort()).toEqual(["k@1", "k@2"]);
  });
});

describe("a key that does not stand where it should", () => {
  it("since it was purged from the log, is asked for, and the append goes on without trouble", async () => {
    const { append, clock, told, stream, appender, logged } = rig();
    for (const [at, key] of ["x", "y"].entries()) append(key, at + 1);
    await clock.advance(10);
    stream.purge("x");
    append("x", 3);
    append("z", 4);
    await clock.advance(10);
    expect(logged()).toEqual(["y@2", "x@3", "z@4"]);
    expect(told.sent.slice(2)).toEqual(["x@3 after 2, 1", "z@4 after 3, 0", "x@3 after 2, 0", "z@4 after 3, 0"]);
    expect([told.trouble, told.fatal, appender.sequenceOf(keyNamed("x"))]).toEqual([[], [], 3]);
  });

  it("is forgotten with it where it is not newer than what is swept, and nothing is refused", async () => {
    const { append, clock, told, logged, appender } = rig();
    append("x", 1);
    await clock.advance(10);
    const { version } = writeOf("x", 1);
    const forget = async (ts: number) => {
      const forgotten = appender.forget(keyNamed("x"), { ...version, ts });
      await clock.advance(10);
      await forgotten;
    };
    await forget(version.ts - 1);
    expect([appender.sequenceOf(keyNamed("x")), logged()]).toEqual([1, ["x@1"]]);
    await forget(version.ts);
    expect([appender.sequenceOf(keyNamed("x")), logged()]).toEqual([0, []]);
    await forget(version.ts);
    append("x", 2);
    await clock.advance(10);
    expect(told.sent).toEqual(["x@1 after 0, 0", "x@2 after 1, 0"]);
    expect(told.events).toEqual([]);
  });

  it("since something unreadable stands in its place, is asked for", async () => {
    const { append, clock, told, stream, logged } = rig();
    stream.publish("x", new Uint8Array(0), "");
    append("x", 1);
    await clock.advance(10);
    expect(logged()).toEqual(["x@1"]);
    expect([told.trouble, told.sent.at(-1)]).toEqual([[], "x@1 after 1, 1"]);
  });

  it("and of which the log shows no reason, is tried again at growing intervals, and told as trouble until it is taken", async () => {
    const { append, clock, told, server, logged } = rig();
    server.refusesAll = true;
    append("x", 1);
    await clock.advance(60_000);
    expect(told.sent.length).toBeGreaterThan(5);
    expect(told.sent.length).toBeLessThan(15);
    expect([...new Set(told.trouble)]).toEqual(["KVGW_UNREACHABLE"]);
    server.refusesAll = false;
    await clock.advance(20_000);
    expect([logged(), told.trouble.at(-1), told.fatal]).toEqual([["x@1"], null, []]);
  });
});

/** A gateway at `a` that dies when `count` appends of these writes are on their way: the first is lost, the others take two
 *  seconds. */
async function dyingWith(count: number, writes: readonly (readonly [key: string, value: string])[]) {
  const world = createWorld();
  const a = world.place("a");
  world.start();
  await world.settle();
  const { faults } = a.gateway().local;
  let appends = 0;
  faults.fate = ({ to }) => {
    if (to !== "log") return "arrives";
    faults.delayMs = () => 2_000;
    return ++appends === 1 ? "request lost" : "arrives";
  };
  for (const [key, value] of writes) a.app.put(key, value);
  await world.until(() => appends >= count, "they are on their way");
  await world.clock.advance(10);
  a.gateway().crash();
  return { ...world, a };
}

describe("the appends of a dead gateway that come when its successor has brought the log to just where they belong", () => {
  it("do not put an older operation of a key in place of a newer one", async () => {
    const world = await dyingWith(2, [["x", "first"], ["y", "first"]]);
    world.a.bucket.purge("x");
    world.a.app.put("y", "second");
    world.a.start();
    await world.settle();
    expect(world.a.log.mark().lastSequence).toBe(1);
    expect(world.contents()).toEqual(world.everywhere({ y: "second" }));
  });

  it("do not log once more what the successor has logged, where all were of one key", async () => {
    const world = await dyingWith(1, [["k", "first"], ["k", "second"], ["k", "third"]]);
    world.a.start();
    await world.settle();
    expect(world.a.log.mark().lastSequence).toBe(1);
    expect(world.contents()).toEqual(world.everywhere({ k: "third" }));
  });
});

describe("a peer's operation over a local write that is not in the log yet", () => {
  async function overUnlogged() {
    // Nobody mends what comes of it.
    const world = createWorld({ reconcile: false });
    const [a, b] = [world.place("a"), world.place("b")];
    b.site.skewMs = 3_600_000;
    world.start();
    await world.settle();
    const sent: string[] = [];
    const { faults } = a.gateway().local;
    faults.fate = ({ to }) => {
      if (to === "state") return "arrives";
      sent.push(to);
      return sent.length === 1 ? "request lost" : "arrives";
    };
    a.app.put("k", "of a");
    await world.until(() => sent.length === 1, "the append is on its way");
    b.app.put("k", "of b");
    return { ...world, a, b, sent };
  }

  it("waits until the write is there", async () => {
    const world = await overUnlogged();
    await world.clock.advance(1_000);
    expect(world.sent).toEqual(["log"]);
    await world.settle();
    expect(world.sent.slice(0, 3)).toEqual(["log", "log", "bucket"]);
    expect(world.contents()).toEqual(world.everywhere({ k: "of b" }));
  });

  it("is not left on its way by a gateway that dies, to land where its successor gave the write a higher version", async () => {
    const world = await overUnlogged();
    const { faults } = world.a.gateway().local;
    const { fate } = faults;
    faults.fate = (write) => {
      if (write.to === "bucket") faults.delayMs = () => 3_000;
      return fate(write);
    };
    await world.clock.advance(1_000);
    world.a.gateway().crash();
    world.a.start();
    await world.settle();
    const [found] = Object.values(world.contents());
    expect(world.contents()).toEqual(world.everywhere({ k: found?.["k"] ?? "" }));
    expect(world.a.log.mark().lastSequence).toBe(1);
  });
});
