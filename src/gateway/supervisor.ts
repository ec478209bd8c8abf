/**
 * Keeps one bucket's pipeline running: starts a run, and after a failure the next one, later each time. A failure that
 * only a person can mend, and no other in between, parks the bucket after a while. Whatever happens here, no other bucket notices (I9).
 *
 * A bucket is paused while the config says so, or while somebody's request does. A request stands in the site's state, so
 * it outlives the process; before the first run it is read there.
 */
import type { BucketConfig } from "../config/config.js";
import type { BucketCounters } from "../core/counters.js";
import { type GatewayError, toGatewayError } from "../core/errors.js";
import type { BucketState, Observe, Reason } from "../core/events.js";
import type { SiteId } from "../core/ids.js";
import { BACKOFF_RESET_MS, PARK_AFTER_FAILURES } from "../core/limits.js";
import type { Clock, Random } from "../core/ports.js";
import { type PipelinePorts, type PipelineSnapshot, createPipeline } from "../pipeline/pipeline.js";
import { createBackoff, wait } from "../pipeline/retry.js";
import type { SetAsides } from "../pipeline/set-aside-retry.js";
import { LIFE, type LifeInput } from "../pipeline/state.js";
import type { BucketPorts } from "./build.js";
import type { PausedBy } from "./status.js";

export interface SupervisorDeps {
  readonly site: SiteId;
  readonly ports: BucketPorts;
  readonly counters: BucketCounters;
  readonly clock: Clock;
  readonly random: Random;
  readonly observe: Observe;
  /** Why this gateway must not work the bucket now, null if it may. Left out where it always may. */
  readonly standby?: () => GatewayError | null;
}

export interface Supervisor {
  /** Takes over settings that need no restart. */
  update(config: BucketConfig): void;
  /** Asks for a round of reconcile with every peer; false where the bucket does not run. */
  reconcile(): boolean;
  /** Null where the bucket does not run. */
  setAsides(): SetAsides | null;
  /** Pauses on request: resolves when nothing runs any more. KVGW_UNREACHABLE, KVGW_STATE_UNAVAILABLE: nothing changes. */
  pause(): Promise<void>;
  /** Takes a request to pause back, and ends a parking. Fails as `pause` does. */
  resume(): Promise<void>;
  /** To be called when `standby` says something else: what runs ends in order, or begins. Resolves when nothing of what ran
   *  before runs any more. */
  roleChanged(): Promise<void>;
  pausedBy(): readonly PausedBy[];
  /** Why the last round with the peer did not come to its end, null if it did. */
  roundFailure(peer: SiteId): Reason | null;
  /** Orderly; resolves when nothing of the bucket runs any more. */
  stop(): Promise<void>;
  state(): BucketState;
  reason(): Reason | null;
  startedMs(): number;
  config(): BucketConfig;
  counters(): BucketCounters;
  snapshot(): PipelineSnapshot;
  ports(): BucketPorts;
}

