/**
 * Everything that one run does with its peers: replicates their logs, reconciles with their gateways, and answers theirs.
 * Two ways for a write to come in, and one `apply` behind both.
 */
import type { BucketConfig } from "../config/config.js";
import type { BucketCounters } from "../core/counters.js";
import type { GatewayError } from "../core/errors.js";
import type { Observe } from "../core/events.js";
import { hash128 } from "../core/hash.js";
import type { SiteId } from "../core/ids.js";
import { createKeyFilter } from "../core/key-filter.js";
import type { Operation } from "../core/operation.js";
import type { BucketInfo, Clock, Heartbeat, PeerLink, Questions, Random, SetAside } from "../core/ports.js";
import type { Replica } from "../core/replica.js";
import type { BucketMark, Seen } from "../core/seen.js";
import { type Version, compareVersions } from "../core/version.js";
import type { Appender } from "./append.js";
import type { Applier } from "./apply.js";
import { type Ghosts, createGhosts } from "./ghosts.js";
import type { Holding } from "./holding.js";
import type { Marks } from "./marks.js";
import { type Pace, createPace } from "./pace.js";
import type { PipelinePorts } from "./pipeline.js";
import { type PeerSnapshot, type Replication, createReplication } from "./replicate.js";
import { type Rejoin, createRejoin } from "./rejoin.js";
import { createBackoff } from "./retry.js";
import { type Rounds, createRounds } from "./rounds.js";
import { createRunClock } from "./run-clock.js";
import { type Answers, createAnswers } from "./serve.js";
import type { ClockGuard } from "./clock-guard.js";
import type { OwnWrites } from "./own-writes.js";
import type { SetAsideStore } from "./set-aside.js";
import { type SetAsideRetries, createSetAsideRetries } from "./set-aside-retry.js";
import { type Sweep, createSweep } from "./sweep.js";
import type { TailPosition } from "./tail-position.js";
import type { TombstoneRecords } from "./tombstone-records.js";
import type { Vanished } from "./vanished.js";
import type { Witness } from "./witness.js";

export interface Peers {
  /** Until aborted; never rejects. */
  run(): Promise<void>;
  /** What keeps operations of one peer from being settled, null when that is over. */
  hinder(peer: string, error: GatewayError | null): void;
  /** Makes the checkpoints durable that have moved. KVGW_STATE_UNAVAILABLE, KVGW_STATE_CHANGED. */
  save(): Promise<void>;
  /** Resolves when every peer has been asked once, with or without an answer. */
  readonly asked: Promise<void>;
  /** A round with every peer, as soon as may be. Resolves when each has been asked, with or without an answer. */
  reconcile(): Promise<void>;
  readonly setAsides: SetAsideRetries;
  readonly ghosts: Ghosts;
  snapshot(): ReadonlyMap<SiteId, PeerSnapshot & SweepSnapshot>;
}

export interface SweepSnapshot {
  /** Tombstones that could go, but for this peer. */
  readonly sweepBlocked: number;
}

export interface PeersDeps {
  readonly site: SiteId;
  readonly config: () => BucketConfig;
  readonly ports: PipelinePorts;
  readonly info: BucketInfo;
  readonly replica: Replica;
  readonly applier: Applier;
  readonly appender: Appender;
  readonly guard: ClockGuard;
  readonly ownWrites: Pick<OwnWrites, "logAgain">;
  readonly witness: Witness;
  readonly records: TombstoneRecords;
  readonly setAsides: SetAsideStore;
  readonly vanished: Vanished;
  readonly marks: Marks;
  readonly start: BucketMark;
  readonly isBehind: (mark: Seen | null) => boolean;
  readonly isOld: (version: Version) => boolean;
  readonly holding: Holding;
  readonly position: TailPosition;
  readonly setAside: (setAside: SetAside, then: () => void) => void;
  readonly counters: BucketCounters;
  readonly clock: Clock;
  readonly random: Random;
  readonly observe: Observe;
  readonly onPeerUp: (peer: SiteId, callback: () => void) => () => void;
  readonly heartbeat: Heartbeat | null;
  readonly onFatal: (thrown: unknown) => void;
  readonly signal: AbortSignal;
}

export function createPeers(deps: PeersDeps): Peers {
  const { ports, signal } = deps;
  const pace = createPace(createRunClock(deps.clock, signal), () => deps.config().limits.opsPerSecond);
  const { site, guard, replica, onFatal } = deps;
  const { logAgain } = deps.ownWrites;
  const ask = () => void reconcile();
  const ghosts = ghostsOf(deps);
  const account = { site, store: deps.setAsides, ghosts, guard, replica };
  const retries = createSetAsideRetries({ ...account, reconcile: ask, logAgain, onFatal });
  const replications = new Map([...ports.peers].map(([peer, link]) => [peer, replicationOf(deps, peer, link, pace, retries)]));
  const captured = (): BucketMark => ({ created: deps.info.created, sequence: deps.position.passed() });
  const sweep = sweepOf(deps, replications, captured);
  const rejoin = rejoinOf(deps, ghosts, ask);
  const answers = createAnswers({
    ...{ site: deps.site, replica: deps.replica, store: ports.store, clock: deps.clock, witness: deps.witness },
    fingerprint: () => fingerprintOf(deps.config(), deps.info),
    logged: () => deps.appender.logged(),
    isLogged: (key) => deps.appender.isLogged(key),
    onAsked: (asker, skewMs) => {
      if (ports.questions.has(asker)) guard.measured(asker, skewMs);
    },
    ...{ start: deps.start, captured, marks: deps.marks, rejoin },
  });
  const parts = { answers, pace, rejoin, retries };
  const rounds = [...ports.questions].map(([peer, asked]) => roundsOf(deps, { peer, asked, ...parts }));
  const reconcile = () => Promise.all(rounds.map((each) => each.request())).then(() => undefined);
  return {
    asked: Promise.all(rounds.map((each) => each.asked)).then(() => undefined),
    async run() {
      rejoin.begin();
      if (!rejoin.isRejoining()) deps.holding.letGo();
      const unserve = ports.service.serve(answers);
      const all = [...replications.values(), ...rounds, sweep];
      await Promise.all(all.map((each) => each.run())).finally(unserve);
    },
    hinder: (peer, error) => replications.get(peer as SiteId)?.hinder(error),
    async save() {
      for (const replication of replications.values()) await replication.save(() => deps.records.durable());
    },
    reconcile,
    ...{ setAsides: retries, ghosts },
    snapshot: () =>
      new Map(
        [...replications].map(([peer, replication]) => [
          peer,
          { ...replication.snapshot(), sweepBlocked: sweep.blockedBy(peer) },
        ]),
      ),
  };
}

