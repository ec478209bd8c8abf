/**
 * Own versions that are far ahead of the clock here, once that clock has been put right: their writes are logged again,
 * as of now. So one site's broken clock does not pin a key for years: at peers the operation that comes later in the log
 * takes the place of the one that was set aside, and of one that had been applied (`clock-guard.ts`).
 *
 * What counts is the own log, since that is what peers read. The entry in the bucket stays as it is: a local write that
 * were written again would change its revision under an application's compare-and-set. Only an entry that a gateway put
 * there itself, because the bucket had lost it, is replaced, since its header names the old version.
 */
import type { Observe } from "../core/events.js";
import type { BucketName, Key, SiteId } from "../core/ids.js";
import type { KeyFilter } from "../core/key-filter.js";
import { RELOG_GRACE_US, RELOG_LOOKS_IN_VAIN_MAX } from "../core/limits.js";
import type { Entry, LoggedOperation, Operation } from "../core/operation.js";
import type { BucketStore, Clock, OperationLog, Questions } from "../core/ports.js";
import type { Known, Replica } from "../core/replica.js";
import { type Version, compareVersions } from "../core/version.js";
import type { Appender } from "./append.js";
import type { Applier } from "./apply.js";
import type { ClockGuard } from "./clock-guard.js";

export interface Relogger {
  /** An own version that is in the log, or on its way there. */
  note(version: Version): void;
  /** Logs again what is ahead, if anything is and the clock here can be trusted. Does not overlap itself.
   *  KVGW_UNREACHABLE, KVGW_TIMEOUT, KVGW_STREAM_CHANGED of the own log. */
  look(writers: RelogWriters): Promise<void>;
}

export interface RelogDeps {
  readonly site: SiteId;
  readonly bucket: BucketName;
  readonly bucketCreated: string;
  readonly store: Pick<BucketStore, "read">;
  readonly log: OperationLog;
  readonly questions: ReadonlyMap<SiteId, Questions>;
  readonly replica: Replica;
  readonly guard: ClockGuard;
  readonly includes: KeyFilter;
  readonly clock: Clock;
  readonly observe: Observe;
  readonly signal: AbortSignal;
}

type Written = Pick<LoggedOperation, "operation" | "identity">;

/** Who brings what is logged again into the log, and into the bucket where it has to be there. */
export interface RelogWriters {
  readonly appender: Appender;
  readonly applier: Applier;
}

