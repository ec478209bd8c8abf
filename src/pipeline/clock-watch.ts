/** What a run does as time passes: own versions far in the future are logged again, the causality floor that a wrong clock
 *  has written comes down, and what was set aside because it came too early is asked for. */
import { toGatewayError } from "../core/errors.js";
import { CLOCK_LOOK_MS, FLOOR_AHEAD_US } from "../core/limits.js";
import type { Clock } from "../core/ports.js";
import type { CausalityGuard } from "./causality.js";
import type { ClockGuard } from "./clock-guard.js";
import type { Relogger, RelogWriters } from "./relog.js";
import { wait } from "./retry.js";
import type { SetAsideRetries } from "./set-aside-retry.js";

export interface ClockWatchDeps extends RelogWriters {
  readonly guard: ClockGuard;
  readonly relogger: Relogger;
  readonly causality: CausalityGuard;
  readonly retries: Pick<SetAsideRetries, "look">;
  readonly maxClockSkewMs: () => number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Until aborted. Rejects if the own log is not the one that the run began with. */
export async function watchClock(deps: ClockWatchDeps): Promise<void> {
  const { clock, signal, guard } = deps;
  while (!signal.aborted) {
    await wait(clock, CLOCK_LOOK_MS, signal);
    if (signal.aborted) return;
    deps.retries.look();
    if (!guard.isTrusted()) continue;
    // As high as a version may be that was applied and counts; and above what the floor itself is written ahead.
    const aheadUs = Math.max(deps.maxClockSkewMs() * 1_000, 2 * FLOOR_AHEAD_US);
    deps.causality.lowerTo(Math.floor(clock.nowMs() * 1_000 + aheadUs));
    await deps.relogger.look(deps).catch(waitForNext);
  }
}

/** What goes away by itself is tried again at the next look. */
function waitForNext(thrown: unknown): void {
  const error = toGatewayError(thrown);
  if (error.remedy !== "retry" || error.code === "KVGW_STREAM_CHANGED") throw error;
}
