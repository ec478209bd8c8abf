/**
 * Keeps account of what could not be applied or logged: durable in the site's state before anything passes it, the
 * newest per origin and key. The operation itself stays where it is, in its log or in the bucket; the record says where.
 * A record goes when the operation is applied, or another one has taken its place. That of a ghost goes by a person's word
 * only, and stands beside that of an operation.
 *
 * The account is bounded (I11). What comes when it is full waits here, and the state is looked at again with back-off,
 * since whoever mends the cause removes the records there. A peer's operation is not settled meanwhile: no checkpoint
 * passes it (I6), and that peer's reader stops at the end of its window. For an own entry nothing waits: it stays in the
 * bucket, where the next start meets it again, and one record per key is all that is kept of it here.
 */
import { type BucketCounters, peerCounters } from "../core/counters.js";
import { GatewayError, toGatewayError } from "../core/errors.js";
import type { Observe } from "../core/events.js";
import { hash128 } from "../core/hash.js";
import type { BucketName, Key, SiteId } from "../core/ids.js";
import { SET_ASIDE_PER_BUCKET_MAX } from "../core/limits.js";
import type { Clock, SetAside, SetAsideRecord, SiteState } from "../core/ports.js";
import { type Version, compareVersions } from "../core/version.js";
import { type Backoff, wait } from "./retry.js";

export interface SetAsideStore {
  /** Durable when it resolves; an own entry may be waiting for room instead. KVGW_STATE_UNAVAILABLE. */
  put(setAside: SetAside): Promise<void>;
  /** Whether this very operation is on record. KVGW_STATE_UNAVAILABLE. */
  has(origin: SiteId, key: Key, version: Version): Promise<boolean>;
  /** Forgets this record, unless it has been replaced by another one. KVGW_STATE_UNAVAILABLE. */
  forget(record: SetAsideRecord): Promise<void>;
  /** Forgets what is on record of the key, if `isGone` says so of it; not a ghost. KVGW_STATE_UNAVAILABLE. */
  remove(origin: string, key: string, isGone: (record: SetAsideRecord) => boolean): Promise<void>;
  find(origin: string, key: string): SetAsideRecord | undefined;
  records(): readonly SetAsideRecord[];
  /** Noted, or waiting for room. */
  count(): number;
}

export interface SetAsideDeps {
  readonly site: SiteId;
  readonly bucket: BucketName;
  readonly state: SiteState;
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly counters: BucketCounters;
  readonly observe: Observe;
  readonly signal: AbortSignal;
  /** KVGW_SET_ASIDE_FULL while operations of `origin` wait for room, null when none of them does any more. */
  readonly onFull: (origin: string, error: GatewayError | null) => void;
  readonly onFatal: (error: GatewayError) => void;
}

interface Waiting {
  setAside: SetAside;
  readonly noted: (() => void)[];
}

