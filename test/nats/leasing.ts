/** Leases on a real server as the product makes them, with a clock that counts the timers it has running. */
import type { ServerVersion } from "../../scripts/nats-server.mjs";
import type { NatsConnection } from "@nats-io/transport-node";
import { createConnections } from "../../src/nats/connections.js";
import type { Connections, Lease } from "../../src/nats/connections.js";
import type { Clock } from "../../src/core/ports.js";
import { createSystemClock, readSecret } from "../../src/system.js";
import { siteNamed } from "../core/names.js";
import { connectTo } from "../support/clients.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";

export interface CountingClock extends Clock {
  /** Timers that are still to fire. */
  scheduled(): number;
}

export function createCountingClock(): CountingClock {
  const real = createSystemClock();
  const timers = new Set<() => void>();
  return {
    ...real,
    schedule(delayMs, callback) {
      const cancel = real.schedule(delayMs, () => {
        timers.delete(cancel);
        callback();
      });
      timers.add(cancel);
      return () => {
        timers.delete(cancel);
        cancel();
      };
    },
    scheduled: () => timers.size,
  };
}

export interface Leasing {
  readonly connections: Connections;
  readonly clock: CountingClock;
  lease(): Lease;
}

/** @param servers of one site */
export function createLeasing(...servers: readonly Pick<NatsServer, "url">[]): Leasing {
  const clock = createCountingClock();
  const onBug = (error: Error) => {
    throw error;
  };
  const connections = createConnections({ clock, readSecret, clientName: "test", onBug, onStatus: () => undefined });
  const site = { id: siteNamed("a"), servers: servers.map(({ url }) => url), credentials: null, tls: null, via: null, domain: null, bytesPerSecond: 0, gateways: "one" as const };
  return { connections, clock, lease: () => connections.lease(site) };
}

/** A server with an application at it, and a lease that is ready. */
export interface Stage {
  readonly server: NatsServer;
  readonly app: NatsConnection;
  readonly clock: CountingClock;
  readonly own: Lease;
}

/** @param atEnd hears what is to be closed, in the order in which it was opened */
export async function createStage(version: ServerVersion, atEnd: (close: () => unknown) => void): Promise<Stage> {
  const server = await startNatsServer({ version });
  atEnd(() => server.dispose());
  const app = await connectTo(server.url);
  atEnd(() => app.close());
  const { connections, clock, lease } = createLeasing(server);
  atEnd(() => connections.close());
  const own = lease();
  await own.ready();
  return { server, app, clock, own };
}
