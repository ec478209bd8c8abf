/**
 * Writes local operations to the own log, many keys in flight: every append names the log's sequence it must follow, so
 * whatever goes wrong with one refuses all behind it. Then: stop, look at what landed, go back to the first that did
 * not, resume (go back N). It also names its key's own sequence, as it was seen and never as it is foretold. That keeps
 * the order of each key in the compacted log, whenever an append lands: also one of a gateway that is dead by then, whose
 * successor has happened to bring the log to just the length that it names.
 *
 * Looking also finds what another gateway of this site logged meanwhile; its versions are adopted, so that one local
 * write has one version, whoever was first.
 */
import type { Checkpoint } from "../core/checkpoint.js";
import type { BucketCounters } from "../core/counters.js";
import { GatewayError, toGatewayError } from "../core/errors.js";
import type { Observe } from "../core/events.js";
import type { BucketName, Key, Sequence } from "../core/ids.js";
import { UNANSWERED_IS_TROUBLE } from "../core/limits.js";
import type { SequenceTable } from "../core/sequence-table.js";
import { type EntryIdentity, type LoggedOperation, type Operation, nanosToMicros, sameIdentity } from "../core/operation.js";
import type { AppendOutcome, Clock, OperationLog, StreamMark } from "../core/ports.js";
import type { Replica } from "../core/replica.js";
import { type Version, compareVersions } from "../core/version.js";
import { type Pending, createAppendQueue } from "./append-queue.js";
import type { CausalityGuard } from "./causality.js";
import { type Backoff, wait } from "./retry.js";

export interface Appender {
  /** Queues a local write; `done` is called when it, or a later one of its key, is in the log, or noted as set aside. */
  append(operation: Operation, identity: EntryIdentity, done: () => void): void;
  /** Queued and not in the log yet, waiting together or alone; bounded by the tail's window. */
  outstanding(): number;
  /** Whether nothing of the key is queued. If something is, `then` is called once that may have changed. */
  isLogged(key: Key, then?: () => void): boolean;
  /** Where the log has the key's operation, 0 where it has none. */
  sequenceOf(key: Key): Sequence;
  /** Removes what the log has of the key, if it is not newer than the version. KVGW_UNREACHABLE, KVGW_TIMEOUT, KVGW_DENIED. */
  forget(key: Key, version: Version): Promise<void>;
  /** Where the log ends now, as far as it is known here. */
  position(): Checkpoint;
  /** When everything that is queued now is in the log: where that ends. */
  logged(): Promise<Checkpoint>;
}

export interface AppenderDeps {
  readonly bucket: BucketName;
  readonly log: OperationLog;
  readonly replica: Replica;
  readonly causality: Pick<CausalityGuard, "cover">;
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly signal: AbortSignal;
  readonly observe: Observe;
  /** Counts what the log took: not what a run handed over and could not log, nor what was replaced while it waited. */
  readonly counters: Pick<BucketCounters, "captured">;
  /** Notes an operation that no log can hold; durable when it resolves. */
  readonly setAside: (operation: Operation, identity: EntryIdentity) => Promise<void>;
  /** What keeps the log from taking operations, null when it takes them again. */
  readonly onTrouble: (error: GatewayError | null) => void;
  /** The log is not the one that this run began with. */
  readonly onFatal: (error: GatewayError) => void;
}

/** The log as the start found it. */
export interface FoundLog {
  readonly mark: StreamMark;
  /** Of each key where the log has its operation; the appender goes on with it. */
  readonly sequenceByKey: SequenceTable;
}

