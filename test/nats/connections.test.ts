/** What becomes of those who wait on a connection, or listen to it, when it breaks or its lease ends. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { type Leasing, createLeasing } from "./leasing.js";

const UNREACHABLE = { code: "KVGW_UNREACHABLE" };
const never = () => new Promise<never>(() => undefined);

let server: NatsServer;
let leasing: Leasing;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server?.dispose());
beforeEach(() => {
  leasing = createLeasing(server);
});
afterEach(() => leasing.connections.close());

describe("work that waits for answers", () => {
  it("is let go when the connection breaks, and told", async () => {
    const lease = leasing.lease();
    await lease.ready();
    let told: AbortSignal | undefined;
    const waiting = lease.whileUp(({ nats }, signal) => {
      told = signal;
      return nats.reconnect().then(never);
    });
    await expect(waiting).rejects.toMatchObject(UNREACHABLE);
    expect(told?.reason).toMatchObject(UNREACHABLE);
    await eventually(() => lease.connected(), { what: "the connection is back" });
  });

  it("is not told when it ended well, whatever becomes of the connection", async () => {
    const lease = leasing.lease();
    const { nats } = await lease.ready();
    const signal = await lease.whileUp((_link, own) => Promise.resolve(own));
    await nats.reconnect();
    await eventually(() => !lease.connected(), { what: "the connection is down", everyMs: 1 });
    expect(signal.aborted).toBe(false);
  });

  it("that cannot begin leaves nothing behind that a later break would reach", async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    const lease = leasing.lease();
    await expect(lease.whileUp(never)).rejects.toMatchObject(UNREACHABLE);
    const { nats } = await lease.ready();
    await nats.reconnect();
    await eventually(() => !lease.connected(), { what: "the connection is down", everyMs: 1 });
    await sleep(10);
    process.off("unhandledRejection", note);
    expect(unhandled).toEqual([]);
  });

  it.each(["release", "close"] as const)("is let go when its lease ends (%s)", async (how) => {
    const lease = leasing.lease();
    await lease.ready();
    const waiting = expect(lease.whileUp(never)).rejects.toMatchObject(UNREACHABLE);
    if (how === "release") lease.release();
    else await leasing.connections.close();
    await waiting;
  });
});

describe("the end of a lease", () => {
  it("is told to those who listen to it, and to no others while the connection is in use", async () => {
    const [first, second] = [leasing.lease(), leasing.lease()];
    await Promise.all([first.ready(), second.ready()]);
    const story: string[] = [];
    first.onChange((up) => void story.push(`first ${up}`));
    second.onChange((up) => void story.push(`second ${up}`));
    first.release();
    expect([story, second.connected()]).toEqual([["first false"], true]);
    await leasing.connections.close();
    expect(story).toEqual(["first false", "second false"]);
    expect(() => second.link()).toThrow(expect.objectContaining(UNREACHABLE));
  });

  it.each(["release", "close"] as const)("ends the wait for a link, with its timer (%s)", async (how) => {
    const lease = leasing.lease();
    const waiting = expect(lease.ready()).rejects.toMatchObject(UNREACHABLE);
    if (how === "release") lease.release();
    else await leasing.connections.close();
    await waiting;
    expect(leasing.clock.scheduled()).toBe(0);
  });
});
