/**
 * Stands in for `src/gateway/build.ts` when a simulation runs: the same ports, made of memory instead of NATS. The real
 * gateway imports that file by name; `substitute/` puts this one in its place.
 */
import type { BucketConfig, GatewayConfig, SiteConfig } from "../../../src/config/config.js";
import { GatewayError } from "../../../src/core/errors.js";
import type { SiteId } from "../../../src/core/ids.js";
import { CONNECT_TIMEOUT_MS } from "../../../src/core/limits.js";
import type { Clock } from "../../../src/core/ports.js";
import type { BucketPorts, BuildDeps, LeasedSitePorts } from "../../../src/gateway/build.js";
import type { Connections, Lease } from "../../../src/nats/connections.js";
import type { PipelinePorts } from "../../../src/pipeline/pipeline.js";
import { createMemoryBucketStore } from "../../memory/bucket-store.js";
import type { MemoryConnection } from "../../memory/connection.js";
import { createMemoryOperationLog } from "../../memory/operation-log.js";
import { createMemoryPeerLink } from "../../memory/peer-link.js";
import { createMemoryPeerService, createMemoryQuestions } from "../../memory/questions.js";
import { createMemoryPresence } from "../../memory/presence.js";
import { createMemorySiteState } from "../../memory/site-state.js";
import { type SimSite, bucketOf } from "./site.js";

/** What a gateway gets instead of connections to NATS. */
export interface SimConnections extends Connections {
  readonly connectionTo: (site: string) => MemoryConnection;
  readonly siteNamed: (site: string) => SimSite;
}

/** Every site is reached over a connection of its own. */
export function reach(config: GatewayConfig, site: SiteId): { readonly over: SiteConfig; readonly domain: string | null } {
  const over = config.sites.get(site);
  if (over === undefined) throw new RangeError(`site ${site} is not in the config`);
  return { over, domain: null };
}

export function buildSitePorts(deps: Pick<BuildDeps, "connections" | "clock">, { site }: GatewayConfig): LeasedSitePorts {
  const { connectionTo, siteNamed } = deps.connections as SimConnections;
  const local = connectionTo(site);
  const { state, present } = siteNamed(site);
  return {
    state: createMemorySiteState(local, state),
    presence: createMemoryPresence(local, present, deps.clock),
    ready: () => whenUp(deps.clock, local),
    onUp: (callback) => local.onUp(callback),
    release: () => undefined,
  };
}

export function buildBucketPorts(deps: BuildDeps, config: GatewayConfig, bucket: BucketConfig): BucketPorts {
  const { clock } = deps;
  const { connectionTo, siteNamed } = deps.connections as SimConnections;
  const { site } = config;
  const local = connectionTo(site);
  const overFor = (origin: SiteId) => connectionTo(bucket.log === "local" ? origin : bucket.log);
  const logOf = (origin: SiteId) => ({
    connection: overFor(origin),
    stream: bucketOf(siteNamed(origin), bucket.name).log,
    site: origin,
    bucket: bucket.name,
    format: bucket.format,
  });
  const peers = [...bucket.sites.keys()].filter((origin) => origin !== site);
  const open = (): PipelinePorts => ({
    store: createMemoryBucketStore({
      connection: local,
      stream: bucketOf(siteNamed(site), bucket.name).bucket,
      create: bucket.create !== false,
      nowMs: () => clock.nowMs(),
    }),
    log: createMemoryOperationLog(logOf(site)),
    peers: new Map(peers.map((peer) => [peer, createMemoryPeerLink(logOf(peer))])),
    questions: new Map(
      peers.map((peer) => [peer, createMemoryQuestions(overFor(peer), bucketOf(siteNamed(peer), bucket.name), clock)]),
    ),
    service: createMemoryPeerService(bucketOf(siteNamed(site), bucket.name), local),
    state: createMemorySiteState(local, siteNamed(site).state),
  });
  return {
    async open() {
      await whenUp(clock, local);
      await deps.admitted();
      return local.request(open);
    },
    onLocalUp: (callback) => local.onUp(callback),
    onPeerUp: (peer, callback) => overFor(peer).onUp(callback),
    local: () => leaseOf(local),
    peer: (peer) => leaseOf(overFor(peer)),
    release: () => undefined,
  };
}

/** At once, or as soon as there is a connection; KVGW_UNREACHABLE after the same bounded wait as with NATS. */
function whenUp(clock: Clock, connection: MemoryConnection): Promise<void> {
  if (connection.connected()) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const finish = () => {
      forget();
      cancel();
      if (connection.connected()) resolve();
      else reject(new GatewayError("KVGW_UNREACHABLE", "not connected; retried until it is"));
    };
    const forget = connection.onUp(finish);
    const cancel = clock.schedule(CONNECT_TIMEOUT_MS, finish);
  });
}

/** A gateway asks its leases whether they are connected, and nothing else. */
export const leaseOf = (connection: MemoryConnection): Lease => {
  const none = () => {
    throw new GatewayError("KVGW_INTERNAL", "memory has no NATS connection");
  };
  return {
    link: none,
    connected: () => connection.connected(),
    whileUp: none,
    ready: none,
    rttMs: () => null,
    onChange: () => () => undefined,
    release: () => undefined,
  };
};
