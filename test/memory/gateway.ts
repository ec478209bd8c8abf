/**
 * One life of one gateway, for one bucket of its site: the real supervisor and pipeline over memory ports. It ends in an
 * orderly way, or by a crash, after which nothing of it happens any more; what it had sent still arrives.
 */
import type { BucketConfig } from "../../src/config/config.js";
import { type BucketCounters, createBucketCounters } from "../../src/core/counters.js";
import type { BucketState, GatewayEvent } from "../../src/core/events.js";
import type { SiteId } from "../../src/core/ids.js";
import type { Clock } from "../../src/core/ports.js";
import type { BucketPorts } from "../../src/gateway/build.js";
import { type PulsePlace, createHeart } from "../../src/gateway/heart.js";
import { type Supervisor, createSupervisor } from "../../src/gateway/supervisor.js";
import type { PipelinePorts, PipelineSnapshot } from "../../src/pipeline/pipeline.js";
import type { SetAsides } from "../../src/pipeline/set-aside-retry.js";
import { createMemoryBucketStore } from "./bucket-store.js";
import { type MemoryConnection, createMemoryConnection } from "./connection.js";
import { createMemoryOperationLog } from "./operation-log.js";
import { createMemoryPeerLink } from "./peer-link.js";
import { createMemoryPulseLine } from "./pulse.js";
import { createMemoryPeerService, createMemoryQuestions } from "./questions.js";
import { createSeededRandom } from "./seeded-random.js";
import type { MemorySite } from "./site.js";
import { createMemorySiteState } from "./site-state.js";
import { createMortalClock } from "./virtual-clock.js";

export interface MemoryGateway {
  readonly counters: BucketCounters;
  /** Everything it told, in order. */
  readonly events: readonly GatewayEvent[];
  /** Its connection to its own NATS, and one to each peer's. */
  readonly local: MemoryConnection;
  peer(site: SiteId): MemoryConnection;
  state(): BucketState;
  snapshot(): PipelineSnapshot;
  update(config: BucketConfig): void;
  /** As `kvgw reconcile` does. */
  reconcile(): void;
  /** As `kvgw set-aside` does; null while the bucket does not run. */
  setAsides(): SetAsides | null;
  /** Orderly; needs the clock to go on. */
  stop(): Promise<void>;
  crash(): void;
}

export interface GatewayPlace {
  /** The time that connections take, which no site's clock changes. */
  readonly clock: Clock;
  readonly site: MemorySite;
  readonly peers: readonly MemorySite[];
  readonly seed: number;
  /** False: it answers no questions. */
  readonly reconcile?: boolean;
}

export function startMemoryGateway(place: GatewayPlace, config: BucketConfig): MemoryGateway {
  const { clock, site, peers } = place;
  const own = createMortalClock(site.clock);
  const local = createMemoryConnection(clock);
  const connections = new Map(peers.map((peer) => [peer.id, createMemoryConnection(clock)]));
  const counters = createBucketCounters(connections.keys());
  const events: GatewayEvent[] = [];
  const peer = (id: SiteId) => {
    const connection = connections.get(id);
    if (connection === undefined) throw new Error(`${id} is no peer of ${site.id}`);
    return connection;
  };
  const supervisor: Supervisor = createSupervisor(
    {
      site: site.id,
      ports: portsOf(place, own, config, local, peer),
      counters,
      clock: own,
      random: createSeededRandom(place.seed),
      observe: (event) => void events.push(event),
    },
    config,
  );
  return {
    ...{ counters, events, local, peer },
    state: () => supervisor.state(),
    snapshot: () => supervisor.snapshot(),
    update: (next) => supervisor.update(next),
    reconcile: () => supervisor.reconcile(),
    setAsides: () => supervisor.setAsides(),
    stop: () => supervisor.stop(),
    crash() {
      own.kill();
      for (const connection of [local, ...connections.values()]) connection.kill();
    },
  };
}

function portsOf(
  { site, peers, reconcile = true }: GatewayPlace,
  clock: Clock,
  config: BucketConfig,
  local: MemoryConnection,
  connectionTo: (peer: SiteId) => MemoryConnection,
): BucketPorts {
  const { name: bucket, format } = config;
  const { stream, log } = site.bucket(bucket);
  const open = (): PipelinePorts => ({
    store: createMemoryBucketStore({
      connection: local,
      stream,
      create: config.create !== false,
      nowMs: () => clock.nowMs(),
    }),
    log: createMemoryOperationLog({ connection: local, stream: log, site: site.id, bucket, format }),
    peers: new Map(
      peers.map((peer) => {
        const place = { connection: connectionTo(peer.id), stream: peer.bucket(bucket).log, site: peer.id, bucket, format };
        return [peer.id, createMemoryPeerLink(place)];
      }),
    ),
    questions: new Map(
      peers.map((peer) => [peer.id, createMemoryQuestions(connectionTo(peer.id), peer.bucket(bucket), clock)]),
    ),
    service: reconcile ? createMemoryPeerService(site.bucket(bucket), local) : { serve: () => () => undefined },
    state: createMemorySiteState(local, site.state),
  });
  const noLease = () => {
    throw new Error("memory has no leases");
  };
  const pulseAt = (of: MemorySite): PulsePlace => {
    const connection = of === site ? local : connectionTo(of.id);
    return { key: of.id, open: () => createMemoryPulseLine({ site: site.id, own: site, of: () => of, connection, clock }) };
  };
  const pulses = new Map([site, ...peers].map((each) => [each.id, pulseAt(each)]));
  return {
    heartbeat: reconcile ? createHeart(clock).join(bucket, site.id, pulses) : null,
    open: () => local.request(open),
    onLocalUp: (callback) => local.onUp(callback),
    onPeerUp: (peer, callback) => connectionTo(peer).onUp(callback),
    local: noLease,
    peer: noLease,
    release: () => undefined,
  };
}