export async function loadSetAside(deps: SetAsideDeps): Promise<SetAsideStore> {
  const { state, bucket, signal, backoff } = deps;
  const prefix = `set-aside.${bucket}`;
  // Null for a record that is none of ours: it takes its place, and is left alone.
  let kept = await readAll();
  // One after the other for each record, so that what is forgotten does not come back.
  const turns = new Map<string, Promise<void>>();
  const waitingByKey = new Map<string, Waiting>();
  let toldOrigins: ReadonlySet<string> = new Set();
  let looking = false;

  const keyOf = (origin: string, key: string) => `${prefix}.${origin}.${hash128(key)}`;
  const ghostKeyOf = (origin: string, key: string) => `${keyOf(origin, key)}.ghost`;
  const placeFor = ({ origin, key, reason }: SetAside) => (reason === "ghost" ? ghostKeyOf : keyOf)(origin, key);
  const hasRoom = (stateKey: string) => kept.has(stateKey) || kept.size < SET_ASIDE_PER_BUCKET_MAX;

  async function readAll(): Promise<Map<string, SetAsideRecord | null>> {
    const found = new Map<string, SetAsideRecord | null>();
    await state.scan(prefix, (stateKey, value) => void found.set(stateKey, toRecord(value)));
    return found;
  }

  function inTurn(stateKey: string, work: () => Promise<void>): Promise<void> {
    const turn = (turns.get(stateKey) ?? Promise.resolve()).catch(() => undefined).then(work);
    turns.set(stateKey, turn);
    const end = () => {
      if (turns.get(stateKey) === turn) turns.delete(stateKey);
    };
    turn.then(end, end);
    return turn;
  }

  function note(stateKey: string, setAside: SetAside): Promise<void> {
    const known = kept.get(stateKey);
    // Its place is taken at once, and again afterwards: a look at the state in between may not have shown it.
    kept.set(stateKey, known ?? null);
    return inTurn(stateKey, () => write(stateKey, setAside, known !== undefined));
  }

  async function write(stateKey: string, setAside: SetAside, known: boolean): Promise<void> {
    // What a start meets again is on record already: nothing is new, and nothing is written.
    if (known && isOf((await state.load(stateKey)).value, setAside)) return;
    const record: SetAsideRecord = { ...setAside, sinceMs: deps.clock.nowMs() };
    await state.save(stateKey, record);
    kept.set(stateKey, record);
    countersOf(deps, setAside.origin)[setAside.reason]++;
    deps.observe({ type: "set-aside", bucket, setAside });
  }

  function placeOf(stateKey: string, setAside: SetAside): Waiting {
    const place = waitingByKey.get(stateKey) ?? { setAside, noted: [] };
    place.setAside = setAside;
    waitingByKey.set(stateKey, place);
    if (!toldOrigins.has(setAside.origin)) tell();
    if (!looking) lookForRoom().catch((thrown: unknown) => deps.onFatal(toGatewayError(thrown)));
    return place;
  }

  async function lookForRoom(): Promise<void> {
    looking = true;
    while (waitingByKey.size > 0) {
      await wait(deps.clock, backoff.nextMs(), signal);
      if (signal.aborted) return;
      kept = await readAll();
      await admit();
    }
    looking = false;
    backoff.reset();
  }

  async function admit(): Promise<void> {
    for (const [stateKey, { setAside, noted }] of [...waitingByKey]) {
      if (!hasRoom(stateKey)) continue;
      waitingByKey.delete(stateKey);
      await note(stateKey, setAside);
      for (const settle of noted) settle();
    }
    tell();
  }

  function tell(): void {
    const before = toldOrigins;
    toldOrigins = new Set([...waitingByKey.values()].map(({ setAside }) => setAside.origin));
    for (const origin of toldOrigins) if (!before.has(origin)) deps.onFull(origin, full(bucket));
    for (const origin of before) if (!toldOrigins.has(origin)) deps.onFull(origin, null);
  }

  function remove(stateKey: string, isGone: (record: SetAsideRecord) => boolean): Promise<void> {
    if (!kept.has(stateKey)) return Promise.resolve();
    return inTurn(stateKey, async () => {
      const record = kept.get(stateKey);
      if (record === undefined || record === null || !isGone(record)) return;
      await state.remove(stateKey);
      kept.delete(stateKey);
    });
  }

  return {
    async put(setAside) {
      const stateKey = placeFor(setAside);
      if (hasRoom(stateKey)) return note(stateKey, setAside);
      const { noted } = placeOf(stateKey, setAside);
      if (setAside.origin !== deps.site || setAside.reason === "ghost") return new Promise((resolve) => noted.push(resolve));
    },
    has: async (origin, key, version) =>
      kept.has(keyOf(origin, key)) && isOf((await state.load(keyOf(origin, key))).value, { version }),
    forget: (record) => remove(placeFor(record), (now) => now === record),
    remove: (origin, key, isGone) => remove(keyOf(origin, key), isGone),
    find: (origin, key) => kept.get(keyOf(origin, key)) ?? undefined,
    records: () => [...kept.values()].filter((record) => record !== null),
    count: () => kept.size + waitingByKey.size,
  };
}

function toRecord(value: unknown): SetAsideRecord | null {
  const { key, origin, reason, sinceMs = 0 } = (value ?? {}) as Partial<SetAsideRecord>;
  return key === undefined || origin === undefined || reason === undefined ? null : { ...(value as SetAsideRecord), sinceMs };
}

/** Whether the record is of this very operation, and not of an earlier one of its key: by its version, or else by where it
 *  stands. */
function isOf(record: unknown, { at, version }: Pick<SetAside, "version"> & Partial<Pick<SetAside, "at">>): boolean {
  const known = record as Partial<SetAside> | null;
  const other = known?.version ?? null;
  if (version !== null && other !== null) return compareVersions(other, version) === 0;
  return at !== undefined && known?.at?.created === at.created && known.at.position === at.position;
}

const countersOf = ({ counters, site }: SetAsideDeps, origin: string) =>
  (origin === site ? counters : peerCounters(counters, origin as SiteId)).setAside;

const full = (bucket: BucketName) =>
  new GatewayError(
    "KVGW_SET_ASIDE_FULL",
    `bucket ${bucket}: ${SET_ASIDE_PER_BUCKET_MAX} operations are set aside already; mend their cause, then kvgw set-aside release or drop`,
  );
