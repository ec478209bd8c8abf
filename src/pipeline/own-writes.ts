/**
 * The own log's queue as capture sees it: what is handed to it is noted for the clock guard, and once it is in the log the
 * record of an earlier write of its key is of no use any more. And the way back for a write that the log did not take.
 */
import { compareVersions } from "../core/version.js";
import { type SiteId, isKey } from "../core/ids.js";
import type { KeyFilter } from "../core/key-filter.js";
import type { BucketStore, OperationLog, SetAsideRecord } from "../core/ports.js";
import type { Replica } from "../core/replica.js";
import type { Appender } from "./append.js";
import type { Relogger } from "./relog.js";
import type { SetAsideStore } from "./set-aside.js";

export interface OwnWritesDeps {
  readonly site: SiteId;
  readonly bucketCreated: string;
  readonly appender: Appender;
  readonly relogger: Relogger;
  readonly setAsides: SetAsideStore;
  readonly store: BucketStore;
  readonly log: OperationLog;
  readonly replica: Replica;
  readonly includes: KeyFilter;
  readonly onFatal: (thrown: unknown) => void;
}

export interface OwnWrites {
  readonly append: Appender["append"];
  /** Null when the log has it, or has no use for it any more; else why it has not. KVGW_UNREACHABLE, KVGW_TIMEOUT,
   *  KVGW_STATE_UNAVAILABLE. */
  logAgain(record: SetAsideRecord): Promise<string | null>;
}

export function createOwnWrites(deps: OwnWritesDeps): OwnWrites {
  const { site, bucketCreated, setAsides, replica } = deps;

  const append: Appender["append"] = (operation, identity, done) => {
    deps.relogger.note(operation.version);
    deps.appender.append(operation, identity, () => {
      done();
      if (setAsides.count() === 0) return;
      // Where it was set aside itself, its own record stays.
      const isEarlier = ({ at }: SetAsideRecord) => at.created !== bucketCreated || at.position < identity.revision;
      setAsides.remove(site, operation.key, isEarlier).catch(deps.onFatal);
    });
  };

  async function logAgain(record: SetAsideRecord): Promise<string | null> {
    const { key, at } = record;
    const forget = () => setAsides.remove(site, key, (now) => now === record).then(() => null);
    if (!isKey(key) || !deps.includes(key)) return forget();
    const entry = await deps.store.read(key);
    const known = replica.get(key);
    const isThere = entry?.revision === at.position && known?.revision === at.position && at.created === bucketCreated;
    // Something else stands there by now, which went its own way.
    if (entry === null || known === undefined || !isThere || known.version.site !== site) return forget();
    const { revision, timestampNs, value, expiresUs } = entry;
    const { kind, version, base } = known;
    const identity = { bucketCreated, revision, timestampNs };
    await new Promise<void>((done) => append({ kind, key, value, version, base, expiresUs }, identity, done));
    const logged = await deps.log.read(key);
    if (logged === null || compareVersions(logged.operation.version, version) < 0) return "it is still too large for the operation log; raise what the server takes, or write a smaller value";
    return forget();
  }

  return { append, logAgain };
}
