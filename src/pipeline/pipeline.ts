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
import { type KeyFilter, createKeyFilter } from "../core/key-filter.js";
import { CHECKPOINT_INTERVAL_MS, PIPELINE_STOP_MS } from "../core/limits.js";
import { type EntryIdentity, type LoggedOperation, type Operation, asOfNow } from "../core/operation.js";
import { POLICIES } from "../core/policy/registry.js";
import type {
  BucketInfo,
  BucketStore,
  Clock,
  OperationLog,
  PeerLink,
  PeerService,
  Questions,
  Random,
  Reader,
  SetAside,
  SiteState,
  StreamMark,
} from "../core/ports.js";
import { type Replica, createReplica } from "../core/replica.js";
import { type Appender, createAppender } from "./append.js";
import { type Applier, createApplier } from "./apply.js";
import { createCapture } from "./capture.js";
import { type CausalityGuard, loadCausality } from "./causality.js";
import { type ClockGuard, createClockGuard } from "./clock-guard.js";
import { watchClock } from "./clock-watch.js";
import { createEnd } from "./end.js";
import { type KeyGate, createKeyGate } from "./key-gate.js";
import { type OwnWrites, createOwnWrites } from "./own-writes.js";
import { type Peers, createPeers } from "./peers.js";
import { type Relogger, createRelogger } from "./relog.js";
import type { PeerSnapshot } from "./replicate.js";
import { createBackoff, until, wait } from "./retry.js";
import { createRunClock } from "./run-clock.js";
import { restoreLost } from "./restore.js";
import { type SetAsideStore, loadSetAside } from "./set-aside.js";
import type { SetAsides } from "./set-aside-retry.js";
import { createHealth } from "./state.js";
import { type TailPosition, createTailPosition } from "./tail-position.js";

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
  /** Something keeps the bucket from being captured or applied fully; null when a captured bucket has recovered. */
  readonly onTrouble: (error: GatewayError | null) => void;
  /** Everything that was in the bucket at the start is known, and nothing is in trouble. */
  readonly onCaptured: () => void;
}

export interface PipelineSnapshot {
  readonly keys: number;
  readonly tombstones: number;
  readonly setAside: number;
  readonly peers: ReadonlyMap<SiteId, PeerSnapshot>;
}

export interface Pipeline {
  /** One run: resolves after an orderly stop, rejects with the failure that ended it. Never two at once. */
  run(signal: AbortSignal): Promise<void>;
  snapshot(): PipelineSnapshot;
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
}

