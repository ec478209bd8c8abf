/**
 * One bucket's work from start to failure or stop. A run begins with nothing in memory, learns where it stands from the
 * own log, the state and the bucket's tail, and then captures and replicates until something local breaks; the
 * supervisor starts the next run. A crash and a failure take the same way back, so that way is well worn.
 *
 *     open ─▶ own log ─▶ tail, caught up ─▶ replicate every peer ─▶ … ─▶ stop reading, finish, checkpoint
 *
 * I6: checkpoints are written behind the work. I9: nothing here is shared with another bucket but the connections.
 */
import type { BucketConfig } from "../config/config.js";
import type { BucketCounters } from "../core/counters.js";
import type { GatewayError } from "../core/errors.js";
import type { Observe } from "../core/events.js";
import type { SiteId } from "../core/ids.js";
import type { Operation } from "../core/operation.js";
import { CHECKPOINT_INTERVAL_MS, PIPELINE_STOP_MS } from "../core/limits.js";
import type {
  BucketStore,
  Clock,
  Heartbeat,
  OperationLog,
  PeerLink,
  PeerService,
  Questions,
  Random,
  SiteState,
} from "../core/ports.js";
import type { Logged } from "../core/pulse.js";
import type { Replica } from "../core/replica.js";
import { watchClock } from "./clock-watch.js";
import { createEnd } from "./end.js";
import { createExpiry } from "./expiry.js";
import { type Peers, type SweepSnapshot, createPeers } from "./peers.js";
import type { PeerSnapshot } from "./replicate.js";
import { type RunPulse, createPulse } from "./pulse.js";
import { atMost, until, wait } from "./retry.js";
import { createRunClock } from "./run-clock.js";
import { restoreLost } from "./restore.js";
import type { SetAsideStore } from "./set-aside.js";
import type { SetAsides } from "./set-aside-retry.js";
import { type Run, type Stages, prepare } from "./stages.js";
import { createHealth } from "./state.js";

export interface PipelinePorts {
  readonly store: BucketStore;
  readonly log: OperationLog;
  readonly peers: ReadonlyMap<SiteId, PeerLink>;
  /** To each peer's gateway. */
  readonly questions: ReadonlyMap<SiteId, Questions>;
  readonly service: PeerService;
  readonly state: SiteState;
}

export interface PipelineDeps {
  readonly site: SiteId;
  /** The current settings: those that need no restart are read when they are used. */
  readonly config: () => BucketConfig;
  /** The ports of one run. KVGW_UNREACHABLE, KVGW_STATE_UNAVAILABLE while the local NATS is away. */
  readonly openPorts: () => Promise<PipelinePorts>;
  readonly counters: BucketCounters;
  readonly clock: Clock;
  readonly random: Random;
  readonly observe: Observe;
  /** Subscribes to "this peer can be reached again". */
  readonly onPeerUp: (peer: SiteId, callback: () => void) => () => void;
  /** Null: nothing is said of a peer but by its log. */
  readonly heartbeat: Heartbeat | null;
  /** Something keeps the bucket from being captured or applied fully; null when a captured bucket has recovered. */
  readonly onTrouble: (error: GatewayError | null) => void;
  /** Everything that was in the bucket at the start is known, and nothing is in trouble. */
  readonly onCaptured: () => void;
}

export interface PipelineSnapshot {
  readonly keys: number;
  readonly tombstones: number;
  readonly setAside: number;
  readonly peers: ReadonlyMap<SiteId, PeerSnapshot & SweepSnapshot>;
}

export interface Pipeline {
  /** One run: resolves after an orderly stop, rejects with the failure that ended it. Never two at once. */
  run(signal: AbortSignal): Promise<void>;
  snapshot(): PipelineSnapshot;
  /** How far the own log is with what was written here, null while no run has captured the bucket. Never rejects. */
  logged(): Promise<Logged | null>;
  /** Asks for a round with every peer; nothing while no run has come so far. */
  reconcile(): void;
  /** Of the run that goes on, null while none has come so far. */
  setAsides(): SetAsides | null;
}

/** The parts of the run that goes on, for `snapshot`. */
interface Running {
  readonly replica: Replica;
  readonly setAsides: SetAsideStore;
  readonly peers: Peers;
  /** Null until the bucket is captured. */
  readonly pulse: RunPulse | null;
}

export function createPipeline(deps: PipelineDeps): Pipeline {
  let running: Running | null = null;
  return {
    run: (signal) => runOnce(deps, signal, (now) => (running = now)),
    snapshot: () => ({
      keys: running?.replica.keys() ?? 0,
      tombstones: running?.replica.tombstones.size ?? 0,
      setAside: running?.setAsides.count() ?? 0,
      peers: running?.peers.snapshot() ?? new Map<SiteId, PeerSnapshot & SweepSnapshot>(),
    }),
    logged: () => running?.pulse?.logged() ?? Promise.resolve(null),
    reconcile: () => void running?.peers.reconcile(),
    setAsides: () => running?.peers.setAsides ?? null,
  };
}

