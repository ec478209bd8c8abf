/** A stream that is asked for a message while it is being made: nats-server 2.9.10 dies of that, so it is not asked then. */
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { describe, expect, it } from "vitest";
import { API_ERROR, isApiError } from "../../src/nats/failure.js";
import { lastExisting } from "../../src/nats/streams.js";
import { startNatsServer } from "../support/nats-server.js";
import { createLeasing } from "./leasing.js";

const STREAMS = 5;

/** As whoever waits for a stream does, without a pause. */
async function untilThere(ask: () => Promise<number>): Promise<number> {
  for (;;) {
    try {
      return await ask();
    } catch (thrown) {
      if (!isApiError(thrown, API_ERROR.streamNotFound)) throw thrown;
    }
  }
}

describe.each(["2.15", "2.10", "2.9"] as const)("nats-server %s", (version) => {
  it("outlives that somebody asks for messages of streams that are just being made", async () => {
    const server = await startNatsServer({ version });
    const leasing = createLeasing(server);
    const lease = leasing.lease();
    const maker = await connect({ servers: server.url });
    try {
      await lease.ready();
      const place = { lease, clock: leasing.clock, domain: null };
      const made = await jetstreamManager(maker);
      for (let index = 0; index < STREAMS; index++) {
        const name = `YOUNG_${index}`;
        const asked = Array.from({ length: 4 }, () => untilThere(() => lastExisting(place, name, ">")));
        await made.streams.add({ name, subjects: [`${name}.>`] });
        expect(await Promise.all(asked)).toEqual([0, 0, 0, 0]);
      }
      expect(server.pid).toBeDefined();
    } finally {
      await Promise.all([maker.close(), leasing.connections.close()]);
      await server.dispose();
    }
  });
});
