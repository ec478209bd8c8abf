/**
 * Whether gateways count what happened. Over a stretch without faults the counts must be exact; the gauges must be exact
 * whenever everything is at rest. Over lives that were killed there is only a bound: what was counted last was logged.
 */
import type { Happening, Message } from "../sim/history.js";
import { readHeaders } from "../sim/checker/wire.js";
import { BUCKETS, SITES } from "./config-text.js";
import { type Life, type Metrics, seriesOf } from "./gateways.js";

export interface Counted {
  readonly site: string;
  readonly before: Metrics;
  readonly after: Metrics;
}

/** How many operations a log took after one time, up to another; null where it was put back or made anew since. */
export type Logged = (site: string, bucket: string, fromMs: number, toMs: number) => number | null;

/** By sequence, so that it also counts what nobody saw. */
export function createLogged(history: readonly Happening[]): Logged {
  const heads = new Map<string, [ms: number, sequence: number][]>();
  const broken = new Set<string>();
  for (const happening of history) {
    if ((happening.what !== "stored" && happening.what !== "lost") || happening.place !== "log") continue;
    const log = `${happening.site} ${happening.bucket}`;
    if (happening.what === "lost") broken.add(log);
    else if (heads.get(log)?.push([happening.ms, happening.sequence]) === undefined) heads.set(log, [[happening.ms, happening.sequence]]);
  }
  return (site, bucket, fromMs, toMs) => {
    const log = `${site} ${bucket}`;
    const headAt = (at: number) => heads.get(log)?.findLast(([ms]) => ms <= at)?.[1] ?? 0;
    return broken.has(log) ? null : headAt(toMs) - headAt(fromMs);
  };
}

/** Differences, one sentence each. `from` and `to` are the ends of a stretch without faults, at rest both times. */
export function compareCounts(counted: readonly Counted[], logged: Logged, fromMs: number, toMs: number): string[] {
  const found: string[] = [];
  for (const { site, before, after } of counted) {
    for (const { name: bucket } of BUCKETS) {
      const rise = (name: string, labels: Readonly<Record<string, string>>) =>
        (seriesOf(after, name, labels) ?? 0) - (seriesOf(before, name, labels) ?? 0);
      const captured = rise("kvgw_operations_captured_total", { bucket });
      const wanted = logged(site, bucket, fromMs, toMs);
      if (wanted !== null && captured !== wanted) {
        found.push(`${site} counted ${captured} writes to ${bucket} as captured, and its log took ${wanted}`);
      }
      for (const peer of SITES.filter((other) => other !== site)) {
        const ignored = ["stale", "duplicate", "filtered"].map((reason) => rise("kvgw_operations_ignored_total", { bucket, peer, reason }));
        const settled = rise("kvgw_operations_applied_total", { bucket, peer }) + ignored.reduce((sum, each) => sum + each, 0);
        // The log keeps the newest of each key, so fewer may have come; and some may have come by reconcile as well.
        const most = (logged(peer, bucket, fromMs, toMs) ?? Infinity) + rise("kvgw_reconcile_repairs_total", { bucket, peer });
        if (settled > most) found.push(`${site} counted ${settled} operations of ${peer} on ${bucket}, of ${most}`);
      }
    }
  }
  return found;
}

/** What stands in the buckets, against the gauges. */
export function compareGauges(site: string, metrics: Metrics, finals: readonly Message[]): string[] {
  return BUCKETS.flatMap(({ name: bucket }) => {
    const here = finals.filter((final) => final.site === site && final.bucket === bucket);
    const values = here.filter(({ block }) => readHeaders(block).kind === "put").length;
    const wanted: readonly (readonly [string, number])[] = [
      ["kvgw_keys", values],
      ["kvgw_tombstones", here.length - values],
    ];
    return wanted.flatMap(([name, count]) => {
      const told = seriesOf(metrics, name, { bucket });
      return told === count ? [] : [`${site} says ${name} of ${bucket} is ${told ?? "unknown"}, and it is ${count}`];
    });
  });
}

/** A life's last count of what it captured is never more than what its site's log took while it lived. */
export function compareLives(lives: readonly Life[], logged: Logged): string[] {
  return lives.flatMap(({ site, number, startedMs, endedMs, metrics }) =>
    BUCKETS.flatMap(({ name: bucket }) => {
      const counted = seriesOf(metrics, "kvgw_operations_captured_total", { bucket }) ?? 0;
      const most = logged(site, bucket, startedMs - 1, endedMs ?? Infinity) ?? Infinity;
      return counted <= most ? [] : [`life ${number} of ${site} counted ${counted} writes to ${bucket} as captured, and the log took ${most}`];
    }),
  );
}
