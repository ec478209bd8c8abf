/**
 * What one run of a bucket works with: opened, loaded and wired in the order in which each needs the one before, up to the
 * tail, which brings the first entry. Nothing is begun any more once the run is over.
 */
import type { Key } from "../core/ids.js";
import { type KeyFilter, createKeyFilter } from "../core/key-filter.js";
import { createKeyTable } from "../core/key-table.js";
import type { GatewayError } from "../core/errors.js";
import { type Entry, type EntryIdentity, type LoggedOperation, type Operation, asOfNow } from "../core/operation.js";
import { POLICIES } from "../core/policy/registry.js";
import type { BucketInfo, Reader, SetAside } from "../core/ports.js";
import { type Replica, createReplica } from "../core/replica.js";
import { type BucketMark, type Seen, cameBackWrong, createJumps } from "../core/seen.js";
import { createSequenceTable, type SequenceTable } from "../core/sequence-table.js";
import type { Version } from "../core/version.js";
import { type Appender, type FoundLog, createAppender } from "./append.js";
import { type Applier, createApplier } from "./apply.js";
import { createCapture } from "./capture.js";
import { type CausalityGuard, loadCausality } from "./causality.js";
import { type ClockGuard, createClockGuard } from "./clock-guard.js";
import { type Holding, createHolding } from "./holding.js";
import { type KeyGate, createKeyGate } from "./key-gate.js";
import { type Marks, loadMarks } from "./marks.js";
import { type OwnWrites, createOwnWrites } from "./own-writes.js";
import type { PipelineDeps, PipelinePorts } from "./pipeline.js";
import { type Relogger, createRelogger } from "./relog.js";
import { createBackoff } from "./retry.js";
import { type SetAsideStore, loadSetAside } from "./set-aside.js";
import { type TailPosition, createTailPosition } from "./tail-position.js";
import { type TombstoneRecords, createTombstoneRecords } from "./tombstone-records.js";
import { type Vanished, createVanished } from "./vanished.js";
import { type Witness, createWitness } from "./witness.js";

/** What a run gives to all that works in it. */
export interface Run {
  readonly signal: AbortSignal;
  readonly fail: (thrown: unknown) => void;
  readonly trouble: (part: string) => (error: GatewayError | null) => void;
  /** The account of what is set aside has no room for operations of `origin`, null when it has again. */
  readonly onFull: (origin: string, error: GatewayError | null) => void;
  /** Values have gone from the bucket without a message. */
  readonly onMissing: (values: readonly Operation[]) => void;
}

export interface Stages {
  readonly info: BucketInfo;
  readonly replica: Replica;
  readonly witness: Witness;
  readonly records: TombstoneRecords;
  readonly vanished: Vanished;
  readonly marks: Marks;
  /** Where the bucket stood when the run began. */
  readonly start: BucketMark;
  /** Whether the bucket came back wrong, measured by what is remembered of an earlier run; false without a memory. */
  readonly isBehind: (mark: Seen | null) => boolean;
  /** Whether the own log came back wrong. */
  readonly isLogBehind: boolean;
  readonly logCreated: string;
  /** Whether a tombstone of the version would be old enough to be swept. */
  readonly isOld: (version: Version) => boolean;
  readonly holding: Holding;
  readonly position: TailPosition;
  readonly appender: Appender;
  readonly applier: Applier;
  readonly causality: CausalityGuard;
  readonly guard: ClockGuard;
  readonly relogger: Relogger;
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
  readonly run: Run;
  readonly info: BucketInfo;
  readonly causality: CausalityGuard;
  readonly guard: ClockGuard;
  readonly relogger: Relogger;
  readonly includes: KeyFilter;
  readonly setAsides: SetAsideStore;
  readonly marks: Marks;
  readonly witness: Witness;
  readonly records: TombstoneRecords;
  readonly replica: Replica;
  readonly gate: KeyGate;
  readonly position: TailPosition;
  readonly found: FoundLog;
}

