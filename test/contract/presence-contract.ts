/** What finding each other promises: the words of `Presence` in src/core/ports.ts, one by one. */
import { afterEach, expect, it } from "vitest";
import { eventually } from "../support/eventually.js";
import type { PresenceRig } from "./rigs.js";

const ONE = "gateway-1";

export function presenceContract(make: () => Promise<PresenceRig>): void {
  let rig: PresenceRig | undefined;
  const start = async (): Promise<PresenceRig> => (rig = await make());
  afterEach(async () => {
    await rig?.dispose();
    rig = undefined;
  });
  const nothing = () => undefined;
  const found = ({ other }: PresenceRig, here: boolean) =>
    eventually(async () => (await other.isHere(ONE)) === here, { what: here ? "the other one is here" : "it is gone" });

  it("says at once that nobody answers for a name that was never announced", async () => {
    const { one, other } = await start();
    one.announce("gateway-2", nothing);
    expect(await other.isHere(ONE)).toBe(false);
  });

  it("finds who announced itself, also itself and at once, and tells that one of each question", async () => {
    const made = await start();
    let asked = 0;
    made.one.announce(ONE, () => asked++);
    expect([await made.one.isHere(ONE), asked]).toEqual([true, 1]);
    await found(made, true);
    expect(asked).toBeGreaterThan(1);
  });

  it("finds nobody once the announcement has ended", async () => {
    const made = await start();
    const end = made.one.announce(ONE, nothing);
    await found(made, true);
    end();
    await found(made, false);
  });

  it("finds nobody once the process is gone, without waiting for a time-out", async () => {
    const made = await start();
    made.one.announce(ONE, nothing);
    await found(made, true);
    await made.end();
    await found(made, false);
  });

  it("finds it again after the server was away, and says nothing while that is so", async () => {
    const made = await start();
    made.one.announce(ONE, nothing);
    await found(made, true);
    await made.kill();
    await expect(made.other.isHere(ONE)).rejects.toMatchObject({ code: "KVGW_UNREACHABLE" });
    await made.revive();
    await found(made, true);
  });
}
