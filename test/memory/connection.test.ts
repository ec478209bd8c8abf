/** What may go wrong between a process and its NATS, each by itself. */
import { describe, expect, it } from "vitest";
import { GatewayError } from "../../src/core/errors.js";
import { PUBLISH_TIMEOUT_MS } from "../../src/core/limits.js";
import { createMemoryConnection } from "./connection.js";
import { createVirtualClock } from "./virtual-clock.js";

const WRITE = { to: "bucket", key: "k" } as const;

function rig() {
  const clock = createVirtualClock(0);
  const connection = createMemoryConnection(clock);
  const stored: string[] = [];
  const answers: unknown[] = [];
  const send = (name: string) =>
    connection.publish(
      WRITE,
      () => stored.push(name),
      (answer) => void answers.push(answer instanceof GatewayError ? answer.code : answer),
    );
  return { clock, connection, faults: connection.faults, stored, answers, send };
}

describe("a connection", () => {
  it("takes its time in each direction, and answers", async () => {
    const { clock, faults, stored, answers, send } = rig();
    faults.delayMs = () => 10;
    send("a");
    await clock.advance(10);
    expect([stored, answers]).toEqual([["a"], []]);
    await clock.advance(10);
    expect(answers).toEqual([1]);
    expect(clock.scheduled()).toBe(0);
  });

  it("keeps the order of what was sent, whatever each message takes", async () => {
    const { clock, faults, stored, answers, send } = rig();
    const delays = [50, 1, 30, 2];
    faults.delayMs = () => delays.shift() ?? 0;
    for (const name of ["a", "b", "c"]) send(name);
    await clock.advance(1_000);
    expect([stored, answers]).toEqual([
      ["a", "b", "c"],
      [1, 2, 3],
    ]);
  });

  it("may lose a request, or an answer, or bring a refusal", async () => {
    const { clock, faults, stored, answers, send } = rig();
    const fates = ["request lost", "answer lost", new GatewayError("KVGW_BUCKET_FULL", "full")] as const;
    let at = 0;
    faults.fate = () => fates[at++] ?? "arrives";
    for (const name of ["a", "b", "c", "d"]) send(name);
    await clock.advance(100);
    expect([stored, answers]).toEqual([
      ["b", "d"],
      ["KVGW_BUCKET_FULL", 2],
    ]);
    await clock.advance(PUBLISH_TIMEOUT_MS);
    expect(answers).toEqual(["KVGW_BUCKET_FULL", 2, "unknown", "unknown"]);
  });

  it("that is cut answers nothing any more: what was under way is lost or arrives, as the faults say", async () => {
    for (const arrives of [false, true]) {
      const { clock, connection, faults, stored, answers, send } = rig();
      faults.delayMs = () => 10;
      faults.arrivesAfterCut = () => arrives;
      send("a");
      connection.cut();
      send("b");
      expect(answers).toEqual(["unknown", "KVGW_UNREACHABLE"]);
      await clock.advance(100);
      expect([stored, connection.connected()]).toEqual([arrives ? ["a"] : [], false]);
      connection.heal();
      send("c");
      await clock.advance(100);
      expect(answers).toHaveLength(3);
    }
  });

  it("tells of cut and heal once each", () => {
    const { connection } = rig();
    const told: string[] = [];
    connection.onCut(() => told.push("cut"));
    const forget = connection.onUp(() => told.push("up"));
    connection.cut();
    connection.cut();
    connection.heal();
    connection.heal();
    forget();
    connection.cut();
    connection.heal();
    expect(told).toEqual(["cut", "up", "cut"]);
  });

  it("of a killed process brings nothing back, but what was sent arrives", async () => {
    const { clock, connection, stored, answers, send } = rig();
    send("a");
    connection.kill();
    send("b");
    connection.heal();
    await clock.advance(60_000);
    expect([stored, answers]).toEqual([["a"], []]);
  });

  it("brings what a request throws at the server, and does not wait for ever", async () => {
    const { clock, connection, faults } = rig();
    const outcomes: unknown[] = [];
    const ask = (work: () => string) =>
      void connection.request(work).then(
        (value) => outcomes.push(value),
        ({ code }: GatewayError) => outcomes.push(code),
      );
    ask(() => "answer");
    ask(() => {
      throw new GatewayError("KVGW_BUCKET_MISSING", "none");
    });
    await clock.advance(10);
    faults.delayMs = () => 4_000;
    ask(() => "too late");
    await clock.advance(10_000);
    connection.cut();
    ask(() => "never");
    await clock.advance(0);
    expect(outcomes).toEqual(["answer", "KVGW_BUCKET_MISSING", "KVGW_TIMEOUT", "KVGW_UNREACHABLE"]);
  });
});
