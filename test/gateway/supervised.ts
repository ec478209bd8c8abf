/** A supervisor under virtual time: its ports are what the test gives it, or those of a site in memory. */
import type { BucketConfig } from "../../src/config/config.js";
import { type BucketCounters, createBucketCounters } from "../../src/core/counters.js";
import type { GatewayError } from "../../src/core/errors.js";
import type { GatewayEvent, Reason } from "../../src/core/events.js";
import type { SiteId } from "../../src/core/ids.js";
import { type Supervisor, createSupervisor } from "../../src/gateway/supervisor.js";
import type { PipelinePorts } from "../../src/pipeline/pipeline.js";
import { siteNamed } from "../core/names.js";
import { createMemoryBucketStore } from "../memory/bucket-store.js";
import { type MemoryConnection, createMemoryConnection } from "../memory/connection.js";
import { createMemoryOperationLog } from "../memory/operation-log.js";
import { createMemoryPeerLink } from "../memory/peer-link.js";
import { createSeededRandom } from "../memory/seeded-random.js";
import { type MemorySite, createMemorySite } from "../memory/site.js";
import { createMemoryPeerService, createMemoryQuestions } from "../memory/questions.js";
import { createMemorySiteState } from "../memory/site-state.js";
import { type VirtualClock, createVirtualClock } from "../memory/virtual-clock.js";
import { BUCKET, bucketConfig } from "../pipeline/world.js";

const [A, B] = [siteNamed("a"), siteNamed("b")];

export interface Supervised {
  readonly supervisor: Supervisor;
  readonly counters: BucketCounters;
  /** The states that it told, with the codes of their reasons. */
  states(): readonly string[];
  events(): readonly GatewayEvent[];
  config(changes?: Partial<BucketConfig>): BucketConfig;
}

export function superviseOn(
  clock: VirtualClock,
  open: () => Promise<PipelinePorts>,
  initial: Partial<BucketConfig> = {},
  standby: () => GatewayError | null = () => null,
): Supervised {
  const events: GatewayEvent[] = [];
  const counters = createBucketCounters([B]);
  const never = () => () => undefined;
  const noLease = () => {
    throw new Error("memory has no leases");
  };
  const config = (changes: Partial<BucketConfig> = {}) => bucketConfig([A, B], changes);
  const supervisor = createSupervisor(
    {
      site: A,
      ports: { open, onLocalUp: never, onPeerUp: never, local: noLease, peer: noLease, heartbeat: null, release: () => undefined },
      ...{ counters, clock, random: createSeededRandom(1), observe: (event) => void events.push(event), standby },
    },
    config(initial),
  );
  const named = (state: string, reason: Reason | null) => (reason === null ? state : `${state} ${reason.code}`);
  return {
    ...{ supervisor, counters, config },
    events: () => events,
    states: () => events.flatMap((event) => (event.type === "bucket-state" ? [named(event.state, event.reason)] : [])),
  };
}

/** Two sites in memory, and the ports of site a, which it reaches over the connections `local` and `away`. */
export interface MemoryGround {
  readonly clock: VirtualClock;
  readonly a: MemorySite;
  readonly b: MemorySite;
  readonly local: MemoryConnection;
  readonly away: MemoryConnection;
  readonly ports: PipelinePorts;
}

export function createMemoryGround(): MemoryGround {
  const clock = createVirtualClock();
  const [a, b] = [createMemorySite(clock, A), createMemorySite(clock, B)];
  const [local, away] = [createMemoryConnection(clock), createMemoryConnection(clock)];
  const { stream, log } = a.bucket(BUCKET);
  const logOf = (connection: MemoryConnection, site: SiteId, of: MemorySite) =>
    ({ connection, stream: of.bucket(BUCKET).log, site, bucket: BUCKET, format: "raw" }) as const;
  b.bucket(BUCKET).log.create();
  log.create();
  const ports: PipelinePorts = {
    store: createMemoryBucketStore({ connection: local, stream, create: true, nowMs: () => clock.nowMs() }),
    log: createMemoryOperationLog(logOf(local, A, a)),
    peers: new Map([[B, createMemoryPeerLink(logOf(away, B, b))]]),
    questions: new Map([[B, createMemoryQuestions(away, b.bucket(BUCKET), clock)]]),
    service: createMemoryPeerService(a.bucket(BUCKET), local),
    state: createMemorySiteState(local, a.state),
  };
  return { clock, a, b, local, away, ports };
}
