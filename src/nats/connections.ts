/**
 * Shared connections. Pipelines lease a connection by what it leads to; however many buckets there are, one exists
 * per distinct set of servers and credentials, and it is closed with its last lease.
 *
 * A lease is given at once and dials in the background: nothing in here ever waits for the network on behalf of a
 * caller, and a broken connection is dialled again until its last lease is gone.
 */
import { type NatsConnection, connect, errors } from "@nats-io/transport-node";
import type { SecretSource, SiteConfig } from "../config/config.js";
import { GatewayError } from "../core/errors.js";
import { BACKOFF_MS, CONNECT_TIMEOUT_MS } from "../core/limits.js";
import type { Clock } from "../core/ports.js";
import { connectionOptions } from "./connection-options.js";
import { toFailure } from "./failure.js";
import { type Publisher, createPublisher } from "./publisher.js";

export interface Link {
  readonly nats: NatsConnection;
  readonly publisher: Publisher;
  /** Streams that are known to be made: `streams.ts`. */
  readonly made: Set<string>;
}

export interface Lease {
  /** The link, KVGW_UNREACHABLE while there is none. Never waits. */
  link(): Link;
  connected(): boolean;
  /** Does work that waits for answers; KVGW_UNREACHABLE at once when the connection breaks, since they will not come. Then
   *  `signal` is aborted: work that makes things looks at it after each wait, since the library goes on by itself. */
  whileUp<T>(work: (link: Link, signal: AbortSignal) => Promise<T>): Promise<T>;
  /** The link as soon as there is one; KVGW_UNREACHABLE after a bounded wait. */
  ready(): Promise<Link>;
  /** Round trip of the last ping, null before the first. */
  rttMs(): number | null;
  /** Called when the connection comes or goes, and with `false` at the lease's end; the returned function ends that. */
  onChange(listener: (connected: boolean) => void): () => void;
  release(): void;
}

export interface Connections {
  lease(site: SiteConfig): Lease;
  /** Connections that exist now. */
  open(): number;
  /** Ends all, waiting for what was sent. */
  close(): Promise<void>;
}

export interface ConnectionDeps {
  readonly clock: Clock;
  /** Reads a secret when a connection is made, so that a replaced file is taken up. */
  readonly readSecret: (source: SecretSource) => string;
  /** Shown by `nats server report connections`. */
  readonly clientName: string;
  /** A callback of ours threw: told, counted, and nothing else breaks. */
  readonly onBug: (error: GatewayError) => void;
  readonly onStatus: (site: SiteConfig, connected: boolean, detail: string) => void;
}

interface Shared {
  leases: number;
  link: Link | null;
  up: boolean;
  rttMs: number | null;
  ended: boolean;
  failure: GatewayError | null;
  readonly listeners: Set<(connected: boolean) => void>;
  wake: () => void;
}

export function createConnections(deps: ConnectionDeps): Connections {
  const sharedByTarget = new Map<string, Shared>();
  const closing = new Set<Promise<void>>();

  function end(target: string, shared: Shared): void {
    sharedByTarget.delete(target);
    shared.ended = true;
    shared.up = false;
    for (const listener of [...shared.listeners]) listener(false);
    shared.wake();
    shared.link?.publisher.close();
    const closed = shared.link?.nats.close().catch(() => undefined);
    if (closed === undefined) return;
    closing.add(closed);
    void closed.then(() => closing.delete(closed));
  }

  return {
    lease(site) {
      const target = JSON.stringify([site.servers, site.credentials, site.tls]);
      const shared = sharedByTarget.get(target) ?? begin(deps, site);
      sharedByTarget.set(target, shared);
      shared.leases++;
      return createLease(deps.clock, site, shared, () => {
        if (--shared.leases === 0) end(target, shared);
      });
    },
    open: () => sharedByTarget.size,
    async close() {
      for (const [target, shared] of [...sharedByTarget]) end(target, shared);
      await Promise.all(closing);
    },
  };
}

