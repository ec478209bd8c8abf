/**
 * Writes local operations to the own log, in order, many in flight: every append names the sequence it must follow, so
 * whatever goes wrong with one refuses all behind it. Then: stop, look at what landed, go back to the first that did
 * not, resume (go back N). Per-key order in the compacted log is kept, because nothing is ever sent past a gap.
 *
 * Looking also finds what another gateway of this site logged meanwhile; its versions are adopted, so that one local
 * write has one version, whoever was first.
 */
import type { Checkpoint } from "../core/checkpoint.js";
import { GatewayError, toGatewayError } from "../core/errors.js";
import type { Observe } from "../core/events.js";
import type { BucketName } from "../core/ids.js";
import { APPEND_WINDOW_OPERATIONS, UNANSWERED_IS_TROUBLE } from "../core/limits.js";
import type { EntryIdentity, LoggedOperation, Operation } from "../core/operation.js";
import type { AppendOutcome, Clock, OperationLog, StreamMark } from "../core/ports.js";
import type { Replica } from "../core/replica.js";
import { compareVersions } from "../core/version.js";
import { type Backoff, wait } from "./retry.js";

export interface Appender {
  /** Queues a local write; `done` is called when it is in the log, or noted as set aside. */
  append(operation: Operation, identity: EntryIdentity, done: () => void): void;
  /** Queued and not in the log yet; bounded by the tail's window. */
  outstanding(): number;
  /** When everything that is queued now is in the log: where that ends. */
  logged(): Promise<Checkpoint>;
}

export interface AppenderDeps {
  readonly bucket: BucketName;
  readonly log: OperationLog;
  readonly replica: Replica;
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly signal: AbortSignal;
  readonly observe: Observe;
  /** Notes an operation that no log can hold; durable when it resolves. */
  readonly setAside: (operation: Operation, identity: EntryIdentity) => Promise<void>;
  /** What keeps the log from taking operations, null when it takes them again. */
  readonly onTrouble: (error: GatewayError | null) => void;
  /** The log is not the one that this run began with. */
  readonly onFatal: (error: GatewayError) => void;
}

interface Pending {
  readonly operation: Operation;
  readonly identity: EntryIdentity;
  readonly done: () => void;
  /** Those who wait for the log to reach this operation. */
  readonly waiting: (() => void)[];
}

export function createAppender(deps: AppenderDeps, mark: StreamMark): Appender {
  const { log, signal } = deps;
  let queue: Pending[] = [];
  let inFlight = 0;
  let lastSequence = mark.lastSequence;
  let looking = false;
  let troubled = false;
  let unanswered = 0;
  // Outcomes of sends before the last look say nothing any more.
  let generation = 0;

  function send(): void {
    // What a run has left behind, such as a write that waited for an apply, must not speak for it later.
    while (!looking && !signal.aborted && inFlight < Math.min(queue.length, APPEND_WINDOW_OPERATIONS)) {
      const pending = queue[inFlight];
      if (pending === undefined) return;
      const expected = lastSequence + inFlight;
      const sentIn = generation;
      inFlight++;
      log.append(pending.operation, pending.identity, expected, (outcome) => {
        if (sentIn === generation && !signal.aborted) settle(pending, outcome);
      });
    }
  }

  function settle(pending: Pending, outcome: AppendOutcome): void {
    if (outcome.kind === "appended" && pending === queue[0] && outcome.sequence === lastSequence + 1) {
      lastSequence = outcome.sequence;
      queue.shift();
      inFlight--;
      finish(pending);
      recovered();
      return send();
    }
    generation++;
    inFlight = 0;
    looking = true;
    goBack(pending, outcome).catch((thrown: unknown) => deps.onFatal(toGatewayError(thrown)));
  }

  async function goBack(pending: Pending, outcome: AppendOutcome): Promise<void> {
    if (outcome.kind === "too-large") {
      await deps.setAside(pending.operation, pending.identity);
      drop((queued) => queued === pending);
    }
    let trouble = troubleOf(outcome);
    for (let looked = false; !looked && !signal.aborted; ) {
      if (trouble !== null) {
        troubled = true;
        deps.onTrouble(trouble);
        await wait(deps.clock, deps.backoff.nextMs(), signal);
      }
      [looked, trouble] = await look().then(
        () => [true, null] as const,
        (thrown: unknown) => [false, retryable(thrown)] as const,
      );
    }
    if (signal.aborted) return;
    // That the log can be read does not say that it takes operations: only the next one does.
    if (queue.length === 0) recovered();
    looking = false;
    deps.observe({ type: "log-resumed", bucket: deps.bucket, sequence: lastSequence, resent: queue.length });
    send();
  }

  function troubleOf(outcome: AppendOutcome): GatewayError | null {
    if (outcome.kind === "failed") return outcome.error;
    if (outcome.kind !== "unknown" || ++unanswered < UNANSWERED_IS_TROUBLE) return null;
    return new GatewayError("KVGW_TIMEOUT", `operation log of ${deps.bucket}: the server does not answer appends; retried`);
  }

  function recovered(): void {
    unanswered = 0;
    if (!troubled) return;
    troubled = false;
    deps.backoff.reset();
    deps.onTrouble(null);
  }

  async function look(): Promise<void> {
    const landed: LoggedOperation[] = [];
    const now = await log.scan(lastSequence + 1, (logged) => landed.push(logged));
    if (now.created !== mark.created || now.lastSequence < lastSequence) {
      throw new GatewayError("KVGW_STREAM_CHANGED", `the operation log of ${deps.bucket} was rewound or recreated; starting afresh`);
    }
    lastSequence = now.lastSequence;
    for (const logged of landed) {
      deps.replica.adopt(logged);
      drop((queued) => isSuperseded(queued, logged));
      if (queue.some((queued) => isOvertaken(queued, logged))) {
        throw new GatewayError("KVGW_STREAM_CHANGED", `another gateway writes the operation log of ${deps.bucket}; starting afresh`);
      }
    }
  }

  function drop(isGone: (pending: Pending) => boolean): void {
    const gone = queue.filter(isGone);
    if (gone.length === 0) return;
    queue = queue.filter((pending) => !isGone(pending));
    for (const pending of gone) finish(pending);
  }

  function finish({ done, waiting }: Pending): void {
    done();
    for (const then of waiting) then();
  }

  return {
    append(operation, identity, done) {
      queue.push({ operation, identity, done, waiting: [] });
      send();
    },
    outstanding: () => queue.length,
    async logged() {
      const last = queue.at(-1);
      if (last !== undefined) await new Promise<void>((resolve) => last.waiting.push(resolve));
      return { created: mark.created, sequence: lastSequence };
    },
  };
}

/** In the log already, or behind a later write of its key: sending it now would turn the key's order round. */
function isSuperseded({ operation, identity }: Pending, logged: LoggedOperation): boolean {
  if (logged.identity === null || operation.key !== logged.operation.key) return false;
  return identity.bucketCreated === logged.identity.bucketCreated && identity.revision <= logged.identity.revision;
}

/** A later write of the key, stamped before it was known what the log names as its predecessor (I5). */
function isOvertaken({ operation }: Pending, logged: LoggedOperation): boolean {
  return operation.key === logged.operation.key && compareVersions(operation.version, logged.operation.version) <= 0;
}

function retryable(thrown: unknown): GatewayError {
  const error = toGatewayError(thrown);
  if (error.code === "KVGW_STREAM_CHANGED" || error.remedy === "bug") throw error;
  return error;
}