/** Opens everything and starts the tail. Rejects once the run is over. */
export async function prepare(deps: PipelineDeps, ports: PipelinePorts, run: Run): Promise<Stages> {
  const ground = await openGround(deps, ports, run);
  const { info, replica, causality, guard, relogger, includes, setAsides, marks, witness, records, gate, position } = ground;
  const { site, clock } = deps;
  const setAside = (what: SetAside, then: () => void) => void setAsides.put(what).then(then, run.fail);
  const appender = appenderOf(ground);
  const applier = applierOf(ground, appender);
  const { store, log } = ports;
  const own = { site, bucketCreated: info.created, appender, relogger, setAsides, store, log, replica, includes };
  const ownWrites = createOwnWrites({ ...own, onFatal: run.fail });
  const isBusy = (key: Key) => applier.isBusy(key);
  const vanished = createVanished({
    ...{ store: ports.store, replica, position, clock, includes, isBusy },
    ...{ onMissing: run.onMissing, onUnseen: run.fail },
  });
  const start = { created: info.created, sequence: info.lastSequence };
  const jumps = createJumps(deps.config().tombstoneTtlMs * 1_000);
  const [beganUs, nowUs] = [clock.nowMs() * 1_000, () => clock.nowMs() * 1_000];
  // Another gateway of this site, which runs beside this one, says nothing of where this run began.
  const isOfNow = ({ run: other, atUs }: Seen) => other === witness.run || (atUs >= beganUs && atUs <= nowUs());
  const isBehind = (mark: Seen | null) =>
    mark !== null && !isOfNow(mark) && (cameBackWrong(mark, witness.run, start) || jumps.contradict(mark));
  const isOld = ({ ts }: Version) => ts / 1_000 < clock.nowMs() - deps.config().tombstoneTtlMs;
  const holding = createHolding({
    replica,
    // A bucket that was in use before the gateway is logged as it is read, within the tail's window.
    mayHold: (version) => isOld(version) && isBehind(marks.own()),
    append: (operation, identity) => ownWrites.append(operation, identity, () => undefined),
  });
  const capture = createCapture({
    ...{ site, bucketCreated: info.created, replica, causality, appender: ownWrites, holding, gate, position, includes },
    setAside,
    onExcluded: (key) => vanished.exclude(key),
    release: (bytes) => tail.release(1, bytes),
  });
  let signalCaughtUp = () => {};
  const caughtUp = new Promise<void>((resolve) => (signalCaughtUp = resolve));
  let isStarting = true;
  void caughtUp.then(() => (isStarting = false));
  const onEntry = (entry: Entry, bytes: number) => {
    if (isStarting) jumps.see(entry.revision, entry.timestampUs);
    capture(entry, bytes);
  };
  const tail = await ports.store.tail({ onEntry, onCaughtUp: signalCaughtUp, onLost: run.fail });
  const known = { info, start, isBehind, ...logOf(ground), isOld, replica, witness, records, vanished, marks, position, causality };
  const writers = { guard, relogger, ownWrites, setAsides, includes, holding, appender, applier };
  return { ...known, ...writers, setAside, tail, caughtUp };
}

function logOf({ marks, found: { mark } }: Ground): Pick<Stages, "isLogBehind" | "logCreated"> {
  const before = marks.own()?.log ?? null;
  const isLogBehind = before !== null && (before.created !== mark.created || mark.lastSequence < before.sequence);
  return { isLogBehind, logCreated: mark.created };
}

