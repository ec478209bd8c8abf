/**
 * Remembers across a crash which versions may have been overwritten unseen (I5, case c).
 *
 * A local write that lands while the gateway is down overwrites whatever was applied last; with history 1 nothing of
 * it remains, so the version that the write must exceed has to be durable *before* the apply is sent. Writing every
 * version would cost a write per operation. Instead a floor is kept a few seconds ahead of the clock, written once in
 * that time while operations are applied; only a version above the floor gets a record of its own. A run stamps
 * every local write above the floor that it found, and above its key's record if there is one: not only while it catches
 * up, because an apply that an earlier run left with the server may land later, and because nothing tells what was
 * overwritten where the message itself is gone. The price: for those few seconds after a start, our writes are stamped
 * up to as much ahead, and win over a peer's of the same seconds.
 *
 * The floor never falls, but for one case: a clock that was far ahead has written it, and is right again. Records go once
 * the floor has passed them. Nothing is written while nothing is applied (I13).
 *
 * A store that was put back, this state with it, has two runs begin at one floor, of which the first is forgotten here and not
 * at peers. So each run stamps above it by another part of a second: else both would give one key one version.
 *
 * Every save follows the record that was seen last, so one that comes late, from a gateway that is dead, cannot lower what
 * was saved since. Whoever is refused takes in what is there: the higher floor, and of each key the higher record.
 */
import { GatewayError, toGatewayError } from "../core/errors.js";
import type { BucketName, Key } from "../core/ids.js";
import { CAUSALITY_KEY_BYTES_MAX, CAUSALITY_RECORDS_MAX, FLOOR_AHEAD_US, FLOOR_APART_US, STATE_SAVES_MAX } from "../core/limits.js";
import type { Operation } from "../core/operation.js";
import type { Clock, SiteState } from "../core/ports.js";
import type { Causality } from "../core/replica.js";

export interface CausalityGuard extends Causality {
  /** Whether `operation` may be sent now. If not, `then` is called once it may, durably. */
  cover(operation: Operation, then: () => void): boolean;
  /** Nothing above `limitUs` counts any more: see `clock-guard.ts`. */
  lowerTo(limitUs: number): void;
  /** Resolves when what is being saved now is, or has failed. */
  settled(): Promise<void>;
}

interface Floor {
  readonly floorUs: number;
  readonly recordByKey: ReadonlyMap<string, number>;
}

export interface CausalityDeps {
  readonly bucket: BucketName;
  readonly state: SiteState;
  readonly clock: Clock;
  /** From 0 to below 1, another one for every run. */
  readonly share: number;
  readonly onFailure: (error: GatewayError) => void;
}

