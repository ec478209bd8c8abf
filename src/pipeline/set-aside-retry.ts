/**
 * What becomes of operations that were set aside: they are applied when their time has come or somebody releases them,
 * and forgotten when another operation has taken their place, or when nobody has them any more.
 *
 * Nothing is read twice from a log for it. What is set aside is a difference between the two sites, so a round of
 * reconcile finds it where it stands now, and is only told here whether to take it; what is gone there is not found. A
 * round that proves both sides equal says that the peer has none of what is on record of its log.
 */
import { GatewayError } from "../core/errors.js";
import { type Key, type SiteId, isKey } from "../core/ids.js";
import type { SetAsideReason, SetAsideRecord } from "../core/ports.js";
import type { Replica } from "../core/replica.js";
import { type Version, compareVersions } from "../core/version.js";
import type { ClockGuard } from "./clock-guard.js";
import type { Ghosts } from "./ghosts.js";
import type { SetAsideStore } from "./set-aside.js";

/** Which records: of one key, of all origins or of one; or all. */
export interface Selection {
  readonly key: string | null;
  readonly origin: string | null;
}

/** What became of a request: `done` are those that it was carried out for. */
export interface SetAsideOutcome {
  readonly done: readonly SetAsideRecord[];
  readonly refused: readonly { readonly record: SetAsideRecord; readonly message: string }[];
}

export interface SetAsides {
  records(): readonly SetAsideRecord[];
  /** Tries again now, whatever the reason was; a record goes when its operation is applied. KVGW_USAGE if nothing is
   *  selected, KVGW_STATE_UNAVAILABLE and what reading the bucket fails with. */
  release(selection: Selection): Promise<SetAsideOutcome>;
  /** Forgets the records; the operations stay unapplied here. */
  drop(selection: Selection): Promise<SetAsideOutcome>;
}

export interface SetAsideRetries extends SetAsides {
  /** Whether there is no use in asking a peer for it. KVGW_STATE_UNAVAILABLE. */
  isTaken(key: Key, version: Version): Promise<boolean>;
  /** An operation of the origin's log is settled; `then` once what was on record of its key is gone. */
  logSettled(origin: SiteId, key: Key, at: SetAsideRecord["at"], then: () => void): void;
  /** An operation is settled that came by reconcile. */
  settled(key: Key, version: Version): void;
  /** To be called as a round with the peer begins; the answer when it has proved both sides equal. */
  beginRound(peer: SiteId): () => void;
  /** Looks whose time has come. */
  look(): void;
}

export interface RetryDeps {
  readonly site: SiteId;
  readonly store: SetAsideStore;
  readonly guard: ClockGuard;
  readonly replica: Replica;
  /** Asks for a round with every peer. */
  readonly reconcile: () => void;
  readonly ghosts: Pick<Ghosts, "bringBack" | "forget">;
  /** Sends an own write to the own log once more: null when that is done, else why it cannot be. */
  readonly logAgain: (record: SetAsideRecord) => Promise<string | null>;
  readonly onFatal: (thrown: unknown) => void;
}

/** How a reason's operations are tried again. */
type Release = (record: SetAsideRecord, selection: Selection) => Promise<string | null>;

const UNREADABLE = "no retry can apply it; mend it where it was written, or drop the record";

export function createSetAsideRetries(deps: RetryDeps): SetAsideRetries {
  const { site, store, ghosts, guard, replica, onFatal } = deps;
  // Whose time has come, and rounds were asked for.
  const asked = new Set<SetAsideRecord>();

  const forget = (records: Iterable<SetAsideRecord>) => Promise.all([...records].map((record) => store.forget(record)));
  const isGhost = ({ reason }: SetAsideRecord) => reason === "ghost";
  /** The record goes first: a value that nobody names any more is waste, a record without its value is a lie. */
  const forgetGhost = async (record: SetAsideRecord) => {
    await store.forget(record);
    await ghosts.forget(record);
  };
  const select = ({ key, origin }: Selection) => {
    const found = store.records().filter((record) => (key ?? record.key) === record.key && (origin ?? record.origin) === record.origin);
    if (found.length === 0 && key !== null) throw new GatewayError("KVGW_USAGE", `nothing of ${key} is set aside; kvgw set-aside list shows what is`);
    return found;
  };
  const isDue = ({ reason, version }: SetAsideRecord) => reason === "far_future" && version !== null && !guard.isAhead(version);
  const isSuperseded = ({ key, version }: SetAsideRecord) => {
    const known = isKey(key) ? replica.get(key) : undefined;
    return version !== null && known !== undefined && compareVersions(known.version, version) >= 0;
  };

  const unreadable: Release = () => Promise.resolve(UNREADABLE);
  const fromPeers: Release = ({ key, version }) => {
    if (version === null || !isKey(key)) return Promise.resolve(UNREADABLE);
    guard.admit(key, version);
    deps.reconcile();
    return Promise.resolve(null);
  };
  // All the others are only tried again; this one brings a key back that everybody has deleted.
  const bringBack: Release = async (record, { key }) => {
    if (key === null) return "everybody has deleted it; name the key to write it again";
    const whyNot = await ghosts.bringBack(record);
    if (whyNot === null) await forgetGhost(record);
    return whyNot;
  };
  const RELEASE: Readonly<Record<SetAsideReason, Release>> = {
    malformed: unreadable,
    invalid_key: unreadable,
    foreign_origin: unreadable,
    foreign_bucket: unreadable,
    far_future: fromPeers,
    ghost: bringBack,
    too_large: (record, selection) => (record.origin === site ? deps.logAgain(record) : fromPeers(record, selection)),
  };

  return {
    records: () => store.records(),
    async release(selection) {
      const done: SetAsideRecord[] = [];
      const refused: { record: SetAsideRecord; message: string }[] = [];
      for (const record of select(selection)) {
        const message = await RELEASE[record.reason](record, selection);
        if (message === null) done.push(record);
        else refused.push({ record, message });
      }
      return { done, refused };
    },
    async drop(selection) {
      const done = select(selection);
      for (const record of done) await (isGhost(record) ? forgetGhost(record) : store.forget(record));
      return { done, refused: [] };
    },

    async isTaken(key, version) {
      const record = store.find(version.site, key);
      if (record === undefined || isDue(record) || guard.isAdmitted(key, version)) return false;
      return store.has(version.site, key, version);
    },
    logSettled(origin, key, { created, position }, then) {
      if (store.count() === 0) return then();
      const isGone = ({ at }: SetAsideRecord) => at.created !== created || at.position <= position;
      store.remove(origin, key, isGone).then(then, onFatal);
    },
    settled(key, version) {
      if (store.count() === 0) return;
      const isGone = (record: SetAsideRecord) => record.version !== null && compareVersions(record.version, version) <= 0;
      store.remove(version.site, key, isGone).catch(onFatal);
    },
    beginRound(peer) {
      const before = store.records().filter((record) => record.origin === peer && record.version !== null && !isGhost(record));
      return () => void forget(before).catch(onFatal);
    },
    look() {
      const records = store.records().filter((record) => record.origin !== site && !isGhost(record));
      forget(records.filter(isSuperseded)).catch(onFatal);
      const due = records.filter(isDue);
      const isNews = due.some((record) => !asked.has(record));
      asked.clear();
      for (const record of due) asked.add(record);
      if (isNews) deps.reconcile();
    },
  };
}
