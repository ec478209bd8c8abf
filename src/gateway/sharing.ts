/**
 * All gateways of a site work, and share its buckets. Each looks at the roll of those that share, knows from it alone which
 * buckets fall to which, ends what falls to another by now and gives it back, and takes what falls to it as soon as that is
 * free. Nobody is asked for anything, so who comes is given its share, and who goes leaves its own to the rest.
 *
 * As with the lease of one gateway nothing relies on it: a gateway that cannot reach the state goes on with what it has.
 * One that works alone, of an older version or before it has read the new config, goes first: all buckets rest until its
 * lease is free.
 */
import { GatewayError, toGatewayError } from "../core/errors.js";
import type { Observe, Reason } from "../core/events.js";
import { hash128 } from "../core/hash.js";
import type { BucketName } from "../core/ids.js";
import { LEASE_ABSENCES, LEASE_LOOK_MS, LEASE_RELEASE_MS, STATE_SAVES_MAX } from "../core/limits.js";
import type { Clock, SiteState } from "../core/ports.js";
import { takerOf } from "../core/rendezvous.js";
import { atMost, wait } from "../pipeline/retry.js";
import type { Admission } from "./admission.js";
import { type FoundLease, createBucketLeases } from "./bucket-leases.js";
import type { LeasedSitePorts } from "./build.js";
import { type Holder, readLease } from "./lease-record.js";
import { SITE_LEASE_KEY, type SitePorts } from "./lease.js";
import { createLives } from "./lives.js";
import { type Member, type Roll, createMembership } from "./membership.js";
import { standbySentence } from "./snapshot.js";
import type { Role } from "./status.js";

export interface SharingDeps {
  readonly holder: Holder;
  readonly clock: Clock;
  readonly observe: Observe;
  /** These may begin. */
  readonly onHeld: (buckets: readonly BucketName[]) => void;
  /** This one must end; resolves when nothing of it runs any more. */
  readonly onLost: (bucket: BucketName) => Promise<void>;
}

/** The buckets that a config has, and what stands for their names on the roll. */
interface Offered {
  readonly buckets: readonly BucketName[];
  readonly alike: string;
}

interface Shares {
  readonly of: string;
  readonly takerByBucket: ReadonlyMap<BucketName, Member>;
}