export async function loadCausality(deps: CausalityDeps): Promise<CausalityGuard> {
  const stateKey = `causality.${deps.bucket}`;
  const found = await deps.state.load(stateKey);
  let { revision } = found;
  let durable = parseFloor(found.value);
  // What this run has found: at its start, or since then of another gateway of the site.
  let foreign = durable;
  let leastUs = durable.floorUs;
  const recordByKey = new Map(durable.recordByKey);
  let saving: Promise<void> | null = null;
  let waiting: (() => void)[] = [];

  const nowUs = () => deps.clock.nowMs() * 1_000;
  const apartUs = Math.floor(deps.share * FLOOR_APART_US);

  /** One write at a time; whatever is asked for meanwhile goes into the next one. */
  async function save(): Promise<void> {
    const released = waiting;
    waiting = [];
    for (let saves = 1; !(await isSaved(saves)); saves++) await merge();
    saving = null;
    for (const then of released) then();
    if (waiting.length > 0) start();
  }

  /** False if somebody else has written meanwhile. */
  async function isSaved(saves: number): Promise<boolean> {
    const floorUs = Math.max(leastUs, nowUs() + FLOOR_AHEAD_US, aboveTooMany(recordByKey));
    for (const [key, ts] of recordByKey) if (ts <= floorUs) recordByKey.delete(key);
    const next: Floor = { floorUs, recordByKey: new Map(recordByKey) };
    try {
      revision = await deps.state.save(stateKey, { floorUs, records: [...recordByKey] }, revision);
    } catch (thrown) {
      const isChanged = thrown instanceof GatewayError && thrown.code === "KVGW_STATE_CHANGED";
      if (isChanged && saves < STATE_SAVES_MAX) return false;
      throw thrown;
    }
    durable = next;
    leastUs = floorUs;
    return true;
  }

  /** What another gateway of this site applies lies below its floor, and our tail may never show it. */
  async function merge(): Promise<void> {
    const now = await deps.state.load(stateKey);
    const theirs = parseFloor(now.value);
    revision = now.revision;
    foreign = higher(foreign, theirs);
    durable = theirs;
    leastUs = Math.max(leastUs, theirs.floorUs);
    for (const [key, ts] of theirs.recordByKey) recordByKey.set(key, Math.max(ts, recordByKey.get(key) ?? 0));
  }

  function start(): void {
    // What failed ends the run; nothing is saved any more.
    saving ??= save().catch((thrown: unknown) => deps.onFailure(toGatewayError(thrown)));
  }

  const isDurable = (key: Key, ts: number) => ts <= durable.floorUs || ts <= (durable.recordByKey.get(key) ?? 0);

  return {
    aboveUs(key) {
      const foundUs = Math.max(foreign.floorUs, foreign.recordByKey.get(key) ?? 0);
      return foundUs === 0 ? 0 : foundUs + apartUs;
    },
    cover({ key, version: { ts } }, then) {
      if (isDurable(key, ts)) {
        // Raised in good time, so that a steady stream never waits for it.
        if (durable.floorUs - nowUs() < FLOOR_AHEAD_US / 2) start();
        return true;
      }
      if (ts > nowUs() + FLOOR_AHEAD_US) recordByKey.set(key, Math.max(recordByKey.get(key) ?? 0, ts));
      waiting.push(then);
      start();
      return false;
    },
    lowerTo(limitUs) {
      foreign = lowered(foreign, limitUs);
      const next = lowered(durable, limitUs);
      leastUs = Math.min(leastUs, limitUs);
      if (next === durable) return;
      durable = next;
      for (const [key, ts] of recordByKey) if (ts > limitUs) recordByKey.delete(key);
      start();
    },
    settled: () => saving ?? Promise.resolve(),
  };
}

function higher(one: Floor, other: Floor): Floor {
  const recordByKey = new Map(one.recordByKey);
  for (const [key, ts] of other.recordByKey) recordByKey.set(key, Math.max(ts, recordByKey.get(key) ?? 0));
  return { floorUs: Math.max(one.floorUs, other.floorUs), recordByKey };
}

/** The same one where nothing of it is above the limit. */
function lowered(floor: Floor, limitUs: number): Floor {
  const records = [...floor.recordByKey].filter(([, ts]) => ts <= limitUs);
  if (floor.floorUs <= limitUs && records.length === floor.recordByKey.size) return floor;
  return { floorUs: Math.min(floor.floorUs, limitUs), recordByKey: new Map(records) };
}

/** The highest of the records where they are too many to be kept beside the floor, else nothing. */
function aboveTooMany(recordByKey: ReadonlyMap<string, number>): number {
  let [keyBytes, highest] = [0, 0];
  for (const [key, ts] of recordByKey) {
    // Keys are ASCII.
    keyBytes += key.length;
    if (ts > highest) highest = ts;
  }
  return recordByKey.size > CAUSALITY_RECORDS_MAX || keyBytes > CAUSALITY_KEY_BYTES_MAX ? highest : 0;
}

function parseFloor(value: unknown): Floor {
  if (value === null) return { floorUs: 0, recordByKey: new Map() };
  const { floorUs, records } = value as { floorUs?: unknown; records?: unknown };
  if (typeof floorUs === "number" && Array.isArray(records)) {
    return { floorUs, recordByKey: new Map(records as [string, number][]) };
  }
  throw new GatewayError(
    "KVGW_STATE_UNAVAILABLE",
    "the causality floor in the site's state is unreadable; restore the state bucket from a backup, or delete this key",
  );
}
