/**
 * Who is known to have had what, told without any clock. A gateway counts its own hellos; what it knew when one began was
 * told with it. A peer that came to be equal after that hello holds all of it, or something newer; and it says so, with the
 * hello's moment, from then on.
 *
 * A moment is good for one run of one gateway only: another run may know less.
 */
export interface Moment {
  /** Random, another one for each run. */
  readonly run: string;
  /** Hellos of that run so far. */
  readonly count: number;
}

/** Whether what was known since `count` of the run was told before `moment`. */
export const isPast = (moment: Moment | undefined, run: string, count: number): boolean =>
  moment !== undefined && moment.run === run && moment.count > count;

const RUN = /^[0-9a-f]{1,32}$/;

export function isMoment(value: unknown): value is Moment {
  if (typeof value !== "object" || value === null) return false;
  const { run, count } = value as Partial<Record<keyof Moment, unknown>>;
  return typeof run === "string" && RUN.test(run) && Number.isSafeInteger(count) && (count as number) >= 0;
}
