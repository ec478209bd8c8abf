/** What cannot be applied or logged is set aside with a reason, durably, and the rest flows (F10, I6). */
import { beforeEach, describe, expect, it } from "vitest";
import { createBucketCounters } from "../../src/core/counters.js";
import { SET_ASIDE_PER_BUCKET_MAX } from "../../src/core/limits.js";
import type { SetAside } from "../../src/core/ports.js";
import { createBackoff } from "../../src/pipeline/retry.js";
import { type SetAsideDeps, loadSetAside } from "../../src/pipeline/set-aside.js";
import { createMemoryConnection } from "../memory/connection.js";
import { createSeededRandom } from "../memory/seeded-random.js";
import { createMemorySiteState } from "../memory/site-state.js";
import { type VirtualClock, createVirtualClock } from "../memory/virtual-clock.js";
import { BUCKET, type Place, type World, type WorldOptions, createWorld } from "./world.js";
import { siteNamed } from "../core/names.js";

async function running(options: WorldOptions = {}): Promise<World & { readonly a: Place; readonly b: Place }> {
  const world = createWorld(options);
  world.start();
  await world.settle();
  return { ...world, a: world.place("a"), b: world.place("b") };
}

const records = ({ site }: Place): SetAside[] =>
  [...site.state].filter(([key]) => key.startsWith("set-aside.")).map(([, text]) => JSON.parse(text) as SetAside);

const block = (headers: Readonly<Record<string, string>>) =>
  `NATS/1.0\r\n${Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("")}\r\n`;

describe("an operation that is too large for this site's bucket", () => {
  it("is set aside, the rest flows, and the checkpoint passes it", async () => {
    const world = await running({ streamAt: { b: { messageBytesMax: 1_000 } } });
    const { a, b } = world;
    a.app.put("small", "v");
    a.app.put("large", "x".repeat(2_000));
    a.app.put("after", "w");
    await world.settle();
    expect(world.contents()["b"]).toEqual({ small: "v", after: "w" });
    expect(records(b)).toMatchObject([
      { key: "large", origin: "a", reason: "too_large", kind: "put", at: { position: 2 } },
    ]);
    expect(b.gateway().counters.peers.get(a.id)?.setAside.too_large).toBe(1);
    expect(b.gateway().snapshot().setAside).toBe(1);
    expect(b.saved("checkpoint.config.a")).toMatchObject({ sequence: 3 });
    expect(b.events("set-aside")).toMatchObject([{ setAside: { key: "large" } }]);
  });

  it("is applied when a smaller one follows", async () => {
    const world = await running({ streamAt: { b: { messageBytesMax: 1_000 } } });
    world.a.app.put("k", "x".repeat(2_000));
    await world.settle();
    world.a.app.put("k", "small");
    await world.settle();
    expect(world.contents()).toEqual(world.everywhere({ k: "small" }));
  });

  it("is one record, however often it is read", async () => {
    const world = await running({ streamAt: { b: { messageBytesMax: 1_000 } } });
    const { a, b } = world;
    a.app.put("k", "x".repeat(2_000));
    await world.settle();
    b.site.state.delete("checkpoint.config.a");
    b.gateway().crash();
    b.start();
    await world.settle();
    expect(records(b)).toHaveLength(1);
    expect(b.gateway().snapshot().setAside).toBe(1);
  });
});

describe("a local write that cannot be logged", () => {
  it("because of its size is set aside at its own site, and the rest flows", async () => {
    const world = await running({ stream: { messageBytesMax: 4_000_000 } });
    const { a } = world;
    a.app.put("before", "v");
    const revision = a.app.put("large", "x".repeat(1_048_500));
    a.app.put("after", "w");
    await world.settle();
    expect(world.contents()["b"]).toEqual({ before: "v", after: "w" });
    const at = { position: revision, created: a.bucket.mark().created };
    expect(records(a)).toMatchObject([{ key: "large", origin: "a", reason: "too_large", at }]);
    expect(a.gateway().counters.setAside.too_large).toBe(1);
  });

  it("because of its key is set aside at its own site, and the rest flows", async () => {
    const world = await running();
    const { a } = world;
    for (const key of ["not:legal", "k", "wild*card"]) a.app.put(key, "v");
    await world.settle();
    expect(world.contents()["b"]).toEqual({ k: "v" });
    expect(records(a).map(({ key, reason }) => `${key} ${reason}`)).toEqual([
      "not:legal invalid_key",
      "wild*card invalid_key",
    ]);
    expect(a.log.mark().lastSequence).toBe(1);
  });
});

