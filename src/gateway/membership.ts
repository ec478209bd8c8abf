/**
 * Which gateways share a site's buckets: one record in the site's state names them all, so that whoever reads the same
 * record shares out alike. A gateway enters itself, and strikes out whoever is gone; both by a save that must follow the
 * record that was seen. While nobody comes or goes nothing is written (I13), but by a gateway that questions cannot reach.
 */
import { GatewayError } from "../core/errors.js";
import type { Revision } from "../core/ids.js";
import { LEASE_ABSENCES, MEMBERS_MAX, STATE_SAVES_MAX } from "../core/limits.js";
import type { Clock, SiteState } from "../core/ports.js";
import { createAnnouncement } from "./announcement.js";
import type { Holder } from "./lease-record.js";
import type { SitePorts } from "./lease.js";
import { type Trace, createLives } from "./lives.js";
import { iso } from "./snapshot.js";

export interface Member extends Holder, Trace {
  /** By its own clock, for people. */
  readonly since: string;
  /** Stands for the names of the buckets that it has: gateways share out among those that have the same. */
  readonly buckets: string;
}

/** All that share, this gateway among them. */
export interface Roll {
  readonly revision: Revision;
  readonly members: readonly Member[];
}

export interface Membership {
  /** Enters this gateway if need be. Null where the others have taken it for gone, once. Fails as the state does; KVGW_STANDBY
   *  where there are too many. */
  look(site: SitePorts, buckets: string): Promise<Roll | null>;
  /** Whether the roll stands as it was seen. */
  isCurrent(state: SiteState, roll: Roll): Promise<boolean>;
  /** To be called when nothing of this gateway works any more. What it held is free from then on. */
  leave(state: SiteState): Promise<void>;
}

const KEY = "members";

export function createMembership(holder: Holder, clock: Clock): Membership {
  const lives = createLives(clock);
  const announcement = createAnnouncement(holder.id, () => undefined);
  const since = iso(clock.nowMs());
  let joined = false;

  async function load(state: SiteState): Promise<Roll> {
    const { value, revision } = await state.load(KEY);
    return { revision, members: readMembers(value) };
  }

  const save = async (state: SiteState, members: readonly Member[], expected: Revision): Promise<Roll> => ({
    revision: await state.save(KEY, { members }, expected),
    members,
  });

  return {
    async look({ state, presence }, buckets) {
      const answers = await announcement.reaches(presence);
      const roll = await load(state);
      const own = roll.members.find(({ id }) => id === holder.id) ?? null;
      if (own === null && joined) {
        joined = false;
        return null;
      }
      const others = roll.members.filter((member) => member !== own);
      // Whoever has just started need not wait for a second look: most often it follows a process that has ended.
      const gone = await lives.gone(presence, others, joined ? LEASE_ABSENCES : 1);
      const isSame = own?.buckets === buckets && own.answers === answers && answers;
      const rest = others.filter(({ id }) => !gone.has(id));
      if (own === null && rest.length >= MEMBERS_MAX) throw tooMany();
      const self: Member = { ...holder, since: own?.since ?? since, buckets, answers, mark: (own?.mark ?? 0) + 1 };
      const now = isSame && gone.size === 0 ? roll : await save(state, [...rest, isSame ? own : self], roll.revision);
      joined = true;
      return now;
    },
    isCurrent: async (state, { revision }) => (await load(state)).revision === revision,
    async leave(state) {
      announcement.end();
      for (let attempt = 1; ; attempt++) {
        const { members, revision } = await load(state);
        const others = members.filter(({ id }) => id !== holder.id);
        if (others.length === members.length) return;
        try {
          return void (await save(state, others, revision));
        } catch (thrown) {
          const isSecond = thrown instanceof GatewayError && thrown.code === "KVGW_STATE_CHANGED";
          if (!isSecond || attempt === STATE_SAVES_MAX) throw thrown;
        }
      }
    },
  };
}

const tooMany = () =>
  new GatewayError("KVGW_STANDBY", `${MEMBERS_MAX} gateways share this site's buckets already, one more waits until one of them is gone`);

/** Nobody where nothing that this program has written stands there. */
function readMembers(value: unknown): readonly Member[] {
  const { members } = (typeof value === "object" && value !== null ? value : {}) as { readonly members?: unknown };
  return Array.isArray(members) ? members.slice(0, MEMBERS_MAX).filter(isMember) : [];
}

function isMember(value: unknown): value is Member {
  if (typeof value !== "object" || value === null) return false;
  const { id, name, since, buckets, mark, answers } = value as Partial<Record<keyof Member, unknown>>;
  const texts = [id, name, since, buckets].every((text) => typeof text === "string");
  return texts && Number.isSafeInteger(mark) && typeof answers === "boolean";
}
