/** The figures of a run, out of everything that it left. */
import type { Happening, Violation } from "../sim/history.js";
import { FLAT_BYTES_PER_MINUTE, type Figures, countKinds, countWhere, editCounts, lifeFigures } from "./report.js";
import type { Stage } from "./stage.js";
import type { FaultBand } from "./strike.js";

export interface Left {
  readonly stage: Stage;
  readonly seed: number;
  readonly seconds: number;
  readonly lengthMs: number;
  readonly bands: readonly FaultBand[];
  readonly converged: readonly (number | null)[];
  readonly found: readonly Violation[];
  readonly history: readonly Happening[];
}

const LOST = new Set(["acknowledged is kept", "highest version wins", "no write is overwritten unseen"]);

export function figuresOf({ stage, seed, seconds, lengthMs, bands, converged, found, history }: Left): Figures {
  const sum = (of: (site: Stage["sites"][number]) => number) => stage.sites.reduce((total, site) => total + of(site), 0);
  const counts = stage.sites.map(({ writers }) => writers.counts());
  const outcome = (name: keyof (typeof counts)[number]) => counts.reduce((total, each) => total + each[name], 0);
  const allLives = stage.sites.flatMap(({ gateway }) => gateway.lives);
  const lives = allLives.map((life) => lifeFigures(life, stage.record.nowMs()));
  const slopes = lives.flatMap(({ rssSlope }) => (rssSlope === null ? [] : [rssSlope]));
  const steepest = slopes.length === 0 ? null : Math.max(...slopes);
  const properties = (isWanted: (property: string) => boolean) => found.filter(({ property }) => isWanted(property)).length;
  // Of each life the last that it told: what it counted after that died with it.
  const counted = (name: string) =>
    allLives.flatMap(({ metrics }) => [...metrics].filter(([series]) => series.startsWith(`${name}{`))).reduce((total, [, value]) => total + value, 0);
  return {
    ...{ seed, seconds, lengthSeconds: lengthMs / 1_000, faults: countKinds(bands) },
    gatewayKills: countWhere(bands, (kind) => kind === "gateway killed"),
    serverKills: countWhere(bands, (kind) => kind === "server killed"),
    suspensions: countWhere(bands, (kind) => kind.endsWith("suspended")),
    partitions: countWhere(bands, (kind) => kind.startsWith("partition") || kind.startsWith("gateway cut off")),
    badLinks: countWhere(bands, (kind) => /link$|^link|half-open/.test(kind) && !kind.startsWith("partition")),
    configEdits: editCounts(bands),
    invalidSeen: sum(({ gateway }) => gateway.samples.filter(({ status }) => status.config.lastError !== null).length),
    rewinds: countWhere(bands, (kind) => kind === "store rewound"),
    recreated: countWhere(bands, (kind) => kind.endsWith("recreated")),
    operations: { acknowledged: outcome("acknowledged"), refused: outcome("refused"), failed: outcome("failed"), unknown: outcome("unknown") },
    deletes: sum(({ writers }) => writers.deletes()),
    messagesSeen: stage.record.seen(),
    messagesUnseen: sum(({ observer }) => observer.unseen().length),
    messagesForgottenByServers: sum(({ observer }) => observer.forgotten()),
    logged: history.filter((happening) => happening.what === "stored" && happening.place === "log").length,
    conflicts: counted("kvgw_conflicts_total"),
    repairedByReconcile: counted("kvgw_reconcile_repairs_total"),
    lost: properties((property) => LOST.has(property)),
    resurrected: properties((property) => property === "no resurrection"),
    diverged: properties((property) => property === "convergence"),
    violations: found.length,
    convergedAfterMs: converged,
    longestToConvergeMs: converged.includes(null) ? null : Math.max(...converged.map(Number)),
    memory: {
      steepestBytesPerMinute: steepest,
      flatBelowBytesPerMinute: FLAT_BYTES_PER_MINUTE,
      flat: steepest === null || steepest < FLAT_BYTES_PER_MINUTE,
    },
    lives,
  };
}
