/**
 * The life of a pipeline as a total table: every state answers every input, and a missing answer does not compile.
 *
 *                      captured              trouble
 *     starting ──────────────────▶ live ───────────────▶ degraded
 *        ▲  ▲                        ▲ recovered ──────────┘ │ give-up
 *        │  └── restart ─────────────┴───────────────────────┤
 *     paused ◀── pause (from anywhere but stopped)         parked ── resume ─▶ starting
 */
import type { BucketState } from "../core/events.js";

export type LifeInput = "restart" | "captured" | "trouble" | "recovered" | "give-up" | "pause" | "resume" | "stop";

export const LIFE: Readonly<Record<BucketState, Readonly<Record<LifeInput, BucketState>>>> = {
  starting: {
    restart: "starting",
    captured: "live",
    trouble: "degraded",
    recovered: "starting",
    "give-up": "parked",
    pause: "paused",
    resume: "starting",
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
    stop: "stopped",
  },
};