export function createRelogger(deps: RelogDeps): Relogger {
  const { site, guard, log, replica, signal } = deps;
  // The highest own version that the log may have, and the highest since the log was looked at.
  let [highestUs, notedUs] = [0, 0];
  let looking = false;
  // Looks in a row at which not every peer answered.
  let inVain = 0;
  // What is right in a moment stays: a peer that reads both versions only then takes the first for the newer one.
  const isFar = ({ ts }: Version) => guard.isAhead({ ts: ts - RELOG_GRACE_US, site });
  guard.protectOwn(() => guard.isAhead({ ts: highestUs, site }));

  function note({ ts }: Version): void {
    if (ts > highestUs) highestUs = ts;
    if (ts > notedUs) notedUs = ts;
  }

  async function relogAll(writers: RelogWriters): Promise<void> {
    await writers.appender.logged();
    notedUs = 0;
    // What the log has lost is ahead all the same, where the bucket has it.
    const unlogged = aheadInBucket();
    const ahead = new Map<Key, Version>();
    let restUs = 0;
    await log.scan(1, (logged) => {
      const { key, version } = logged.operation;
      if (!deps.includes(key)) return;
      takeOver(logged);
      const newer = unlogged.get(key);
      if (newer !== undefined && compareVersions(version, newer) < 0) return;
      unlogged.delete(key);
      if (isFar(version)) ahead.set(key, version);
      else if (version.ts > restUs) restUs = version.ts;
    });
    const all = [...ahead, ...unlogged];
    let done = 0;
    const asked = new Map(deps.questions);
    for (let from = 0; from < all.length; from += ASKED_TOGETHER) {
      const some = all.slice(from, from + ASKED_TOGETHER);
      const newest = await newestSane(asked, some.map(([key]) => key));
      if (!isEnough(asked.size)) return;
      for (const [at, [key, version]] of some.entries()) {
        if (signal.aborted) return;
        const entry = await deps.store.read(key);
        const written = unlogged.has(key) ? asLogged(key, entry) : await readOwn(key);
        // A later write has come meanwhile, and was noted.
        if (written !== null && compareVersions(written.operation.version, version) !== 0) continue;
        if (written !== null && relog(writers, written, entry, newest[at] ?? 0)) done++;
        else restUs = Math.max(restUs, version.ts);
      }
    }
    highestUs = Math.max(restUs, notedUs);
    inVain = 0;
    if (done > 0) deps.observe({ type: "relogged", bucket: deps.bucket, keys: done });
  }

  async function readOwn(key: Key): Promise<LoggedOperation | null> {
    const logged = await log.read(key);
    if (logged !== null) takeOver(logged);
    return logged;
  }

  /** Another gateway of this site has logged the entry again: what is known of it here is ahead no more. */
  function takeOver(logged: LoggedOperation): void {
    const known = replica.get(logged.operation.key);
    if (known !== undefined && isFar(known.version) && !isFar(logged.operation.version)) replica.adopt(logged);
  }

  function aheadInBucket(): Map<Key, Version> {
    const found = new Map<Key, Version>();
    for (const [key] of replica.standing()) {
      const version = replica.get(key)?.version;
      if (version?.site === site && isFar(version) && deps.includes(key)) found.set(key, version);
    }
    return found;
  }

  /** Null where the bucket has something else by now, or an entry that names a version itself. */
  function asLogged(key: Key, entry: Entry | null): Written | null {
    const known = replica.get(key);
    if (entry === null || entry.version !== null || entry.revision !== known?.revision) return null;
    const { revision, timestampNs, value, expiresUs } = entry;
    const { kind, version, base } = known;
    const identity = { bucketCreated: deps.bucketCreated, revision, timestampNs };
    return { operation: { kind, key, value, version, base, expiresUs }, identity };
  }

  /** Every peer is waited for, but not for ever: one of them may be gone. */
  function isEnough(answering: number): boolean {
    if (answering === deps.questions.size) return true;
    inVain++;
    return inVain > RELOG_LOOKS_IN_VAIN_MAX && answering > 0;
  }

  /** Of each key, up to where peers know versions that count: among them is what this site wrote before its clock went
   *  wrong, of which nothing is left here. Who does not answer is not asked again. */
  async function newestSane(asked: Map<SiteId, Questions>, keys: readonly Key[]): Promise<readonly number[]> {
    const newest = keys.map(() => 0);
    const ask = async ([peer, questions]: [SiteId, Questions]) => {
      const answer = await questions.versions(keys).catch(() => null);
      if (answer === null) asked.delete(peer);
      for (const [at, summary] of (answer ?? []).entries()) {
        if (summary !== null && !guard.isAhead(summary.version)) newest[at] = Math.max(newest[at] ?? 0, summary.version.ts);
      }
    };
    await Promise.all([...asked].map(ask));
    return newest;
  }

  /** Without a pause from the look at the replica to the log's queue: the next local write is stamped above this one, and
   *  logged behind it. */
  function relog(writers: RelogWriters, { operation: written, identity }: Written, entry: Entry | null, newestUs: number): boolean {
    if (identity === null) return false;
    const { key, version: before } = written;
    const known = replica.get(key);
    const isOdd = written.base !== undefined && written.base !== null && guard.isAhead(written.base);
    const base = isOdd ? null : written.base;
    const version = known === undefined ? null : versionOver(before, Math.max(newestUs, base?.ts ?? 0), known);
    if (known === undefined || version === null) return false;
    const { appender, applier } = writers;
    const operation: Operation = { ...written, version, base };
    const isCurrent = compareVersions(known.version, before) === 0;
    const isCaptured = entry?.version === null && entry.revision === known.revision;
    if (isCurrent && isCaptured) replica.renamed(key, version, base);
    note(version);
    appender.append(operation, identity, () => {
      if (isCurrent && !isCaptured) void applier.restore(operation, before);
    });
    return true;
  }

  /** Null where it has to wait: what stands there is about to be replaced itself. */
  function versionOver(before: Version, newestUs: number, known: Known): Version | null {
    if (compareVersions(known.version, before) === 0) {
      return { ts: Math.max(Math.floor(deps.clock.nowMs() * 1_000), newestUs + 1), site };
    }
    // Something newer has replaced it; so it stays below that, and only takes the old version's place in the log.
    if (known.version.site === site || guard.isAhead(known.version)) return null;
    return { ts: known.version.ts - 1, site };
  }

  return {
    note,
    async look(writers) {
      if (looking || !isFar({ ts: highestUs, site }) || !guard.isTrusted()) return;
      looking = true;
      await relogAll(writers).finally(() => (looking = false));
    },
  };
}

/** Keys of the longest form in one question stay below a message's limit. */
const ASKED_TOGETHER = 10;