async function runOnce(deps: PipelineDeps, signal: AbortSignal, publish: (running: Running) => void): Promise<void> {
  // Reading ends first; work in hand is finished, and only then cut off.
  const reading = new AbortController();
  const working = new AbortController();
  const end = createEnd(signal);
  const health = createHealth(deps);
  let peers: Peers | null = null;
  const onFull: Run["onFull"] = (origin, error) => {
    if (origin === deps.site) health.part("set-aside")(error);
    else peers?.hinder(origin, error);
  };
  let onMissing: Run["onMissing"] = () => undefined;
  let preparing: Promise<Stages> | null = null;
  let stage: Stages | null = null;
  let withPeers: Promise<unknown> = Promise.resolve();
  try {
    const ports = await Promise.race([deps.openPorts(), end.reached]);
    if (ports === undefined) return;
    const run: Run = { signal: working.signal, fail: end.fail, trouble: health.part, onFull, onMissing: (values) => onMissing(values) };
    preparing = prepare({ ...deps, clock: createRunClock(deps.clock, working.signal) }, ports, run);
    stage = (await Promise.race([preparing, end.reached])) ?? null;
    if (stage === null) return;
    peers = createPeers({ ...deps, ...stage, ports, onFatal: end.fail, signal: reading.signal });
    publish({ ...stage, peers, pulse: null });
    await Promise.race([stage.caughtUp, end.reached]);
    if (signal.aborted) return;
    const { clock } = deps;
    onMissing = mend({ deps, ports, stage, peers, signal: working.signal, fail: end.fail });
    void createExpiry({ ...stage, site: deps.site, store: ports.store, clock, signal: reading.signal }).run();
    health.captured();
    publish({ ...stage, peers, pulse: createPulse({ ...stage, clock, signal: reading.signal }) });
    withPeers = peers.run();
    saveRegularly(deps.clock, peers, working.signal).catch(end.fail);
    await end.reached;
    reading.abort();
    await finish(deps.clock, stage);
    await peers.save();
  } finally {
    reading.abort();
    working.abort();
    // What a start brings that nobody waits for any more is closed.
    if (stage === null) preparing?.then(({ tail }) => tail.stop()).catch(() => undefined);
    await Promise.all([withPeers, stage?.tail.stop()]);
  }
}

interface Mending extends Pick<Run, "signal" | "fail"> {
  readonly deps: PipelineDeps;
  readonly ports: PipelinePorts;
  readonly stage: Stages;
  readonly peers: Peers;
}

/** Brings back what the bucket has lost, then looks after what a wrong clock has done. Gives what is to be told of values that
 *  go later. */
function mend({ deps, ports, stage, peers, signal, fail }: Mending): Run["onMissing"] {
  const { clock, observe } = deps;
  const { isLogBehind, isOld, replica } = stage;
  const isGhost = ({ version }: Operation) => isLogBehind && isOld(version);
  const restoring = {
    ...{ ...stage, bucket: deps.config().name, log: ports.log, clock, observe, signal },
    ...{ isGhost, ghosts: peers.ghosts },
  };
  const maxClockSkewMs = () => deps.config().maxClockSkewMs;
  const watching = { ...stage, retries: peers.setAsides, maxClockSkewMs, clock, signal };
  // First: what was lost must not be taken for what something newer has replaced.
  restoreLost(restoring, replica.takeLost(), peers.asked)
    .then(() => watchClock(watching))
    .catch(fail);
  return (values) => {
    observe({ type: "vanished", bucket: restoring.bucket, keys: values.length });
    const own = values.filter(({ version }) => version.site === deps.site);
    restoreLost(restoring, own, peers.reconcile()).catch(fail);
  };
}

/** Ends with the first failure, which ends the run: without checkpoints a restart would read everything again. */
async function saveRegularly(clock: Clock, peers: Peers, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await wait(clock, CHECKPOINT_INTERVAL_MS, signal);
    if (signal.aborted) return;
    await peers.save();
  }
}

/** Applies first, since a race is only settled while the tail moves; then the tail ends, and what it brought is logged. A
 *  floor that is being saved is waited for, so that nothing of an orderly end is left on its way. */
async function finish(clock: Clock, { applier, appender, causality, tail }: Stages): Promise<void> {
  await until(clock, () => applier.outstanding() === 0, FINISH_LOOK_MS, PIPELINE_STOP_MS / 2);
  await tail.stop();
  await until(clock, () => appender.outstanding() === 0, FINISH_LOOK_MS, PIPELINE_STOP_MS / 2);
  await atMost(clock, PIPELINE_STOP_MS / 2, causality.settled());
}

const FINISH_LOOK_MS = 10;