function createLease(clock: Clock, site: SiteConfig, shared: Shared, release: () => void): Lease {
  const own = new Set<(connected: boolean) => void>();
  let released = false;

  function link(): Link {
    if (shared.link !== null && shared.up && !released) return shared.link;
    const because = shared.failure === null ? "not connected; retried until it is" : shared.failure.message;
    throw new GatewayError(shared.failure?.code ?? "KVGW_UNREACHABLE", `site ${site.id}: ${because}`, shared.failure);
  }

  function onChange(listener: (connected: boolean) => void): () => void {
    own.add(listener);
    shared.listeners.add(listener);
    return () => {
      own.delete(listener);
      shared.listeners.delete(listener);
    };
  }

  return {
    link,
    connected: () => shared.up,
    async whileUp(work) {
      const present = link();
      const end = new AbortController();
      const forget = onChange((up) => {
        if (!up) end.abort(new GatewayError("KVGW_UNREACHABLE", `site ${site.id}: the connection broke; retried`));
      });
      const broken = new Promise<never>((_resolve, reject) => {
        end.signal.onabort = () => reject(end.signal.reason as GatewayError);
      });
      try {
        return await Promise.race([work(present, end.signal), broken]);
      } finally {
        forget();
      }
    },
    ready: () =>
      new Promise((resolve, reject) => {
        if (shared.up || released) return resolve(link());
        const finish = () => {
          cancel();
          forget();
          if (shared.up && !released) resolve(link());
          else reject(attempt(link));
        };
        const cancel = clock.schedule(CONNECT_TIMEOUT_MS, finish);
        const forget = onChange(finish);
      }),
    rttMs: () => shared.rttMs,
    onChange,
    release() {
      if (released) return;
      released = true;
      // Whoever waits or reads hears of the end: a timer left behind would keep the process alive.
      for (const listener of [...own]) listener(false);
      for (const listener of own) shared.listeners.delete(listener);
      release();
    },
  };
}

/** The error that `link` would throw now. */
function attempt(link: () => Link): GatewayError {
  try {
    link();
  } catch (thrown) {
    if (thrown instanceof GatewayError) return thrown;
  }
  return new GatewayError("KVGW_UNREACHABLE", "the connection came and went; retried");
}

function begin(deps: ConnectionDeps, site: SiteConfig): Shared {
  const nothing = () => undefined;
  const shared: Shared = {
    leases: 0,
    link: null,
    up: false,
    rttMs: null,
    ended: false,
    failure: null,
    listeners: new Set(),
    wake: nothing,
  };
  void keepConnected(deps, site, shared);
  return shared;
}

/** Dials, serves until the connection closes for good, and dials again; ends with the last lease. */
async function keepConnected(deps: ConnectionDeps, site: SiteConfig, shared: Shared): Promise<void> {
  for (let attempt = 0; !shared.ended; attempt++) {
    try {
      const nats = await connect(connectionOptions(deps, site));
      if (shared.ended) return void (await nats.close());
      attempt = 0;
      shared.failure = null;
      shared.link = { nats, publisher: createPublisher(nats, deps.clock, deps.onBug), made: new Set() };
      change(deps, site, shared, true, nats.getServer());
      await serve(deps, site, shared, nats);
      shared.link.publisher.close();
      shared.link = null;
    } catch (thrown) {
      shared.failure = thrown instanceof GatewayError ? thrown : toFailure(thrown, `servers ${site.servers.join(", ")}`);
    }
    change(deps, site, shared, false, shared.failure?.message ?? "closed");
    if (!shared.ended) await pause(deps.clock, shared, BACKOFF_MS[Math.min(attempt, BACKOFF_MS.length - 1)] ?? 1_000);
  }
}

/** Follows the connection's states until it is closed. */
async function serve(deps: ConnectionDeps, site: SiteConfig, shared: Shared, nats: NatsConnection): Promise<void> {
  void measureRtt(nats, shared);
  for await (const status of nats.status()) {
    if (status.type === "disconnect") {
      shared.link?.publisher.connectionLost();
      change(deps, site, shared, false, "disconnected");
    } else if (status.type === "reconnect") {
      shared.link?.publisher.connectionBack();
      change(deps, site, shared, true, status.server);
      void measureRtt(nats, shared);
    } else if (status.type === "error" && status.error instanceof errors.PermissionViolationError) {
      if (status.error.operation === "publish") shared.link?.publisher.denied(status.error.subject);
    } else if (status.type === "error") {
      shared.failure = toFailure(status.error, `site ${site.id}`);
    }
  }
  const reason = await nats.closed();
  if (reason instanceof Error) shared.failure = toFailure(reason, `site ${site.id}`);
}

async function measureRtt(nats: NatsConnection, shared: Shared): Promise<void> {
  shared.rttMs = await nats.rtt().catch(() => shared.rttMs);
}

function change(deps: ConnectionDeps, site: SiteConfig, shared: Shared, up: boolean, detail: string): void {
  if (shared.ended || shared.up === up) return;
  shared.up = up;
  deps.onStatus(site, up, detail);
  for (const listener of [...shared.listeners]) listener(up);
}

function pause(clock: Clock, shared: Shared, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.schedule(delayMs, resolve);
    shared.wake = () => {
      cancel();
      resolve();
    };
  });
}
