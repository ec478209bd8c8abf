/** What only the simulator asks of a memory stream; everything else is in the contracts of the ports. */
import { describe, expect, it } from "vitest";
import { createApplication } from "./application.js";
import { type StreamOptions, createMemoryStream } from "./stream.js";
import { createVirtualClock } from "./virtual-clock.js";

function rig(options: Partial<StreamOptions> = {}) {
  const clock = createVirtualClock();
  const stream = createMemoryStream(clock, options);
  stream.create();
  const app = createApplication(stream);
  const kept = () => [...stream.messages()].map(({ subject, sequence }) => `${subject}@${sequence}`);
  return { clock, stream, app, kept };
}

describe("a memory stream", () => {
  it("keeps so many messages per subject, with one sequence over all", () => {
    const { app, kept } = rig({ history: 2 });
    for (const key of ["a", "b", "a", "a"]) app.put(key, "v");
    expect(kept()).toEqual(["b@2", "a@3", "a@4"]);
    app.purge("a");
    expect(kept()).toEqual(["b@2", "a@5"]);
  });

  it("does not use a sequence twice, whatever is removed", () => {
    const { app, stream, kept } = rig();
    for (const key of ["a", "b"]) app.put(key, "v");
    stream.purge("b");
    stream.remove(1);
    expect([kept(), stream.mark().lastSequence, app.put("c", "v")]).toEqual([[], 2, 3]);
  });

  it("purges a subject up to a sequence, and leaves newer messages alone", () => {
    const { app, stream, kept } = rig({ history: 5 });
    for (let n = 0; n < 3; n++) app.put("a", "v");
    stream.purge("a", 2);
    expect(kept()).toEqual(["a@3"]);
  });

  it("lets applications update only what they have seen", () => {
    const { app } = rig();
    const revision = app.put("a", "1");
    expect(app.update("a", "2", revision)).toBe(2);
    expect(app.update("a", "3", revision)).toBeNull();
    expect(app.read()).toEqual(new Map([["a", "2"]]));
  });

  it("put back to a copy is what it was, with its messages' deadlines", async () => {
    const { app, stream, clock, kept } = rig({ messageTtl: true });
    app.put("a", "v");
    app.put("brief", "v", { "Nats-TTL": "10s" });
    const { created } = stream.mark();
    const putBack = stream.copy();
    app.put("b", "v");
    await clock.advance(20_000);
    expect(kept()).toEqual(["a@1", "b@3"]);
    putBack();
    expect([kept(), stream.mark()]).toEqual([["a@1", "brief@2"], { created, lastSequence: 2 }]);
    await clock.advance(0);
    expect(kept()).toEqual(["a@1"]);
    expect(app.put("c", "v")).toBe(3);
  });

  it("made anew is another one, even in the same moment", () => {
    const { app, stream, kept } = rig();
    app.put("a", "v");
    const before = stream.mark();
    stream.destroy();
    expect([stream.exists(), kept()]).toEqual([false, []]);
    stream.create();
    expect(stream.mark().created).not.toBe(before.created);
    expect(stream.mark().lastSequence).toBe(0);
  });

  it("lets a whole bucket's entries age, with markers where it leaves any", async () => {
    const aging = rig({ maxAgeMs: 5_000 });
    aging.app.put("a", "v");
    const marking = rig({ maxAgeMs: 5_000, markers: true });
    marking.app.put("a", "v");
    await aging.clock.advance(5_000);
    await marking.clock.advance(5_000);
    expect([aging.kept(), marking.kept()]).toEqual([[], ["a@2"]]);
    expect(marking.app.read().size).toBe(0);
  });

  it("tells its readers when they are gone", () => {
    const { stream } = rig();
    let gone = 0;
    stream.watch({ onChange: () => undefined, onGone: () => gone++ });
    stream.dropConsumers();
    stream.copy()();
    stream.destroy();
    expect(gone).toBe(3);
  });
});
