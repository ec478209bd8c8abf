/** What cannot be applied or logged is set aside with a reason, durably, and the rest flows (F10, I6). */
import { describe, expect, it } from "vitest";
import { SET_ASIDE_PER_BUCKET_MAX } from "../../src/core/limits.js";
import type { SetAside } from "../../src/core/ports.js";
import { loadSetAside } from "../../src/pipeline/set-aside.js";
import { createMemoryConnection } from "../memory/connection.js";
import { createMemorySiteState } from "../memory/site-state.js";
import { createVirtualClock } from "../memory/virtual-clock.js";
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

describe("poison in a peer's log", () => {
  const sound = { "Kvgw-Version": "1700000000000001 a" };
  const poison: Readonly<
    Record<string, readonly [key: string, headers: Readonly<Record<string, string>>, reason: string]>
  > = {
    "no version": ["k", {}, "malformed"],
    "a version beyond all time": ["k", { "Kvgw-Version": "9007199254740993 a" }, "malformed"],
    "our own site's version": ["k", { "Kvgw-Version": "1700000000000001 b" }, "foreign_origin"],
    "an unknown site's version": ["k", { "Kvgw-Version": "1700000000000001 nobody" }, "foreign_origin"],
    "an illegal key": ["not:legal", sound, "invalid_key"],
    "an unknown operation": ["k", { ...sound, "KV-Operation": "DROP" }, "malformed"],
    "a forged base": ["k", { ...sound, "Kvgw-Base": "1\tb" }, "malformed"],
  };

  it.each(Object.entries(poison))(
    "(%s) is set aside, and what stands around it is applied",
    async (_, [key, headers, reason]) => {
      const world = await running();
      const { a, b } = world;
      a.app.put("before", "v");
      await world.settle();
      a.log.publish(key, new TextEncoder().encode("poison"), block(headers));
      a.app.put("after", "w");
      await world.settle();
      expect(world.contents()["b"]).toEqual({ before: "v", after: "w" });
      const at = { position: 2, created: a.log.mark().created };
      expect(records(b)).toMatchObject([{ key, origin: "a", reason, kind: null, version: null, at }]);
      expect(b.saved("checkpoint.config.a")).toMatchObject({ sequence: 3 });
      expect(b.gateway().counters.restarts).toBe(0);
    },
  );

  it("takes no control of this site's bucket through headers of the server", async () => {
    const world = await running({ stream: { history: 5 } });
    const { a, b } = world;
    for (let n = 0; n < 3; n++) b.app.put("k", `${n}`);
    await world.settle();
    const control = { "Nats-Rollup": "all", "Nats-TTL": "1s", "Nats-Expected-Last-Subject-Sequence": "0" };
    a.log.publish("k", new TextEncoder().encode("v"), block({ "Kvgw-Version": "1900000000000000 a", ...control }));
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

describe("the account of what is set aside", () => {
  const record = (key: string): SetAside => ({
    key,
    origin: siteNamed("a"),
    reason: "malformed",
    detail: "",
    kind: null,
    version: null,
    at: { created: "1", position: 1 },
  });

  async function kept(count: number) {
    const clock = createVirtualClock();
    const durable = new Map(Array.from({ length: count }, (_, n) => [`set-aside.${BUCKET}.a.${n}`, "{}"]));
    const loading = loadSetAside(createMemorySiteState(createMemoryConnection(clock), durable), BUCKET, () => undefined);
    await clock.advance(10);
    const store = await loading;
    const put = async (key: string) => {
      const outcome = store.put(record(key)).then(
        () => "kept",
        (error: { code: string }) => error.code,
      );
      await clock.advance(10);
      return outcome;
    };
    return { store, put };
  }

  it("counts what earlier lives have set aside, and each key once", async () => {
    const { store, put } = await kept(3);
    expect(store.count()).toBe(3);
    expect([await put("k"), await put("k"), await put("l")]).toEqual(["kept", "kept", "kept"]);
    expect(store.count()).toBe(5);
  });

  it("is bounded: beyond the bound nothing new is taken, and what is known still is", async () => {
    const { store, put } = await kept(SET_ASIDE_PER_BUCKET_MAX - 1);
    expect([await put("k"), await put("l"), await put("k")]).toEqual(["kept", "KVGW_SET_ASIDE_FULL", "kept"]);
    expect(store.count()).toBe(SET_ASIDE_PER_BUCKET_MAX);
  });

  it("keeps buckets apart whose names begin alike", async () => {
    const clock = createVirtualClock();
    const durable = new Map([
      ["set-aside.config-2.a.x", "{}"],
      ["set-aside.config.a.x", "{}"],
    ]);
    const loading = loadSetAside(createMemorySiteState(createMemoryConnection(clock), durable), BUCKET, () => undefined);
    await clock.advance(10);
    expect((await loading).count()).toBe(1);
  });
});