describe("an operation in a peer's log", () => {
  it("takes no control of this site's bucket through headers of the server", async () => {
    const world = await running({ stream: { history: 5 } });
    const { a, b } = world;
    for (let n = 0; n < 3; n++) b.app.put("k", `${n}`);
    await world.settle();
    const control = { "Nats-Rollup": "all", "Nats-TTL": "1s", "Nats-Expected-Last-Subject-Sequence": "0" };
    a.log.publish("k", new TextEncoder().encode("v"), block({ "Kvgw-Version": "1700000100000000 a", ...control }));
    await world.settle();
    expect(b.app.read().get("k")).toBe("v");
    expect([...b.bucket.messages()]).toHaveLength(4);
    expect(b.bucket.last("k")?.block).not.toMatch(/Rollup|TTL/);
  });
});

describe("an operation that is to be set aside", () => {
  it("holds the checkpoint until its record is durable", async () => {
    const world = await running({ streamAt: { b: { messageBytesMax: 1_000 } } });
    const { a, b } = world;
    const { faults } = b.gateway().local;
    faults.fate = ({ to, key }) => (to === "state" && key.startsWith("set-aside") ? "request lost" : "arrives");
    a.app.put("large", "x".repeat(2_000));
    a.app.put("after", "w");
    await world.clock.advance(4_000);
    expect([records(b), b.saved("checkpoint.config.a")]).toEqual([[], null]);
    await world.settle();
    expect(b.saved("checkpoint.config.a")).toBeNull();
    faults.fate = () => "arrives";
    await world.settle();
    expect(records(b)).toHaveLength(1);
    expect(b.saved("checkpoint.config.a")).toMatchObject({ sequence: 2 });
  });
});

describe("what is met again after a restart", () => {
  it("is not counted, told or written again, and a new one of the same key is", async () => {
    const world = await running({ streamAt: { b: { messageBytesMax: 1_000 } } });
    const { a, b } = world;
    b.app.put("not:legal", "v");
    a.app.put("large", "x".repeat(2_000));
    await world.settle();
    const counts = () => {
      const { setAside, peers } = b.gateway().counters;
      return [setAside.invalid_key, peers.get(a.id)?.setAside.too_large, b.events("set-aside").length, records(b).length];
    };
    expect(counts()).toEqual([1, 1, 2, 2]);
    b.site.state.delete("checkpoint.config.a");
    const written: string[] = [];
    b.gateway().local.faults.fate = ({ to, key }) => {
      if (to === "state" && key.startsWith("set-aside")) written.push(key);
      return "arrives";
    };
    b.bucket.dropConsumers();
    await world.settle();
    expect(b.gateway().counters.restarts).toBe(1);
    expect([counts(), written]).toEqual([[1, 1, 2, 2], []]);
    b.app.put("not:legal", "w");
    a.app.put("large", "y".repeat(2_000));
    await world.settle();
    expect(counts()).toEqual([2, 2, 4, 2]);
  });
});

