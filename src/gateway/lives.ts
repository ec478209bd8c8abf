/**
 * Which other gateways of the site are gone. Whoever answers is there. A process that ended shows at once, since the server
 * knows of nobody who could answer for it; a machine that vanished, or a process that hangs, shows by its silence, by our
 * own clock that never steps. Where questions cannot reach a gateway its record tells: it changes as long as it lives.
 */
import { toGatewayError } from "../core/errors.js";
import { LEASE_LOOK_MS, LEASE_TTL_MS } from "../core/limits.js";
import type { Clock, Presence } from "../core/ports.js";

/** What another gateway has written of itself. */
export interface Trace {
  readonly id: string;
  /** Another number at every change. */
  readonly mark: number;
  /** Whether it has found that questions reach it. */
  readonly answers: boolean;
}

export interface Lives {
  /** Those of them that are gone. @param absencesMax looks in a row at which nobody answered for it */
  gone(presence: Presence, traces: readonly Trace[], absencesMax: number): Promise<ReadonlySet<string>>;
}

interface Heard {
  readonly mark: number;
  readonly atMs: number;
  readonly absences: number;
}

export function createLives(clock: Clock): Lives {
  let heard = new Map<string, Heard>();
  let lookedMs = -Infinity;

  async function hear(presence: Presence, { id, mark, answers }: Trace, atMs: number, isNext: boolean): Promise<Heard> {
    const last = heard.get(id);
    const before = last?.mark === mark ? last : { mark, atMs, absences: 0 };
    if (!answers) return before;
    // Where nothing can be said it may be alive; and who may not ask does not judge.
    const isHere = await presence.isHere(id).catch((thrown: unknown) => (isDenied(thrown) ? true : null));
    if (isHere === null) return before;
    return isHere ? { mark, atMs, absences: 0 } : { ...before, absences: before.absences + Number(isNext || before.absences === 0) };
  }

  return {
    async gone(presence, traces, absencesMax) {
      // Before the questions: an answer may come late, and is then old.
      const atMs = clock.elapsedMs();
      // Whoever did not look for a while could hear nobody: that says nothing of the others.
      if (atMs - lookedMs > LEASE_TTL_MS / 2) heard = new Map();
      // A look that had to be made twice counts once.
      const isNext = atMs - lookedMs >= LEASE_LOOK_MS / 2;
      if (isNext) lookedMs = atMs;
      const now = await Promise.all(traces.map(async (trace) => [trace.id, await hear(presence, trace, atMs, isNext)] as const));
      heard = new Map(now);
      const isGone = (of: Heard) => of.absences >= absencesMax || atMs - of.atMs >= LEASE_TTL_MS;
      return new Set(now.flatMap(([id, of]) => (isGone(of) ? [id] : [])));
    },
  };
}

const isDenied = (thrown: unknown): boolean => toGatewayError(thrown).code === "KVGW_DENIED";