async function openGround(deps: PipelineDeps, ports: PipelinePorts, run: Run): Promise<Ground> {
  const { site, clock, counters } = deps;
  const { signal, fail } = run;
  const { name: bucket } = deps.config();
  const { state } = ports;
  const wanted = <T>(found: T): T => {
    signal.throwIfAborted();
    return found;
  };
  const info = wanted(await ports.store.open());
  const tellIfFewer = (of: string, replicas: number) => {
    if (replicas < info.replicas) deps.observe({ type: "few-replicas", bucket, of, replicas, wanted: info.replicas });
  };
  const { replicas: logReplicas } = wanted(await ports.log.open(info.replicas));
  tellIfFewer("operation log", logReplicas);
  tellIfFewer("site state", wanted(await state.raise(info.replicas)));
  const witness = createWitness(site, deps.random);
  const causality = wanted(await loadCausality({ bucket, state, clock, share: witness.share, onFailure: fail }));
  const account = {
    ...{ site, bucket, state, clock, counters, observe: deps.observe, signal },
    ...{ backoff: createBackoff(deps.random), onFull: run.onFull, onFatal: fail },
  };
  const setAsides = wanted(await loadSetAside(account));
  const nowUs = () => Math.floor(clock.nowMs() * 1_000);
  const marks = wanted(await loadMarks({ bucket, state, peers: new Set(ports.questions.keys()), nowUs }));
  const records = createTombstoneRecords({ bucket, state, signal });
  const keys = createKeyTable();
  const replica = createReplica(site, {
    ...{ bucketCreated: info.created, keys },
    moment: () => witness.count(),
    onTombstone(key, { version, kind }) {
      if (version.site !== site) records.note(key, version, kind);
    },
  });
  const guard = createClockGuard({ site, clock, maxClockSkewMs: () => deps.config().maxClockSkewMs });
  const includes = createKeyFilter(deps.config().keys);
  const { store, log, questions } = ports;
  const own = { site, bucket, bucketCreated: info.created, store, log, questions };
  const relogger = createRelogger({ ...own, replica, guard, includes, clock, observe: deps.observe, signal });
  const restore = (logged: LoggedOperation) => {
    relogger.note(logged.operation.version);
    replica.restore({ ...logged, operation: asOfNow(logged.operation, beganUs) });
  };
  const beganUs = nowUs();
  const found = wanted(await readOwnLog(ports, createSequenceTable(keys), restore, signal));
  wanted(await records.load((key, version, kind) => replica.remember(key, version, kind)));
  const [gate, position] = [createKeyGate(), createTailPosition(clock)];
  const clocks = { causality, guard, relogger };
  return { deps, ports, run, info, ...clocks, includes, setAsides, marks, witness, records, replica, gate, position, found };
}

async function readOwnLog(
  { log }: PipelinePorts,
  sequenceByKey: SequenceTable,
  restore: (logged: LoggedOperation) => void,
  signal: AbortSignal,
): Promise<FoundLog> {
  const mark = await log.scan(1, (logged, inPlace) => {
    signal.throwIfAborted();
    restore(logged);
    if (inPlace) sequenceByKey.set(logged.operation.key, logged.sequence);
  });
  return { mark, sequenceByKey };
}

function appenderOf({ deps, ports, replica, causality, setAsides, found, run: { signal, trouble, fail } }: Ground): Appender {
  const { site, clock, observe } = deps;
  const setAside = async ({ key, kind, version }: Operation, { bucketCreated, revision }: EntryIdentity) => {
    const detail = "with its headers it is larger than the operation log takes";
    const at = { created: bucketCreated, position: revision };
    await setAsides.put({ key, origin: site, reason: "too_large", detail, kind, version, at });
  };
  const backoff = createBackoff(deps.random);
  const bucket = deps.config().name;
  const reports = { setAside, onTrouble: trouble("log"), onFatal: fail };
  const counters = deps.counters;
  return createAppender({ bucket, log: ports.log, replica, causality, clock, backoff, signal, observe, counters, ...reports }, found);
}

function applierOf(ground: Ground, { isLogged }: Appender): Applier {
  const { deps, ports, info, replica, causality, guard, gate, position, run } = ground;
  const { clock, counters } = deps;
  const { signal, trouble, fail } = run;
  const config = deps.config();
  return createApplier({
    ...{ bucket: config, bucketCreated: info.created, store: ports.store, messageBytesMax: info.messageBytesMax },
    ...{ policy: POLICIES[config.policy], replica, causality, guard, isLogged, gate, position, counters, clock, signal },
    ...{ onTrouble: trouble("apply"), onFatal: fail },
  });
}