describe("poison beyond the bound of the account", () => {
  /** Site b with an account that is full, and the way to make room in it. */
  async function runningFull() {
    const world = createWorld({ sites: ["a", "b", "c"] });
    const [a, b, c] = [world.place("a"), world.place("b"), world.place("c")];
    const old = Array.from({ length: SET_ASIDE_PER_BUCKET_MAX }, (_, n) => `set-aside.config.a.${n}`);
    for (const key of old) b.site.state.set(key, "{}");
    world.start();
    await world.settle();
    const removeOld = () => old.forEach((key) => b.site.state.delete(key));
    return { world, a, b, c, removeOld };
  }
  const peerOf = (place: Place, peer: Place) => place.gateway().snapshot().peers.get(peer.id);
  const poison = (place: Place) => place.log.publish("bad", new TextEncoder().encode("x"), "");

  it("in a peer's log holds up that peer alone, and is passed once there is room", async () => {
    const { world, a, b, c, removeOld } = await runningFull();
    poison(a);
    a.app.put("behind", "v");
    await world.settle();
    b.app.put("of-b", "v");
    c.app.put("of-c", "v");
    await world.clock.advance(3_600_000);
    expect(b.gateway().state()).toBe("live");
    expect(peerOf(b, a)).toMatchObject({ state: "degraded", reason: { code: "KVGW_SET_ASIDE_FULL" }, checkpoint: 0 });
    expect(peerOf(b, c)).toMatchObject({ state: "live", reason: null });
    expect(world.contents()["c"]).toEqual({ "behind": "v", "of-b": "v", "of-c": "v" });
    expect(b.app.read().get("of-c")).toBe("v");
    expect(b.gateway().counters.restarts).toBe(0);
    removeOld();
    await world.settle();
    expect(records(b)).toMatchObject([{ key: "bad", origin: "a", reason: "malformed" }]);
    expect(peerOf(b, a)).toMatchObject({ state: "live", reason: null, checkpoint: 2 });
    const degradations = b.events("peer-state").filter(({ peer, state }) => peer === a.id && state === "degraded");
    expect(degradations).toHaveLength(1);
  });

  it("in a peer's log is still told when the link to the peer came and went", async () => {
    const { world, a, b, removeOld } = await runningFull();
    poison(a);
    await world.settle();
    b.gateway().peer(a.id).cut();
    await world.clock.advance(1_000);
    expect(peerOf(b, a)?.reason?.code).not.toBe("KVGW_SET_ASIDE_FULL");
    b.gateway().peer(a.id).heal();
    await world.settle();
    expect(peerOf(b, a)).toMatchObject({ state: "degraded", reason: { code: "KVGW_SET_ASIDE_FULL" } });
    removeOld();
    await world.settle();
    expect([peerOf(b, a)?.state, records(b).length]).toEqual(["live", 1]);
  });

  it("in the own bucket is trouble that is told, and everything else is captured", async () => {
    const { world, a, b, removeOld } = await runningFull();
    for (let n = 0; n < 3_000; n++) b.app.put(`not:legal:${n}`, "v");
    b.app.put("legal", "v");
    await world.settle();
    expect(b.events("bucket-state").at(-1)).toMatchObject({ state: "degraded", reason: { code: "KVGW_SET_ASIDE_FULL" } });
    expect([a.app.read().get("legal"), b.gateway().counters.restarts]).toEqual(["v", 0]);
    expect(b.gateway().snapshot().setAside).toBe(SET_ASIDE_PER_BUCKET_MAX + 3_000);
    removeOld();
    await world.settle();
    expect([b.gateway().state(), records(b).length, b.gateway().counters.setAside.invalid_key]).toEqual([
      ...["live", 3_000, 3_000],
    ]);
  });

  it("in the own bucket is met again by the next start", async () => {
    const { world, b, removeOld } = await runningFull();
    b.app.put("not:legal", "v");
    await world.settle();
    b.gateway().crash();
    removeOld();
    b.start();
    await world.settle();
    expect([b.gateway().state(), records(b)]).toMatchObject(["live", [{ key: "not:legal", origin: "b" }]]);
  });

  it("that is too large for the own log holds up nothing", async () => {
    const world = createWorld({ stream: { messageBytesMax: 4_000_000 } });
    const [a, b] = [world.place("a"), world.place("b")];
    for (let n = 0; n < SET_ASIDE_PER_BUCKET_MAX; n++) b.site.state.set(`set-aside.config.a.${n}`, "{}");
    world.start();
    await world.settle();
    b.app.put("large", "x".repeat(1_048_500));
    b.app.put("after", "w");
    await world.settle();
    expect([b.gateway().state(), a.app.read().get("after")]).toEqual(["degraded", "w"]);
  });
});