export function createSupervisor(deps: SupervisorDeps, initial: BucketConfig): Supervisor {
  const { clock, observe, ports, counters } = deps;
  const bucket = initial.name;
  const pauseKey = `pause.${bucket}`;
  const stopping = new AbortController();
  const startedMs = clock.nowMs();
  const backoff = createBackoff(deps.random);
  let config = initial;
  let state: BucketState = "starting";
  let reason: Reason | null = null;
  // Failures in a row that do not mend themselves.
  let hopeless = 0;
  // Whether somebody has asked for a pause; null until the site's state has told.
  let pauseAsked: boolean | null = null;
  let underWay = false;
  let turn: Promise<void> = Promise.resolve();
  const roundFailures = new Map<SiteId, Reason>();
  // Ends the wait or the run that goes on, when the settings or the supervisor change.
  let interruption = new AbortController();

  function enter(input: LifeInput, because: GatewayError | null = null): void {
    const next = LIFE[state][input];
    const nextReason = because === null ? (next === "degraded" || next === "parked" ? reason : null) : toReason(because);
    if (next === state && nextReason?.message === reason?.message) return;
    state = next;
    reason = nextReason;
    observe({ type: "bucket-state", bucket, state, reason });
  }

  const standby = () => deps.standby?.() ?? null;
  const isPaused = () => config.paused || pauseAsked === true;

  async function openPorts(): Promise<PipelinePorts> {
    const run = interruption;
    const opened = await ports.open();
    if (pauseAsked === null) {
      const found = (await opened.state.load(pauseKey)).value === true;
      // Somebody may have asked in the meantime.
      pauseAsked ??= found;
    }
    if (isPaused()) run.abort();
    return opened;
  }

  async function savePause(asked: boolean): Promise<void> {
    const { state: siteState } = await ports.open();
    await siteState.save(pauseKey, asked);
    pauseAsked = asked;
  }

  function interrupt(): Promise<void> {
    interruption.abort();
    return turn;
  }

  const pipeline = createPipeline({
    site: deps.site,
    config: () => config,
    openPorts,
    counters,
    clock,
    random: deps.random,
    observe(event) {
      if (event.type === "reconciled" && event.reason !== null) roundFailures.set(event.peer, event.reason);
      if (event.type === "reconciled" && event.reason === null) roundFailures.delete(event.peer);
      observe(event);
    },
    onPeerUp: (peer, callback) => ports.onPeerUp(peer, callback),
    heartbeat: ports.heartbeat,
    onTrouble: (error) => (error === null ? enter("recovered") : enter("trouble", error)),
    onCaptured: () => enter("captured"),
  });

  async function attempt(): Promise<void> {
    enter("restart");
    const beganMs = clock.elapsedMs();
    try {
      underWay = true;
      await pipeline.run(interruption.signal).finally(endRun);
    } catch (thrown) {
      if (standby() !== null) return;
      if (clock.elapsedMs() - beganMs >= BACKOFF_RESET_MS) beginAnew();
      await recover(toGatewayError(thrown));
    }
  }

  function endRun(): void {
    underWay = false;
    roundFailures.clear();
  }

  function beginAnew(): void {
    backoff.reset();
    hopeless = 0;
  }

  async function recover(error: GatewayError): Promise<void> {
    counters.restarts++;
    const delayMs = backoff.nextMs();
    hopeless = mendsItself(error) ? 0 : hopeless + 1;
    if (hopeless >= PARK_AFTER_FAILURES) {
      enter("give-up", error);
      return;
    }
    enter("trouble", error);
    observe({ type: "bucket-retry", bucket, reason: toReason(error), delayMs });
    await wait(clock, delayMs, interruption.signal, (callback) => ports.onLocalUp(callback));
  }

  async function supervise(): Promise<void> {
    while (!stopping.signal.aborted) {
      turn = takeTurn();
      await turn;
    }
  }

  /** One run or one rest. At its end the state says what comes next. */
  async function takeTurn(): Promise<void> {
    interruption = new AbortController();
    const why = standby();
    if (isPaused()) enter("pause");
    else if (why !== null) enter("stand-by", why);
    if (why !== null || state === "paused" || state === "parked") await aborted(interruption.signal);
    else await attempt();
    if (isPaused()) return enter("pause");
    if (state === "paused") enter("resume");
    if (state === "parked" && interruption.signal.aborted) {
      beginAnew();
      enter("resume");
    }
  }

  /** Peers are told by the gateway that works: one that waits would say of the same bucket that nothing runs. */
  function tellIfAtWork(): void {
    untell?.();
    untell = null;
    if (standby() !== null) return;
    untell = ports.heartbeat?.tell(async () => ({ logged: await pipeline.logged(), state })) ?? null;
  }

  let untell: (() => void) | null = null;
  tellIfAtWork();
  const done = supervise();

  return {
    update(next) {
      const pauseChanged = next.paused !== config.paused;
      config = next;
      if (pauseChanged || state === "parked") interruption.abort();
    },
    reconcile() {
      if (underWay) pipeline.reconcile();
      return underWay;
    },
    setAsides: () => (underWay ? pipeline.setAsides() : null),
    async pause() {
      await savePause(true);
      await interrupt();
    },
    async resume() {
      if (pauseAsked !== false) await savePause(false);
      if (state === "paused" || state === "parked") await interrupt();
    },
    roleChanged() {
      // Somebody may ask the other gateway in the meantime.
      if (standby() !== null) pauseAsked = null;
      tellIfAtWork();
      beginAnew();
      return interrupt();
    },
    pausedBy: () => [...(config.paused ? ["config" as const] : []), ...(pauseAsked === true ? ["request" as const] : [])],
    roundFailure: (peer) => roundFailures.get(peer) ?? null,
    async stop() {
      stopping.abort();
      interruption.abort();
      await done;
      enter("stop");
      untell?.();
      ports.release();
    },
    state: () => state,
    reason: () => reason,
    startedMs: () => startedMs,
    config: () => config,
    counters: () => counters,
    snapshot: () => pipeline.snapshot(),
    ports: () => ports,
  };
}

/** An operator mends these from outside, and the bucket should notice by itself (F11). */
const PATIENT: ReadonlySet<string> = new Set([
  "KVGW_BUCKET_MISSING",
  "KVGW_BUCKET_FULL",
  "KVGW_LOG_FULL",
  "KVGW_DENIED",
  "KVGW_SECRET_UNREADABLE",
]);

const mendsItself = ({ remedy, code }: GatewayError): boolean => remedy === "retry" || PATIENT.has(code);

const toReason = ({ code, message }: GatewayError): Reason => ({ code, message });

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