function replicationOf(deps: PeersDeps, peer: SiteId, link: PeerLink, pace: Pace, retries: SetAsideRetries): Replication {
  const { ports, applier, counters, clock, observe, signal, setAside, heartbeat } = deps;
  const { name: bucket, keys } = deps.config();
  return createReplication({
    ...{ bucket, peer, link, state: ports.state, applier, counters, clock, observe, signal, pace, setAside },
    settled: (key, at, then) => retries.logSettled(peer, key, at, then),
    includes: createKeyFilter(keys),
    isUnknownAndOld: (key, version) => deps.replica.get(key) === undefined && deps.isOld(version),
    backoff: createBackoff(deps.random),
    windowOperations: () => deps.config().limits.inFlight,
    wake: (callback) => deps.onPeerUp(peer, callback),
    listen: heartbeat === null ? null : (hear) => heartbeat.listen(peer, hear),
  });
}

interface RoundParts {
  readonly peer: SiteId;
  readonly asked: Questions;
  readonly answers: Answers;
  readonly pace: Pace;
  readonly rejoin: Rejoin;
  readonly retries: SetAsideRetries;
}

function roundsOf(deps: PeersDeps, { peer, asked, answers, pace, rejoin, retries }: RoundParts): Rounds {
  const { replica, witness, marks, isOld, counters, clock, random, observe, guard, signal } = deps;
  return createRounds({
    ...{ bucket: deps.config().name, peer, peerAsked: asked, own: answers, replica, witness, marks, rejoin },
    ...{ isOld, counters, clock, random, observe, guard, signal },
    look: () => deps.vanished.look(),
    isTaken: async ({ key, version }) => deps.applier.isBusy(key) || (await retries.isTaken(key, version)),
    apply: (operation) => applyNow(deps, peer, operation, pace, retries),
    began: () => retries.beginRound(peer),
    intervalMs: () => deps.config().reconcileIntervalMs,
    wake: (callback) => deps.onPeerUp(peer, callback),
  });
}

function ghostsOf({ config, ports, info, replica, appender, setAsides }: PeersDeps): Ghosts {
  const { store, state } = ports;
  return createGhosts({ bucket: config().name, bucketCreated: info.created, store, state, replica, appender, setAsides });
}

function rejoinOf(deps: PeersDeps, ghosts: Ghosts, ask: () => void): Rejoin {
  const { site, ports, replica, marks, isBehind, isOld, observe } = deps;
  const { name: bucket } = deps.config();
  return createRejoin({
    ...{ site, bucket, peers: [...ports.questions.keys()], marks, isBehind, isOld, replica, ask, observe },
    onOver: () => deps.holding.letGo(),
    setAside: (key) => ghosts.setAside(key),
  });
}

function sweepOf(deps: PeersDeps, replications: ReadonlyMap<SiteId, Replication>, captured: () => BucketMark): Sweep {
  const { ports, replica, records, witness, marks, appender, isOld, counters, clock, observe, signal } = deps;
  return createSweep({
    ...{ bucket: deps.config().name, store: ports.store, replica, records, witness, appender, replications, isOld },
    ...{ counters, clock, observe, signal },
    remember: () =>
      marks.makeDurable({
        ...{ ...captured(), run: witness.run, atUs: Math.floor(clock.nowMs() * 1_000), left: false },
        log: appender.position(),
      }),
    isBusy: (key) => deps.applier.isBusy(key),
    tombstoneTtlMs: () => deps.config().tombstoneTtlMs,
  });
}

/** Whether the operation is what the site has now. An operation that comes as an answer stands in no log that is known
 *  here, so what is set aside of it names no place. */
function applyNow(deps: PeersDeps, peer: SiteId, operation: Operation, pace: Pace, retries: SetAsideRetries): Promise<boolean> {
  const { key, kind, version } = operation;
  return new Promise((resolve) => {
    const done = () => {
      const known = deps.replica.get(key);
      resolve(known !== undefined && compareVersions(known.version, version) === 0);
    };
    const at = { created: "", position: 0 };
    pace.next(() =>
      deps.applier.submit(operation, peer, {
        done() {
          retries.settled(key, version);
          done();
        },
        refuse(reason, detail) {
          deps.guard.expel(key, version);
          deps.setAside({ key, origin: version.site, reason, detail, kind, version, at }, done);
        },
      }),
    );
  });
}

/** Of what must be the same at both sites, so that both decide, keep and forget alike. */
function fingerprintOf({ policy, subject, tombstoneTtlMs, keys, format, log }: BucketConfig, { maxAgeUs }: BucketInfo): string {
  const { include, exclude } = keys;
  return hash128(JSON.stringify([policy, subject, tombstoneTtlMs, include, exclude, format, log, maxAgeUs]));
}
