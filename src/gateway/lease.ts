/**
 * Which of a site's gateways works: whoever holds the lease, one record in the site's state. The others wait. No time of
 * another machine is ever compared: who waits watches the record's revision, by its own clock that never steps, and takes
 * over by a save that must follow the very record it saw, so that of several only one succeeds.
 *
 * The lease spares two gateways each other; nothing relies on it. A holder that cannot reach the state goes on working,
 * and two that work at once cost effort and harm nothing.
 *
 * A process that is gone shows at once: nobody answers for it any more. Only a machine that vanished, or a process that
 * hangs, takes the time after which a lease counts as left. The holder renews it only while somebody asks for it, so a
 * gateway that is alone writes nothing (I13); where questions cannot reach it, it renews all the time.
 */
import { type GatewayError, toGatewayError } from "../core/errors.js";
import type { Observe, Reason } from "../core/events.js";
import type { Revision } from "../core/ids.js";
import { LEASE_ABSENCES, LEASE_LOOK_MS, LEASE_RELEASE_MS, LEASE_RENEW_MS, LEASE_TTL_MS } from "../core/limits.js";
import type { Clock, Presence, SiteState } from "../core/ports.js";
import { atMost, wait } from "../pipeline/retry.js";
import { createAnnouncement } from "./announcement.js";
import { FREE, type Holder, type LeaseRecord, heldBy, readLease } from "./lease-record.js";
import type { LeaseStatus, Role } from "./status.js";

/** The site's own NATS. */
export interface SitePorts {
  readonly state: SiteState;
  readonly presence: Presence;
  /** KVGW_UNREACHABLE after a bounded wait. */
  ready(): Promise<unknown>;
  onUp(callback: () => void): () => void;
}

export interface SiteLeaseDeps {
  /** As the config in force has them. */
  readonly ports: () => SitePorts;
  readonly holder: Holder;
  readonly clock: Clock;
  readonly observe: Observe;
  /** Called when it is known first, then with null before, and whenever it changes. */
  readonly onRole: (role: Role, before: Role | null) => void;
}

export interface SiteLease {
  /** Null until it is known. */
  role(): Role | null;
  status(): LeaseStatus;
  /** Gives it back. To be called when nothing runs any more; never rejects. */
  release(): Promise<void>;
}

/** Somebody else's record, while it stays as it is. */
interface Seen {
  readonly revision: Revision;
  readonly sinceMs: number;
  /** Looks in a row at which nobody answered for the holder. */
  readonly absences: number;
}

/** Of the site as a whole, in its state. */
export const SITE_LEASE_KEY = "lease";

export function createSiteLease({ ports, holder, clock, observe, onRole }: SiteLeaseDeps): SiteLease {
  const stopping = new AbortController();
  let role: Role | null = null;
  let held: Revision | null = null;
  let record: LeaseRecord | null = null;
  let seen: Seen | null = null;
  let unreached: Reason | null = null;
  let asked = false;
  const announcement = createAnnouncement(holder.id, () => (asked = true));

  function enter(next: Role): void {
    const before = role;
    if (before === next) return;
    role = next;
    onRole(next, before);
  }

  const isOwn = () => record?.holder === holder.id;

  async function follow(): Promise<void> {
    while (!stopping.signal.aborted) {
      await step();
      await wait(clock, held === null ? LEASE_LOOK_MS : LEASE_RENEW_MS, stopping.signal, (wake) => ports().onUp(wake));
    }
  }

  async function step(): Promise<void> {
    const site = ports();
    try {
      if (role === null) await site.ready();
      await look(site);
      unreached = null;
    } catch (thrown) {
      const error = toGatewayError(thrown);
      // Somebody was quicker; the next look shows who.
      if (error.code === "KVGW_STATE_CHANGED") return;
      // Who cannot look cannot tell that another one is silent.
      seen = null;
      giveUp(error);
    }
  }

  /** Whoever works goes on, whoever waits goes on waiting, and a gateway that has just started begins: it does not harm. */
  function giveUp({ code, message }: GatewayError): void {
    if (stopping.signal.aborted) return;
    const known = unreached?.code === code;
    unreached = { code, message };
    if (!known) observe({ type: "lease", state: "unknown", holder: record?.name ?? null, reason: unreached });
    if (role === null) enter("active");
  }

  async function look(site: SitePorts): Promise<void> {
    // Before the question: the answer may come late, and is then old.
    const atMs = clock.elapsedMs();
    const found = await site.state.load(SITE_LEASE_KEY);
    if (stopping.signal.aborted) return;
    const before = record;
    record = readLease(found.value);
    if (isOwn()) return hold(site, found.revision);
    if (record === null || (await isLeft(site.presence, record, found.revision, atMs))) return take(site, found.revision);
    stepBack(before?.name !== record.name);
  }

  /** The record is ours, also where nobody had told us that our save arrived. */
  async function hold(site: SitePorts, revision: Revision): Promise<void> {
    gained(revision);
    const answers = await announcement.reaches(site.presence);
    if (answers && !asked && record?.answers === true) return;
    asked = false;
    await save(site.state, answers, revision);
  }

  async function take(site: SitePorts, revision: Revision): Promise<void> {
    const answers = await announcement.reaches(site.presence);
    if (stopping.signal.aborted) return;
    await save(site.state, answers, revision);
  }

  async function save(state: SiteState, answers: boolean, expected: Revision): Promise<void> {
    const fresh = heldBy(holder, clock, answers);
    const next = isOwn() && record !== null ? { ...fresh, since: record.since } : fresh;
    const revision = await state.save(SITE_LEASE_KEY, next, expected);
    record = next;
    gained(revision);
  }

  function gained(revision: Revision): void {
    const isNew = held === null;
    held = revision;
    seen = null;
    if (isNew) observe({ type: "lease", state: "held", holder: holder.name, reason: null });
    enter("active");
  }

  function stepBack(isOther: boolean): void {
    const lost = held !== null;
    held = null;
    if (lost || role !== "standby" || isOther) {
      const by = record?.name ?? null;
      const reason: Reason = { code: "KVGW_STANDBY", message: `another gateway of this site has taken over: ${by}` };
      observe({ type: "lease", state: lost ? "lost" : "waiting", holder: by, reason: lost ? reason : null });
    }
    enter("standby");
  }

  async function isLeft(presence: Presence, other: LeaseRecord, revision: Revision, atMs: number): Promise<boolean> {
    const isSame = seen?.revision === revision;
    const before: Seen = isSame && seen !== null ? seen : { revision, sinceMs: atMs, absences: 0 };
    seen = before;
    if (atMs - before.sinceMs >= LEASE_TTL_MS) return true;
    // A record that has just changed was renewed by somebody alive; a gateway that does not wait yet asks all the same.
    if (other.holder === null || !other.answers || (!isSame && role === "standby")) return false;
    // Where nothing can be said the holder may be alive.
    const isHere = await presence.isHere(other.holder).catch(() => true);
    seen = { ...before, absences: isHere ? 0 : before.absences + 1 };
    return seen.absences >= (role === "standby" ? LEASE_ABSENCES : 1);
  }

  const done = follow();

  return {
    role: () => role,
    status: () => ({ held: held !== null, holder: record?.name ?? null, since: record?.since ?? null, reason: unreached }),
    async release() {
      stopping.abort();
      // A renewal that is under way would change the record once more.
      if (held !== null) await atMost(clock, LEASE_RELEASE_MS, done);
      announcement.end();
      if (held === null) return;
      await atMost(clock, LEASE_RELEASE_MS, ports().state.save(SITE_LEASE_KEY, FREE, held));
    },
  };
}
