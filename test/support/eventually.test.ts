import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { eventually } from "./eventually.js";

describe("eventually", () => {
  it("returns what the check answers as soon as it no longer throws", async () => {
    let calls = 0;
    const check = (): string => {
      if (++calls < 3) throw new Error("too early");
      return `call ${calls}`;
    };
    expect(await eventually(check, { what: "the third call", everyMs: 1 })).toBe("call 3");
  });

  it("takes false for not yet, and other empty answers for an answer", async () => {
    let calls = 0;
    expect(await eventually(() => ++calls >= 3, { what: "three calls", everyMs: 1 })).toBe(true);
    expect(calls).toBe(3);
    expect(await eventually(() => 0, { what: "an answer" })).toBe(0);
    expect(await eventually(() => undefined, { what: "an answer" })).toBeUndefined();
  });

  it("fails with the condition and what was last seen", async () => {
    let calls = 0;
    const check = (): never => {
      throw new Error(`${++calls} keys`);
    };
    const failure = eventually(check, { what: "all keys are there", withinMs: 50, everyMs: 5 });
    await expect(failure).rejects.toThrow(/^not within 50 ms: all keys are there\. Last seen: \d+ keys$/);
    expect(calls).toBeGreaterThan(1);
  });

  it("says that the check returned false when that is all there was", async () => {
    const failure = eventually(() => false, { what: "never", withinMs: 20, everyMs: 5 });
    await expect(failure).rejects.toThrow("never. Last seen: the check returned false");
  });

  it("ends although a check never answers, and tells what an earlier check saw", async () => {
    let calls = 0;
    const check = async (): Promise<void> => {
      if (++calls === 1) throw new Error("first answer");
      await sleep(60_000, undefined, { ref: false });
    };
    const failure = eventually(check, { what: "an answer", withinMs: 100, everyMs: 5 });
    await expect(failure).rejects.toThrow("an answer. Last seen: first answer");
  });
});