export function createAppender(deps: AppenderDeps, { mark, sequenceByKey }: FoundLog): Appender {
  const { log, signal } = deps;
  const queue = createAppendQueue();
  const sequenceOf = (key: Key): Sequence => sequenceByKey.get(key) ?? 0;
  let lastSequence = mark.lastSequence;
  let looking = false;
  let troubled = false;
  let unanswered = 0;
  // Refusals in a row for which neither the log's end nor the key's place accounts.
  let unexplained = 0;
  // The first one waits until its version is remembered.
  let covering = false;
  // Outcomes of sends before the last look say nothing any more.
  let generation = 0;

  const position = (): Checkpoint => ({ created: mark.created, sequence: lastSequence });

  function send(): void {
    // What a run has left behind, such as a write that waited for an apply, must not speak for it later.
    while (!looking && !signal.aborted) {
      const pending = queue.send(isCovered);
      if (pending === null) return;
      const expected = { last: lastSequence + queue.inFlight() - 1, key: sequenceOf(pending.operation.key) };
      const sentIn = generation;
      log.append(pending.operation, pending.identity, expected, (outcome) => {
        if (sentIn === generation && !signal.aborted) settle(pending, outcome);
      });
    }
  }

  /** Nobody but the log can give a write the same version again that its own time does not: should the log lose it, the
   *  next write of the key has to be above it nevertheless. */
  function isCovered({ operation, identity }: Pending): boolean {
    if (operation.version.ts <= nanosToMicros(identity.timestampNs)) return true;
    if (covering) return false;
    covering = !deps.causality.cover(operation, () => {
      covering = false;
      send();
    });
    return !covering;
  }

  function settle(pending: Pending, outcome: AppendOutcome): void {
    const isFirst = queue.isFirst(pending);
    if (outcome.kind === "appended" && isFirst && outcome.sequence === lastSequence + 1) {
      lastSequence = outcome.sequence;
      sequenceByKey.set(pending.operation.key, outcome.sequence);
      queue.finishFirst();
      deps.counters.captured++;
      recovered();
      return send();
    }
    generation++;
    queue.goBack(outcome.kind === "too-large" ? pending : null);
    looking = true;
    // Of one that is not the first it is known already why it was refused: those before it were.
    const refused = outcome.kind === "mismatch" && isFirst ? pending.operation.key : null;
    goBack(pending, outcome, refused).catch((thrown: unknown) => deps.onFatal(toGatewayError(thrown)));
  }

  async function goBack(pending: Pending, outcome: AppendOutcome, refused: Key | null): Promise<void> {
    if (outcome.kind === "too-large") {
      await deps.setAside(pending.operation, pending.identity);
      queue.remove(pending);
    }
    let trouble = troubleOf(outcome);
    for (let looked = false; !looked && !signal.aborted; ) {
      if (trouble !== null) {
        troubled = true;
        deps.onTrouble(trouble);
        await wait(deps.clock, deps.backoff.nextMs(), signal);
      }
      [looked, trouble] = await look(refused).then(
        () => [true, null] as const,
        (thrown: unknown) => [false, retryable(thrown)] as const,
      );
    }
    if (signal.aborted) return;
    // That the log can be read does not say that it takes operations: only the next one does.
    if (queue.size() === 0) recovered();
    looking = false;
    deps.observe({ type: "log-resumed", bucket: deps.bucket, sequence: lastSequence, resent: queue.size() });
    send();
  }

  function troubleOf(outcome: AppendOutcome): GatewayError | null {
    if (outcome.kind === "failed") return outcome.error;
    const where = `operation log of ${deps.bucket}`;
    if (outcome.kind === "unknown" && ++unanswered >= UNANSWERED_IS_TROUBLE) {
      return new GatewayError("KVGW_TIMEOUT", `${where}: the server does not answer appends; retried`);
    }
    if (outcome.kind !== "mismatch" || unexplained < UNANSWERED_IS_TROUBLE) return null;
    return new GatewayError("KVGW_UNREACHABLE", `${where}: the server refuses appends that follow what it shows; retried`);
  }

  function recovered(): void {
    unanswered = 0;
    unexplained = 0;
    if (!troubled) return;
    troubled = false;
    deps.backoff.reset();
    deps.onTrouble(null);
  }

  /** What landed; and of a key that was refused although nothing did, where the log has it now. */
  async function look(refused: Key | null): Promise<void> {
    const before = lastSequence;
    const landed: LoggedOperation[] = [];
    const now = await log.scan(before + 1, (logged) => landed.push(logged));
    if (now.created !== mark.created || now.lastSequence < before) {
      throw new GatewayError("KVGW_STREAM_CHANGED", `the operation log of ${deps.bucket} was rewound or recreated; starting afresh`);
    }
    lastSequence = now.lastSequence;
    for (const logged of landed) take(logged);
    if (refused === null || lastSequence > before) return;
    const sequence = await log.sequenceOf(refused);
    unexplained = sequence === sequenceOf(refused) ? unexplained + 1 : 0;
    sequenceByKey.set(refused, sequence);
  }

  function take(logged: LoggedOperation): void {
    sequenceByKey.set(logged.operation.key, logged.sequence);
    const pending = queue.find(logged.operation.key);
    if (pending !== undefined && isTooLow(pending, logged)) return;
    deps.replica.adopt(logged);
    if (pending === undefined) return;
    if (logged.identity !== null && sameIdentity(pending.identity, logged.identity)) deps.counters.captured++;
    if (isSuperseded(pending, logged)) queue.remove(pending);
    else if (isOvertaken(pending, logged)) {
      throw new GatewayError("KVGW_STREAM_CHANGED", `another gateway writes the operation log of ${deps.bucket}; starting afresh`);
    }
  }

  return {
    append(operation, identity, done) {
      queue.add(operation, identity, done);
      send();
    },
    outstanding: () => queue.size(),
    isLogged(key, then) {
      const pending = queue.find(key);
      if (pending !== undefined && then !== undefined) queue.whenFinished(pending, then);
      return pending === undefined;
    },
    sequenceOf,
    async forget(key, version) {
      // Asked, since another gateway of the site may have logged it.
      const logged = await log.read(key);
      if (logged === null || compareVersions(logged.operation.version, version) > 0) return;
      await log.forget(key, logged.sequence);
      if (sequenceOf(key) <= logged.sequence) sequenceByKey.delete(key);
    },
    position,
    async logged() {
      await queue.settled();
      return position();
    },
  };
}

/** In the log already, or behind a later write of its key: sending it now would turn the key's order round. */
function isSuperseded({ identity }: Pending, logged: LoggedOperation): boolean {
  if (logged.identity === null) return false;
  return identity.bucketCreated === logged.identity.bucketCreated && identity.revision <= logged.identity.revision;
}

/** The same write, logged by another gateway of this site that did not know what it had overwritten: it is logged once more,
 *  above that (I5). */
function isTooLow({ operation: { base }, identity }: Pending, { operation, identity: logged }: LoggedOperation): boolean {
  return base !== null && base !== undefined && logged !== null && sameIdentity(identity, logged) && compareVersions(operation.version, base) < 0;
}

/** A later write of the key, stamped before it was known what the log names as its predecessor (I5). */
function isOvertaken({ operation }: Pending, logged: LoggedOperation): boolean {
  return compareVersions(operation.version, logged.operation.version) <= 0;
}

function retryable(thrown: unknown): GatewayError {
  const error = toGatewayError(thrown);
  if (error.code === "KVGW_STREAM_CHANGED" || error.remedy === "bug") throw error;
  return error;
}
