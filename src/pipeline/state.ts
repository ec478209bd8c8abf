/**
 * The life of a pipeline as a total table: every state answers every input, and a missing answer does not compile.
 *
 *                      captured              trouble
 *     starting ──────────────────▶ live ───────────────▶ degraded
 *        ▲  ▲                        ▲ recovered ──────────┘ │ give-up
 *        │  └── restart ─────────────┴───────────────────────┤
 *     paused ◀── pause (from anywhere but stopped)         parked ── resume ─▶ starting
 *
 * A bucket whose gateway has to stand by is `starting` again, for as long as that takes.
 */
import type { GatewayError } from "../core/errors.js";
import type { BucketState } from "../core/events.js";

export type LifeInput = "restart" | "captured" | "trouble" | "recovered" | "give-up" | "pause" | "resume" | "stand-by" | "stop";

export const LIFE: Readonly<Record<BucketState, Readonly<Record<LifeInput, BucketState>>>> = {
  starting: {
    restart: "starting",
    captured: "live",
    trouble: "degraded",
    recovered: "starting",
    "give-up": "parked",
    pause: "paused",
    resume: "starting",
    "stand-by": "starting",
    stop: "stopped",
  },
  live: {
    restart: "starting",
    captured: "live",
    trouble: "degraded",
    recovered: "live",
    "give-up": "parked",
    pause: "paused",
    resume: "live",
    "stand-by": "starting",
    stop: "stopped",
  },
  degraded: {
    // A new attempt is not yet good news: the reason stays visible until the bucket is captured.
    restart: "degraded",
    captured: "live",
    trouble: "degraded",
    recovered: "live",
    "give-up": "parked",
    pause: "paused",
    resume: "degraded",
    "stand-by": "starting",
    stop: "stopped",
  },
  paused: {
    restart: "paused",
    captured: "paused",
    trouble: "paused",
    recovered: "paused",
    "give-up": "paused",
    pause: "paused",
    resume: "starting",
    "stand-by": "paused",
    stop: "stopped",
  },
  parked: {
    restart: "starting",
    captured: "parked",
    trouble: "parked",
    recovered: "parked",
    "give-up": "parked",
    pause: "paused",
    resume: "starting",
    "stand-by": "starting",
    stop: "stopped",
  },
  stopped: {
    restart: "stopped",
    captured: "stopped",
    trouble: "stopped",
    recovered: "stopped",
    "give-up": "stopped",
    pause: "stopped",
    resume: "stopped",
    "stand-by": "stopped",
    stop: "stopped",
  },
};

/** What one run knows of the bucket: whether it is captured, and which of its parts are in trouble. */
export interface Health {
  /** To be called with what keeps the part from its work, and with null when that is over. */
  part(name: string): (error: GatewayError | null) => void;
  captured(): void;
}

export interface HealthReports {
  readonly onTrouble: (error: GatewayError | null) => void;
  readonly onCaptured: () => void;
}

/** Both facts in one place, so that neither hides the other: good news is told only while nothing is in trouble, and the
 *  end of a trouble is good news only for a bucket that is captured. */
export function createHealth(report: HealthReports): Health {
  const errorByPart = new Map<string, GatewayError>();
  let captured = false;
  return {
    part: (name) => (error) => {
      const before = errorByPart.get(name);
      if (error === null) errorByPart.delete(name);
      else errorByPart.set(name, error);
      if (error?.code === before?.code) return;
      const [first] = errorByPart.values();
      const told = error ?? first ?? null;
      if (told !== null || captured) report.onTrouble(told);
    },
    captured() {
      captured = true;
      if (errorByPart.size === 0) report.onCaptured();
    },
  };
}
