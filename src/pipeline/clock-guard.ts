/**
 * Keeps one site's broken clock from deciding for years. A version that is more than `maxClockSkew` ahead of the local
 * clock is *ahead*. An operation that is ahead is not applied but set aside until its time has come near. What stands here
 * already and is ahead (this clock was wrong, too) counts as if it were not there: whatever is not ahead replaces it, so
 * what its origin logs again below it gets everywhere. At any moment that is one total order of all versions, first what
 * is ahead, then the rest by version; so sites whose clocks agree still end equal whatever the order of arrival (I2).
 *
 * The local clock may be the one that is wrong: one that began in 1970 sees everything ahead. Waiting harms nobody, so an
 * operation is set aside by the local clock alone. To replace what stands here, most of the clocks that are known must
 * agree with it.
 */
import type { Known } from "../core/replica.js";
import type { Key, SiteId } from "../core/ids.js";
import type { Clock } from "../core/ports.js";
import { type Version, compareVersions } from "../core/version.js";

export interface ClockGuard {
  isAhead(version: Version): boolean;
  /** Whether most of the sites whose clocks are known agree with the local one, and at least one does. */
  isTrusted(): boolean;
  /** In a handshake the peer's clock was ahead of the local one by so much. */
  measured(peer: SiteId, skewMs: number): void;
  /** What an operation of the version is to be decided against, where `known` stands. */
  standing(key: Key, known: Known | undefined, version: Version): Known | undefined;
  /** Whether what stands here gives way to whatever is not ahead. */
  givesWay(key: Key, version: Version): boolean;
  /** Whether a peer's operation has to wait. */
  holdsBack(key: Key, version: Version): boolean;
  /** An operator lets this very operation pass, once, until the run ends. */
  admit(key: Key, version: Version): void;
  isAdmitted(key: Key, version: Version): boolean;
  /** It could not be applied for another reason. */
  expel(key: Key, version: Version): void;
  /** The own log has it and will have it again as another version: nothing else may replace it before that. */
  protectOwn(isProtected: (version: Version) => boolean): void;
}

export interface ClockGuardDeps {
  readonly site: SiteId;
  readonly clock: Clock;
  /** May change while it runs. */
  readonly maxClockSkewMs: () => number;
}

/** A peer's clock as it was measured, and how the local clock stood to the time that never steps. */
interface Measured {
  readonly skewMs: number;
  readonly offsetMs: number;
}

export function createClockGuard({ site, clock, maxClockSkewMs }: ClockGuardDeps): ClockGuard {
  const measuredByPeer = new Map<SiteId, Measured>();
  const admittedByKey = new Map<Key, Version>();
  let isProtected: (version: Version) => boolean = () => false;

  const offsetMs = () => clock.nowMs() - clock.elapsedMs();
  const isAhead = ({ ts }: Version) => ts > (clock.nowMs() + maxClockSkewMs()) * 1_000;
  const isAdmitted = (key: Key, version: Version) => {
    const admitted = admittedByKey.get(key);
    return admitted !== undefined && compareVersions(admitted, version) === 0;
  };

  function isTrusted(): boolean {
    let agreeing = 0;
    // A step of the local clock since then shows without another handshake.
    for (const { skewMs, offsetMs: then } of measuredByPeer.values()) {
      if (Math.abs(skewMs - (offsetMs() - then)) <= maxClockSkewMs()) agreeing++;
    }
    return agreeing > 0 && agreeing + 1 > measuredByPeer.size - agreeing;
  }

  const givesWay = (key: Key, version: Version) =>
    isAhead(version) && !isAdmitted(key, version) && !(version.site === site && isProtected(version)) && isTrusted();

  return {
    ...{ isAhead, isTrusted, givesWay, isAdmitted },
    measured: (peer, skewMs) => void measuredByPeer.set(peer, { skewMs, offsetMs: offsetMs() }),
    standing(key, known, version) {
      if (known === undefined || isAhead(version) || !givesWay(key, known.version)) return known;
      return undefined;
    },
    holdsBack: (key, version) => isAhead(version) && !isAdmitted(key, version),
    admit: (key, version) => void admittedByKey.set(key, version),
    expel(key, version) {
      if (isAdmitted(key, version)) admittedByKey.delete(key);
    },
    protectOwn: (check) => void (isProtected = check),
  };
}