describe("the account of what is set aside", () => {
  let positions = 0;
  beforeEach(() => void (positions = 0));

  const record = (key: string, origin: string): SetAside => ({
    key,
    origin,
    reason: "malformed",
    detail: "",
    kind: null,
    version: null,
    at: { created: "1", position: ++positions },
  });

  async function kept(count: number) {
    const clock = createVirtualClock();
    const durable = new Map(Array.from({ length: count }, (_, n) => [`set-aside.${BUCKET}.a.${n}`, "{}"]));
    const told: string[] = [];
    const loading = load(clock, durable, (origin, error) => void told.push(`${origin} ${error?.code ?? "has room"}`));
    await clock.advance(10);
    const store = await loading;
    const put = async (key: string, origin = "a") => {
      let outcome = "waits";
      void store.put(record(key, origin)).then(() => (outcome = "kept"));
      await clock.advance(10);
      return outcome;
    };
    return { clock, durable, store, put, told };
  }

  const load = (clock: VirtualClock, durable: Map<string, string>, onFull: SetAsideDeps["onFull"] = () => undefined) =>
    loadSetAside({
      ...{ site: siteNamed("b"), bucket: BUCKET, clock, counters: createBucketCounters([]), onFull },
      state: createMemorySiteState(createMemoryConnection(clock), durable),
      backoff: createBackoff(createSeededRandom(1)),
      observe: () => undefined,
      signal: new AbortController().signal,
      onFatal: (error) => {
        throw error;
      },
    });

  it("counts what earlier lives have set aside, and each key once", async () => {
    const { store, put } = await kept(3);
    expect(store.count()).toBe(3);
    expect([await put("k"), await put("k"), await put("l")]).toEqual(["kept", "kept", "kept"]);
    expect(store.count()).toBe(5);
  });

  it("is bounded: beyond the bound what is new waits, and what is known is still taken", async () => {
    const { durable, put, told } = await kept(SET_ASIDE_PER_BUCKET_MAX - 1);
    expect([await put("k"), await put("l"), await put("k")]).toEqual(["kept", "waits", "kept"]);
    expect([durable.size, told]).toEqual([SET_ASIDE_PER_BUCKET_MAX, ["a KVGW_SET_ASIDE_FULL"]]);
  });

  it("is bounded also for what comes at once", async () => {
    const { clock, store, durable } = await kept(SET_ASIDE_PER_BUCKET_MAX - 1);
    for (const key of ["k", "l", "m"]) void store.put(record(key, "a"));
    await clock.advance(60_000);
    expect(durable.size).toBe(SET_ASIDE_PER_BUCKET_MAX);
  });

  it("takes as much of what waits as there is room for, and tells when an origin's is all taken", async () => {
    const { clock, store, durable, put, told } = await kept(SET_ASIDE_PER_BUCKET_MAX);
    const waiting = [put("k"), put("l"), put("k", "c")];
    for (const outcome of waiting) expect(await outcome).toBe("waits");
    durable.delete(`set-aside.${BUCKET}.a.0`);
    durable.delete(`set-aside.${BUCKET}.a.1`);
    await clock.advance(60_000);
    expect([durable.size, store.count()]).toEqual([SET_ASIDE_PER_BUCKET_MAX, SET_ASIDE_PER_BUCKET_MAX + 1]);
    expect(told).toEqual(["a KVGW_SET_ASIDE_FULL", "c KVGW_SET_ASIDE_FULL", "a has room"]);
    durable.delete(`set-aside.${BUCKET}.a.2`);
    await clock.advance(60_000);
    expect([told.at(-1), store.count(), clock.scheduled()]).toEqual(["c has room", SET_ASIDE_PER_BUCKET_MAX, 0]);
  });

  it("lets nobody wait for an own entry, and keeps the newest of each key until there is room", async () => {
    const { clock, store, durable, put, told } = await kept(SET_ASIDE_PER_BUCKET_MAX);
    for (let n = 0; n < 3; n++) expect(await put("k", "b")).toBe("kept");
    expect([durable.size, store.count(), told]).toEqual([
      ...[SET_ASIDE_PER_BUCKET_MAX, SET_ASIDE_PER_BUCKET_MAX + 1],
      ["b KVGW_SET_ASIDE_FULL"],
    ]);
    durable.clear();
    await clock.advance(60_000);
    expect([...durable.values()].map((text) => (JSON.parse(text) as SetAside).at.position)).toEqual([3]);
    expect(told.at(-1)).toBe("b has room");
  });

  it("keeps buckets apart whose names begin alike", async () => {
    const clock = createVirtualClock();
    const durable = new Map([
      ["set-aside.config-2.a.x", "{}"],
      ["set-aside.config.a.x", "{}"],
    ]);
    const loading = load(clock, durable);
    await clock.advance(10);
    expect((await loading).count()).toBe(1);
  });
});
