/**
 * Makes a bucket's ports out of NATS. The one file that knows both sides: pipelines see ports, adapters see NATS, and
 * the simulator puts something else here.
 */
import type { BucketConfig, GatewayConfig, SiteConfig } from "../config/config.js";
import { GatewayError } from "../core/errors.js";
import type { SiteId } from "../core/ids.js";
import type { Clock, Heartbeat } from "../core/ports.js";
import { createBucketStore } from "../nats/bucket-store.js";
import type { Connections, Lease } from "../nats/connections.js";
import { type LogNames, type LogPlace, createOperationLog } from "../nats/operation-log.js";
import { createPeerLink } from "../nats/peer-link.js";
import { createPulseLine } from "../nats/peer-pulse.js";
import { createPeerQuestions } from "../nats/peer-questions.js";
import { createPeerService } from "../nats/peer-service.js";
import { createPresence } from "../nats/presence.js";
import type { ServiceListing } from "../nats/service-listing.js";
import { createSiteState } from "../nats/site-state.js";
import { createSparedQuestions } from "../nats/spared-questions.js";
import type { StreamLooks } from "../nats/stream-looks.js";
import type { PipelinePorts } from "../pipeline/pipeline.js";
import type { SitePorts } from "./lease.js";
import type { Heart } from "./heart.js";
import type { Links } from "./links.js";

export interface BucketPorts {
  open(): Promise<PipelinePorts>;
  onLocalUp(callback: () => void): () => void;
  onPeerUp(peer: SiteId, callback: () => void): () => void;
  local(): Lease;
  peer(site: SiteId): Lease | undefined;
  /** Null: nothing is said of a peer but by its log. */
  readonly heartbeat: Heartbeat | null;
  /** Gives all connections back. */
  release(): void;
}

export interface BuildDeps {
  readonly connections: Connections;
  readonly clock: Clock;
  readonly clockOffsetUs: number;
  /** Resolves when this gateway may work, asked once the local NATS answers. KVGW_STANDBY if another one does. */
  readonly admitted: () => Promise<void>;
  /** The number of this process's life at this site. */
  readonly epoch: () => Promise<number>;
  readonly heart: Heart;
  readonly listing: ServiceListing;
  readonly looks: StreamLooks;
  readonly links: Links;
}

/** What the site lease needs, over a connection that is given back in the end. */
export interface LeasedSitePorts extends SitePorts {
  release(): void;
}

export function buildSitePorts({ connections, clock }: Pick<BuildDeps, "connections" | "clock">, config: GatewayConfig): LeasedSitePorts {
  const { site } = config;
  const lease = connections.lease(siteOf(config, site));
  return {
    state: createSiteState(lease, site, clock),
    presence: createPresence(lease, site),
    ready: () => lease.ready(),
    onUp: (callback) => whenUp(lease, callback),
    release: () => lease.release(),
  };
}

/** Where a site's JetStream is reached from here: over which connection, in which domain. */
export function reach(config: GatewayConfig, site: SiteId): { readonly over: SiteConfig; readonly domain: string | null } {
  const own = siteOf(config, config.site);
  if (site === config.site) return { over: own, domain: null };
  const target = siteOf(config, site);
  if (target.via !== null) return { over: reach(config, target.via).over, domain: target.domain };
  return target.domain === null ? { over: target, domain: null } : { over: own, domain: target.domain };
}

export function buildBucketPorts(deps: BuildDeps, config: GatewayConfig, bucket: BucketConfig): BucketPorts {
  const { connections, clock } = deps;
  const { site } = config;
  const local = connections.lease(siteOf(config, site));
  const places = [...bucket.sites.keys()].map((origin) => {
    const { over, domain } = reach(config, bucket.log === "local" ? origin : bucket.log);
    const pulse = {
      key: JSON.stringify([over.servers, over.credentials, over.tls]),
      open: () => createPulseLine(connections.lease(over), site, deps.listing),
    };
    const link = deps.links.join(bucket, bucket.log === "local" ? origin : bucket.log);
    return { origin, domain, lease: connections.lease(over), pulse, link };
  });
  const leaseByOrigin = new Map(places.map(({ origin, lease }) => [origin, lease]));

  const names = (origin: SiteId): LogNames => {
    const { name, subject, format } = bucket;
    return { site: origin, bucket: name, subject, format };
  };
  return {
    async open() {
      await local.ready();
      await deps.admitted();
      const epoch = await deps.epoch();
      const place = (origin: (typeof places)[number]): LogPlace => ({ ...origin, clock, epoch });
      const own = places.find(({ origin }) => origin === site);
      if (own === undefined) throw new GatewayError("KVGW_INTERNAL", `bucket ${bucket.name} does not run at ${site}`);
      const peers = places.filter(({ origin }) => origin !== site);
      const { clockOffsetUs, looks } = deps;
      return {
        store: createBucketStore({ lease: local, clock, site, epoch, clockOffsetUs, looks }, localName(bucket, site), bucket.create),
        log: createOperationLog(place(own), names(site)),
        peers: new Map(peers.map((peer) => [peer.origin, createPeerLink(place(peer), names(peer.origin), site, peer.link.reading)])),
        questions: new Map(
          peers.map(({ origin, lease, link }) => {
            const questions = createPeerQuestions(lease, origin, bucket.name);
            return [origin, createSparedQuestions(questions, link.fetching, clock)];
          }),
        ),
        service: createPeerService(own.lease, site, bucket.name, deps.listing),
        state: createSiteState(local, site, clock),
      };
    },
    onLocalUp: (callback) => whenUp(local, callback),
    onPeerUp: (peer, callback) => whenUp(leaseByOrigin.get(peer), callback),
    local: () => local,
    peer: (origin) => leaseByOrigin.get(origin),
    heartbeat: deps.heart.join(bucket.name, site, new Map(places.map(({ origin, pulse }) => [origin, pulse]))),
    release() {
      local.release();
      for (const { lease } of places) lease.release();
    },
  };
}

function whenUp(lease: Lease | undefined, callback: () => void): () => void {
  const forget = lease?.onChange((connected) => {
    if (connected) callback();
  });
  return forget ?? (() => undefined);
}

const localName = (bucket: BucketConfig, site: SiteId) => bucket.sites.get(site)?.bucket ?? bucket.name;

function siteOf(config: GatewayConfig, site: SiteId): SiteConfig {
  const found = config.sites.get(site);
  if (found === undefined) throw new GatewayError("KVGW_INTERNAL", `site ${site} is not in a config that was checked`);
  return found;
}
