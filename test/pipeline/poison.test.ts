/**
 * Bad operations as files: each is put into a peer's log, between two good ones. It is set aside with its reason, or applied
 * for what it is; it changes nothing else, ends no run, and is met again after a restart without another record.
 */
import { describe, expect, it } from "vitest";
import { SET_ASIDE_REASONS } from "../../src/core/ports.js";
import { poisonFiles, readPoison } from "../support/poison.js";
import { type Place, createWorld } from "./world.js";

const recordsAt = ({ site }: Place) =>
  [...site.state].filter(([key]) => key.startsWith("set-aside.")).map(([, text]) => JSON.parse(text) as Readonly<Record<string, unknown>>);

describe("the corpus of bad operations", () => {
  it("has one of every reason that an operation in a log can be set aside for", () => {
    const reasons = new Set<string>(poisonFiles.map((file) => readPoison(file).expect));
    expect([...reasons].sort()).toEqual([...SET_ASIDE_REASONS.filter((reason) => reason !== "ghost"), "applied"].sort());
    expect(poisonFiles.length).toBeGreaterThan(40);
  });

  it.each(poisonFiles)("is taken for what it is, and what stands around it flows on: %s", async (file) => {
    const poison = readPoison(file);
    const world = createWorld({ config: { format: poison.format }, streamAt: { b: { messageBytesMax: 50_000 } } });
    world.start();
    await world.settle();
    const [a, b] = [world.place("a"), world.place("b")];
    a.app.put("before", "v");
    await world.settle();
    const { key } = poison;
    a.log.publish(key, poison.payload, poison.block);
    a.app.put("after", "w");
    await world.settle();
    const { [key]: applied, ...others } = Object.fromEntries(b.app.read());
    expect(others).toEqual({ before: "v", after: "w" });
    expect(applied === undefined).toBe(poison.expect !== "applied");
    const at = { position: 2, created: a.log.mark().created };
    const record: unknown = expect.objectContaining({ key, origin: "a", reason: poison.expect, at });
    expect(recordsAt(b)).toEqual(poison.expect === "applied" ? [] : [record]);
    expect(b.saved("checkpoint.config.a")).toMatchObject({ sequence: 3 });
    const before = recordsAt(b);
    expect(b.gateway().counters.restarts).toBe(0);
    b.gateway().crash();
    b.start();
    await world.settle();
    // A round that proves both sides equal forgets what the peer does not have.
    expect(before).toEqual(expect.arrayContaining(recordsAt(b)));
    expect(b.gateway().counters.restarts).toBe(0);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
});