export function createSharing({ holder, clock, observe, onHeld, onLost }: SharingDeps): Admission {
  const stopping = new AbortController();
  const membership = createMembership(holder, clock);
  const leases = createBucketLeases(holder, clock);
  const lonely = createLives(clock);
  let ports: LeasedSitePorts | null = null;
  let looking: Promise<void> | null = null;
  let offered: Offered = { buckets: [], alike: "" };
  let roll: Roll | null = null;
  let shares: Shares = { of: "", takerByBucket: new Map() };
  /** Those that may run here. */
  const held = new Set<BucketName>();
  /** Those whose records may name us: held ones, ones that end, and ones of which we were not told whether we got them. */
  const claimed = new Set<BucketName>();
  const ending = new Set<BucketName>();
  /** Of what falls to us: who has it still. */
  const holders = new Map<BucketName, string>();
  let role: Role | null = null;
  let alone: string | null = null;
  let unreached: Reason | null = null;
  let look = () => {};

  async function lookOn(): Promise<void> {
    while (ports !== null && !stopping.signal.aborted) {
      // Somebody was quicker: what is there now is looked at without delay, or the same one might be quicker every time.
      for (let saves = 1; !(await step(ports)) && saves < STATE_SAVES_MAX; saves++);
      const { onUp } = ports;
      await wait(clock, LEASE_LOOK_MS, stopping.signal, (callback) => {
        look = callback;
        return onUp(callback);
      });
    }
  }

  /** False where the state has changed under it. */
  async function step(site: SitePorts): Promise<boolean> {
    try {
      if (role === null) await site.ready();
      await takePart(site);
      unreached = null;
    } catch (thrown) {
      const error = toGatewayError(thrown);
      if (error.code === "KVGW_STATE_CHANGED" && !stopping.signal.aborted) return false;
      giveUp(error);
    }
    return true;
  }

  /** Whoever works goes on. */
  function giveUp({ code, message }: GatewayError): void {
    if (stopping.signal.aborted) return;
    const known = unreached?.code === code;
    unreached = { code, message };
    if (!known) observe({ type: "sharing", state: "unknown", members: names(), reason: unreached });
  }

  async function takePart(site: SitePorts): Promise<void> {
    // As they are on the roll: another config may come while it is read.
    const known = offered;
    const now = await membership.look(site, known.alike);
    if (stopping.signal.aborted) return;
    // The others have taken us for gone, and have by now what we had.
    if (now === null) return endAll(site.state, [...claimed]);
    const isOther = roll === null || idsOf(roll) !== idsOf(now);
    roll = now;
    if (isOther) observe({ type: "sharing", state: "known", members: names(), reason: null });
    alone = await loneHolder(site);
    role = alone === null ? "active" : "standby";
    if (alone !== null) return endAll(site.state, [...claimed]);
    await shareOut(site.state, now, known);
  }

  /** Who works all buckets by the lease of the site, null where nobody does. */
  async function loneHolder({ state, presence }: SitePorts): Promise<string | null> {
    const { value, revision } = await state.load(SITE_LEASE_KEY);
    const record = readLease(value);
    if (record === null || record.holder === null || record.holder === holder.id) return null;
    const gone = await lonely.gone(presence, [{ id: record.holder, mark: revision, answers: record.answers }], LEASE_ABSENCES);
    return gone.has(record.holder) ? null : record.name;
  }

  async function shareOut(state: SiteState, now: Roll, known: Offered): Promise<void> {
    const takerByBucket = sharesOf(now, known);
    const isOurs = (bucket: BucketName) => takerByBucket.get(bucket)?.id === holder.id;
    endAll(state, [...claimed].filter((bucket) => !isOurs(bucket)));
    const wanted = known.buckets.filter((bucket) => isOurs(bucket) && !held.has(bucket) && !ending.has(bucket));
    const found = await leases.look(state, wanted);
    holders.clear();
    const free = found.filter((lease) => isFree(lease, now));
    // Whoever is on no roll has gone, or has come since we read it.
    const areStrange = free.some(({ record }) => record !== null && record.holder !== holder.id);
    if (areStrange && !(await membership.isCurrent(state, now))) return;
    if (free.length === 0 || stopping.signal.aborted) return;
    for (const { bucket } of free) claimed.add(bucket);
    const taken = await leases.take(state, free);
    for (const bucket of taken) held.add(bucket);
    if (taken.length > 0) onHeld(taken);
  }

  /** Only who has the same buckets has a part in them: while a changed config goes round, each one that has read it knows
   *  nobody else who could work what is new. */
  function sharesOf({ revision, members }: Roll, { buckets, alike }: Offered): Shares["takerByBucket"] {
    const of = `${revision} ${alike}`;
    if (shares.of === of) return shares.takerByBucket;
    const takers = members.filter((member) => member.buckets === alike);
    const pairs = buckets.flatMap((bucket) => {
      const taker = takerOf(bucket, takers);
      return taker === null ? [] : [[bucket, taker] as const];
    });
    shares = { of, takerByBucket: new Map(pairs) };
    return shares.takerByBucket;
  }

  function isFree({ bucket, record }: FoundLease, { members }: Roll): boolean {
    const other = members.find(({ id }) => id === record?.holder && id !== holder.id);
    if (other !== undefined) holders.set(bucket, other.name);
    return other === undefined;
  }

  function endAll(state: SiteState, all: readonly BucketName[]): void {
    for (const bucket of all) if (!ending.has(bucket)) void end(state, bucket);
  }

  async function end(state: SiteState, bucket: BucketName): Promise<void> {
    ending.add(bucket);
    try {
      if (held.delete(bucket)) await onLost(bucket);
      await leases.giveBack(state, bucket);
      claimed.delete(bucket);
    } catch {
      // It is still claimed: the next look gives it back, or takes it.
    } finally {
      ending.delete(bucket);
    }
  }

  const names = () => (roll?.members ?? []).map(({ name }) => name);

  function standby(bucket: BucketName): GatewayError | null {
    if (held.has(bucket)) return null;
    if (role === "standby") return new GatewayError("KVGW_STANDBY", standbySentence(alone));
    return new GatewayError("KVGW_WORKED_ELSEWHERE", elsewhere(bucket));
  }

  function elsewhere(bucket: BucketName): string {
    const taker = shares.takerByBucket.get(bucket);
    if (taker === undefined) return `it is not known yet which gateway of this site works bucket ${bucket}`;
    if (taker.id !== holder.id) return `bucket ${bucket} is worked by another gateway of this site: ${taker.name}`;
    return `bucket ${bucket} falls to this gateway, which waits for the one that had it: ${holders.get(bucket) ?? "not known yet"}`;
  }

  return {
    follow(build, next) {
      const before = ports;
      ports = build();
      offered = { buckets: next, alike: hash128(next.join(" ")) };
      looking ??= lookOn();
      look();
      before?.release();
    },
    role: () => role,
    standby,
    admitted(bucket) {
      const why = standby(bucket);
      return why === null ? Promise.resolve() : Promise.reject(why);
    },
    lease() {
      const own = role === "active" ? roll?.members.find(({ id }) => id === holder.id) : undefined;
      return { held: own !== undefined, holder: own?.name ?? alone, since: own?.since ?? null, reason: unreached };
    },
    bucketLease(bucket) {
      const taker = shares.takerByBucket.get(bucket);
      const due = taker === undefined || taker.id === holder.id;
      const who = held.has(bucket) ? holder.name : due ? (holders.get(bucket) ?? null) : taker.name;
      return { held: held.has(bucket), due, holder: role === "standby" ? alone : who };
    },
    members: () => roll?.members ?? [],
    async release() {
      stopping.abort();
      // A look that is under way could enter us once more.
      if (looking !== null) await atMost(clock, LEASE_RELEASE_MS, looking);
      // What we held is free with that: nobody waits for whoever is on no roll.
      if (ports !== null) await atMost(clock, LEASE_RELEASE_MS, membership.leave(ports.state));
      ports?.release();
    },
  };
}

const idsOf = ({ members }: Roll): string =>
  members
    .map(({ id }) => id)
    .sort()
    .join(" ");
