/** Reading by somebody who only looks: what becomes of answers that do not come. */
import { errors } from "@nats-io/transport-node";
import { describe, expect, it } from "vitest";
import { GatewayError } from "../../src/core/errors.js";
import { attemptReading } from "../../src/nats/bucket-reader.js";
import { createVirtualClock } from "../memory/virtual-clock.js";
import { createScriptedServer } from "./scripted-server.js";

const place = { lease: createScriptedServer().lease, domain: null, clock: createVirtualClock(), newToken: () => "x" };

/** How often the work was done before `attemptReading` ended, and with what. */
async function ends(failures: readonly Error[], attempts?: number): Promise<readonly [number, unknown]> {
  let done = 0;
  const work = () => {
    const failure = failures[done++];
    return failure === undefined ? Promise.resolve("read") : Promise.reject(failure);
  };
  const result = await attemptReading(place, "bucket x", work, attempts).catch((thrown: unknown) => (thrown as GatewayError).code);
  return [done, result];
}

describe("a single question of verify", () => {
  const late = () => new errors.TimeoutError();

  it("is asked again while no answer comes, as often as was said", async () => {
    expect(await ends([late(), late()], 3)).toEqual([3, "read"]);
    expect(await ends([late(), late(), late()], 3)).toEqual([3, "KVGW_TIMEOUT"]);
    expect(await ends([late()])).toEqual([1, "KVGW_TIMEOUT"]);
  });

  it("is not asked again after any other failure", async () => {
    expect(await ends([new errors.ConnectionError("gone")], 3)).toEqual([1, "KVGW_UNREACHABLE"]);
    expect(await ends([new GatewayError("KVGW_READER_LOST", "silent")], 3)).toEqual([1, "KVGW_UNREACHABLE"]);
  });
});