export function createPipeline(deps: PipelineDeps): Pipeline {
  let running: Running | null = null;
  return {
    run: (signal) => runOnce(deps, signal, (now) => (running = now)),
    snapshot: () => ({
      keys: running?.replica.keys() ?? 0,
      tombstones: running?.replica.tombstones() ?? 0,
      setAside: running?.setAsides.count() ?? 0,
      peers: running?.peers.snapshot() ?? new Map<SiteId, PeerSnapshot>(),
    }),
    reconcile: () => running?.peers.reconcile(),
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
  let preparing: Promise<Stages> | null = null;
  let stage: Stages | null = null;
  let withPeers: Promise<unknown> = Promise.resolve();
  try {
    const ports = await Promise.race([deps.openPorts(), end.reached]);
    if (ports === undefined) return;
    const run: Run = { signal: working.signal, fail: end.fail, trouble: health.part, onFull };
    preparing = prepare({ ...deps, clock: createRunClock(deps.clock, working.signal) }, ports, run);
    stage = (await Promise.race([preparing, end.reached])) ?? null;
    if (stage === null) return;
    peers = createPeers({ ...deps, ...stage, ports, onFatal: end.fail, signal: reading.signal });
    publish({ replica: stage.replica, setAsides: stage.setAsides, peers });
    await Promise.race([stage.caughtUp, end.reached]);
    if (signal.aborted) return;
    const { clock, observe } = deps;
    const restoring = { ...stage, bucket: deps.config().name, log: ports.log, clock, observe, signal: working.signal };
    const watching = { ...stage, retries: peers.setAsides, maxClockSkewMs: () => deps.config().maxClockSkewMs, clock, signal: working.signal };
    // What the bucket has lost comes back first: it must not be taken for what something newer has replaced.
    restoreLost(restoring, peers.asked).then(() => watchClock(watching)).catch(end.fail);
    health.captured();
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

/** What a run gives to all that works in it. */
interface Run {
  readonly signal: AbortSignal;
  readonly fail: (thrown: unknown) => void;
  readonly trouble: (part: string) => (error: GatewayError | null) => void;
  /** The account of what is set aside has no room for operations of `origin`, null when it has again. */
  readonly onFull: (origin: string, error: GatewayError | null) => void;
}

interface Stages {
  readonly info: BucketInfo;
  readonly replica: Replica;
  readonly appender: Appender;
  readonly applier: Applier;
  readonly guard: ClockGuard;
  readonly relogger: Relogger;
  readonly causality: CausalityGuard;
  readonly ownWrites: OwnWrites;
  readonly setAsides: SetAsideStore;
  readonly setAside: (setAside: SetAside, then: () => void) => void;
  readonly includes: KeyFilter;
  readonly tail: Reader;
  readonly caughtUp: Promise<void>;
}

/** What a run works with, before its tail brings the first entry. */
interface Ground {
  readonly deps: PipelineDeps;
  readonly ports: PipelinePorts;
  readonly info: BucketInfo;
  readonly causality: CausalityGuard;
  readonly guard: ClockGuard;
  readonly setAsides: SetAsideStore;
  readonly replica: Replica;
  readonly gate: KeyGate;
  readonly position: TailPosition;
  readonly run: Run;
}

/** Opens everything and starts the tail. Begins nothing further once the run is over, and then rejects. */
async function prepare(deps: PipelineDeps, ports: PipelinePorts, run: Run): Promise<Stages> {
  const { site, clock, counters } = deps;
  const { signal, fail } = run;
  const { name: bucket, keys } = deps.config();
  const wanted = <T>(found: T): T => {
    signal.throwIfAborted();
    return found;
  };
  const info = wanted(await ports.store.open());
  wanted(await ports.log.open(info.replicas));
  const causality = wanted(await loadCausality({ bucket, state: ports.state, clock, onFailure: fail }));
  const account = {
    ...{ site, bucket, state: ports.state, clock, counters, observe: deps.observe, signal },
    ...{ backoff: createBackoff(deps.random), onFull: run.onFull, onFatal: fail },
  };
  const setAsides = wanted(await loadSetAside(account));
  const setAside = (what: SetAside, then: () => void) => void setAsides.put(what).then(then, fail);

  const replica = createReplica(site);
  const guard = createClockGuard({ site, clock, maxClockSkewMs: () => deps.config().maxClockSkewMs });
  const includes = createKeyFilter(keys);
  const writers = () => ({ appender, applier });
  const own = { site, bucket, bucketCreated: info.created, log: ports.log, replica, includes, signal };
  const relogger = createRelogger({ ...own, questions: ports.questions, guard, clock, observe: deps.observe, writers });
  const nowUs = clock.nowMs() * 1_000;
  const restore = (logged: LoggedOperation) => {
    relogger.note(logged.operation.version);
    replica.restore({ ...logged, operation: asOfNow(logged.operation, nowUs) }, info.created);
  };
  const mark = wanted(await ports.log.scan(1, (logged) => restore(wanted(logged))));
  const [gate, position] = [createKeyGate(), createTailPosition(clock)];
  const ground: Ground = { deps, ports, info, causality, guard, setAsides, replica, gate, position, run };
  const appender = appenderOf(ground, mark);
  const applier = applierOf(ground);
  const ownWrites = createOwnWrites({ ...own, appender, relogger, setAsides, store: ports.store, onFatal: fail });
  const capture = createCapture({
    ...{ site, bucketCreated: info.created, replica, causality, appender: ownWrites, gate, position, includes, counters, setAside },
    release: (bytes) => tail.release(1, bytes),
  });
  let signalCaughtUp = () => {};
  const caughtUp = new Promise<void>((resolve) => (signalCaughtUp = resolve));
  const tail = await ports.store.tail({ onEntry: capture, onCaughtUp: signalCaughtUp, onLost: fail });
  return { info, replica, appender, applier, guard, relogger, causality, ownWrites, setAsides, setAside, includes, tail, caughtUp };
}

function appenderOf({ deps, ports, replica, setAsides, run: { signal, trouble, fail } }: Ground, mark: StreamMark): Appender {
  const { site, clock, observe } = deps;
  const setAside = async ({ key, kind, version }: Operation, { bucketCreated, revision }: EntryIdentity) => {
    const detail = "with its headers it is larger than the operation log takes";
    const at = { created: bucketCreated, position: revision };
    await setAsides.put({ key, origin: site, reason: "too_large", detail, kind, version, at });
  };
  const backoff = createBackoff(deps.random);
  const bucket = deps.config().name;
  const reports = { setAside, onTrouble: trouble("log"), onFatal: fail };
  return createAppender({ bucket, log: ports.log, replica, clock, backoff, signal, observe, ...reports }, mark);
}

function applierOf({ deps, ports, info, replica, causality, guard, gate, position, run }: Ground): Applier {
  const { clock, counters } = deps;
  const { signal, trouble, fail } = run;
  const config = deps.config();
  return createApplier({
    ...{ bucket: config, store: ports.store, messageBytesMax: info.messageBytesMax, policy: POLICIES[config.policy] },
    ...{ replica, causality, guard, gate, position, counters, clock, signal, onTrouble: trouble("apply"), onFatal: fail },
  });
}

/** Ends with the first failure, which ends the run: without checkpoints a restart would read everything again. */
async function saveRegularly(clock: Clock, peers: Peers, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await wait(clock, CHECKPOINT_INTERVAL_MS, signal);
    if (signal.aborted) return;
    await peers.save();
  }
}

/** Applies first, since a race is only settled while the tail moves; then the tail ends, and what it brought is logged. */
async function finish(clock: Clock, { applier, appender, tail }: Stages): Promise<void> {
  await until(clock, () => applier.outstanding() === 0, FINISH_LOOK_MS, PIPELINE_STOP_MS / 2);
  await tail.stop();
  await until(clock, () => appender.outstanding() === 0, FINISH_LOOK_MS, PIPELINE_STOP_MS / 2);
}

const FINISH_LOOK_MS = 10;
