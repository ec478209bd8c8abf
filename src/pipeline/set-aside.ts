/**
 * Keeps account of what could not be applied or logged: durable in the site's state before anything passes it, the
 * newest per origin and key. The operation itself stays where it is, in its log or in the bucket; the record says where.
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
import type { Clock, SetAside, SiteState } from "../core/ports.js";
import { type Version, compareVersions } from "../core/version.js";
import { type Backoff, wait } from "./retry.js";

export interface SetAsideStore {
  /** Durable when it resolves; an own entry may be waiting for room instead. KVGW_STATE_UNAVAILABLE. */
  put(setAside: SetAside): Promise<void>;
  /** Whether this very operation is on record. KVGW_STATE_UNAVAILABLE. */
  has(origin: SiteId, key: Key, version: Version): Promise<boolean>;
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
  let kept = new Set(await state.keys(prefix));
  const waitingByKey = new Map<string, Waiting>();
  let toldOrigins: ReadonlySet<string> = new Set();
  let looking = false;

  const keyOf = (origin: string, key: string) => `${prefix}.${origin}.${hash128(key)}`;
  const hasRoom = (stateKey: string) => kept.has(stateKey) || kept.size < SET_ASIDE_PER_BUCKET_MAX;

  async function note(stateKey: string, setAside: SetAside): Promise<void> {
    // What a start meets again is on record already: nothing is new, and nothing is written.
    if (kept.has(stateKey) && isOf((await state.load(stateKey)).value, setAside)) return;
    // Its place is taken at once, and again afterwards: a look at the state in between may not have shown it.
    kept.add(stateKey);
    await state.save(stateKey, setAside);
    kept.add(stateKey);
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
      kept = new Set(await state.keys(prefix));
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

  return {
    async put(setAside) {
      const stateKey = keyOf(setAside.origin, setAside.key);
      if (hasRoom(stateKey)) return note(stateKey, setAside);
      const { noted } = placeOf(stateKey, setAside);
      if (setAside.origin !== deps.site) return new Promise((resolve) => noted.push(resolve));
    },
    has: async (origin, key, version) =>
      kept.has(keyOf(origin, key)) && isOf((await state.load(keyOf(origin, key))).value, { version }),
    count: () => kept.size + waitingByKey.size,
  };
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
    `bucket ${bucket}: ${SET_ASIDE_PER_BUCKET_MAX} operations are set aside already; mend their cause, then remove their records`,
  );
