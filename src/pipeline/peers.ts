/**
 * Everything that one run does with its peers: replicates their logs, reconciles with their gateways, and answers theirs.
 * Two ways for a write to come in, and one `apply` behind both.
 */
import type { BucketConfig } from "../config/config.js";
import type { Checkpoint } from "../core/checkpoint.js";
import type { BucketCounters } from "../core/counters.js";
import type { GatewayError } from "../core/errors.js";
import type { Observe } from "../core/events.js";
import { hash128 } from "../core/hash.js";
import type { SiteId } from "../core/ids.js";
import { createKeyFilter } from "../core/key-filter.js";
import type { Operation } from "../core/operation.js";
import type { BucketInfo, Clock, PeerLink, Questions, Random, SetAside } from "../core/ports.js";
import type { Replica } from "../core/replica.js";
import { compareVersions } from "../core/version.js";
import type { Appender } from "./append.js";
import type { Applier } from "./apply.js";
import { type Pace, createPace } from "./pace.js";
import type { PipelinePorts } from "./pipeline.js";
import { type PeerSnapshot, type Replication, createReplication } from "./replicate.js";
import { createBackoff } from "./retry.js";
import { type Rounds, createRounds } from "./rounds.js";
import { createRunClock } from "./run-clock.js";
import { type Answers, createAnswers } from "./serve.js";
import type { ClockGuard } from "./clock-guard.js";
import type { OwnWrites } from "./own-writes.js";
import type { SetAsideStore } from "./set-aside.js";
import { type SetAsideRetries, createSetAsideRetries } from "./set-aside-retry.js";

export interface Peers {
  /** Until aborted; never rejects. */
  run(): Promise<void>;
  /** What keeps operations of one peer from being settled, null when that is over. */
  hinder(peer: string, error: GatewayError | null): void;
  /** Makes the checkpoints durable that have moved. KVGW_STATE_UNAVAILABLE. */
  save(): Promise<void>;
  /** Resolves when every peer has been asked once, with or without an answer. */
  readonly asked: Promise<void>;
  /** A round with every peer, as soon as may be. */
  reconcile(): void;
  readonly setAsides: SetAsideRetries;
  snapshot(): ReadonlyMap<SiteId, PeerSnapshot>;
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
  readonly setAsides: SetAsideStore;
  readonly setAside: (setAside: SetAside, then: () => void) => void;
  readonly counters: BucketCounters;
  readonly clock: Clock;
  readonly random: Random;
  readonly observe: Observe;
  readonly onPeerUp: (peer: SiteId, callback: () => void) => () => void;
  readonly onFatal: (thrown: unknown) => void;
  readonly signal: AbortSignal;
}

export function createPeers(deps: PeersDeps): Peers {
  const { ports, signal } = deps;
  const pace = createPace(createRunClock(deps.clock, signal), () => deps.config().limits.opsPerSecond);
  const { site, guard, replica, onFatal } = deps;
  const reconcile = () => {
    for (const each of rounds) each.request();
  };
  const { logAgain } = deps.ownWrites;
  const retries = createSetAsideRetries({ site, store: deps.setAsides, guard, replica, reconcile, logAgain, onFatal });
  const replications = new Map([...ports.peers].map(([peer, link]) => [peer, replicationOf(deps, peer, link, pace, retries)]));
  const answers = createAnswers({
    ...{ site: deps.site, replica: deps.replica, store: ports.store, clock: deps.clock },
    fingerprint: () => fingerprintOf(deps.config(), deps.info),
    logged: () => deps.appender.logged(),
    checkpoints: () => checkpointsOf(replications),
    onAsked: (asker, skewMs) => {
      if (ports.questions.has(asker)) guard.measured(asker, skewMs);
    },
  });
  const rounds = [...ports.questions].map(([peer, asked]) => roundsOf(deps, peer, asked, answers, pace, retries));
  return {
    asked: Promise.all(rounds.map((each) => each.asked)).then(() => undefined),
    async run() {
      const unserve = ports.service.serve(answers);
      const all = [...replications.values(), ...rounds];
      await Promise.all(all.map((each) => each.run())).finally(unserve);
    },
    hinder: (peer, error) => replications.get(peer as SiteId)?.hinder(error),
    async save() {
      for (const replication of replications.values()) await replication.save();
    },
    reconcile,
    setAsides: retries,
    snapshot: () => new Map([...replications].map(([peer, replication]) => [peer, replication.snapshot()])),
  };
}

function replicationOf(deps: PeersDeps, peer: SiteId, link: PeerLink, pace: Pace, retries: SetAsideRetries): Replication {
  const { ports, applier, counters, clock, observe, signal, setAside } = deps;
  const { name: bucket, keys } = deps.config();
  return createReplication({
    ...{ bucket, peer, link, state: ports.state, applier, counters, clock, observe, signal, pace, setAside },
    settled: (key, at, then) => retries.logSettled(peer, key, at, then),
    includes: createKeyFilter(keys),
    backoff: createBackoff(deps.random),
    windowOperations: () => deps.config().limits.inFlight,
    wake: (callback) => deps.onPeerUp(peer, callback),
  });
}

function roundsOf(
  deps: PeersDeps,
  peer: SiteId,
  peerAsked: Questions,
  own: Answers,
  pace: Pace,
  retries: SetAsideRetries,
): Rounds {
  const { replica, counters, clock, random, observe, guard, signal } = deps;
  return createRounds({
    ...{ bucket: deps.config().name, peer, peerAsked, own, replica, counters, clock, random, observe, guard, signal },
    isTaken: async ({ key, version }) => deps.applier.isBusy(key) || (await retries.isTaken(key, version)),
    apply: (operation) => applyNow(deps, peer, operation, pace, retries),
    began: () => retries.beginRound(peer),
    intervalMs: () => deps.config().reconcileIntervalMs,
    wake: (callback) => deps.onPeerUp(peer, callback),
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

function checkpointsOf(replications: ReadonlyMap<SiteId, Replication>): ReadonlyMap<SiteId, Checkpoint> {
  const checkpoints = new Map<SiteId, Checkpoint>();
  for (const [peer, replication] of replications) {
    const checkpoint = replication.checkpoint();
    if (checkpoint !== null) checkpoints.set(peer, checkpoint);
  }
  return checkpoints;
}

/** Of what must be the same at both sites, so that both decide, keep and forget alike. */
function fingerprintOf({ policy, subject, tombstoneTtlMs, keys, format, log }: BucketConfig, { maxAgeUs }: BucketInfo): string {
  const { include, exclude } = keys;
  return hash128(JSON.stringify([policy, subject, tombstoneTtlMs, include, exclude, format, log, maxAgeUs]));
}
