/**
 * Keeps one bucket's pipeline running: starts a run, and after a failure the next one, later each time. A failure that
 * only a person can mend, and no other in between, parks the bucket after a while. Whatever happens here, no other bucket notices (I9).
 */
import type { BucketConfig } from "../config/config.js";
import type { BucketCounters } from "../core/counters.js";
import { type GatewayError, toGatewayError } from "../core/errors.js";
import type { BucketState, Observe, Reason } from "../core/events.js";
import type { SiteId } from "../core/ids.js";
import { BACKOFF_RESET_MS, PARK_AFTER_FAILURES } from "../core/limits.js";
import type { Clock, Random } from "../core/ports.js";
import { type PipelineSnapshot, createPipeline } from "../pipeline/pipeline.js";
import { createBackoff, wait } from "../pipeline/retry.js";
import { LIFE, type LifeInput } from "../pipeline/state.js";
import type { BucketPorts } from "./build.js";

export interface SupervisorDeps {
  readonly site: SiteId;
  readonly ports: BucketPorts;
  readonly counters: BucketCounters;
  readonly clock: Clock;
  readonly random: Random;
  readonly observe: Observe;
}

export interface Supervisor {
  /** Takes over settings that need no restart. */
  update(config: BucketConfig): void;
  /** Asks for a round of reconcile with every peer; nothing where the bucket does not run. */
  reconcile(): void;
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
  const stopping = new AbortController();
  const startedMs = clock.nowMs();
  const backoff = createBackoff(deps.random);
  let config = initial;
  let state: BucketState = "starting";
  let reason: Reason | null = null;
  // Failures in a row that do not mend themselves.
  let hopeless = 0;
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

  const pipeline = createPipeline({
    site: deps.site,
    config: () => config,
    openPorts: () => ports.open(),
    counters,
    clock,
    random: deps.random,
    observe,
    onPeerUp: (peer, callback) => ports.onPeerUp(peer, callback),
    onTrouble: (error) => (error === null ? enter("recovered") : enter("trouble", error)),
    onCaptured: () => enter("captured"),
  });

  async function attempt(): Promise<void> {
    enter("restart");
    const beganMs = clock.elapsedMs();
    try {
      await pipeline.run(interruption.signal);
    } catch (thrown) {
      if (clock.elapsedMs() - beganMs >= BACKOFF_RESET_MS) beginAnew();
      await recover(toGatewayError(thrown));
    }
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
      interruption = new AbortController();
      if (config.paused) enter("pause");
      if (state === "paused" || state === "parked") await aborted(interruption.signal);
      else await attempt();
      if (state === "paused" && !config.paused) enter("resume");
      if (state === "parked" && interruption.signal.aborted) {
        beginAnew();
        enter("resume");
      }
    }
  }

  const done = supervise();

  return {
    update(next) {
      const pauseChanged = next.paused !== config.paused;
      config = next;
      if (pauseChanged || state === "parked") interruption.abort();
    },
    reconcile: () => pipeline.reconcile(),
    async stop() {
      stopping.abort();
      interruption.abort();
      await done;
      enter("stop");
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
