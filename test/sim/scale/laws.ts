/** What one case says per operation, per site and per minute, and what the design promises of it. Pure. */
import type { Counts, Part, ScaleResult } from "./case.js";

export interface Figures {
  readonly topology: string;
  readonly sites: number;
  readonly buckets: number;
  readonly keys: number;
  readonly operations: number;
  /** Consumers on logs that the servers hold, of all sites together, and at the server that holds most of them. */
  readonly consumers: number;
  readonly consumersAtOneServer: number;
  readonly perOperation: {
    readonly logged: number;
    readonly fromLogs: number;
    readonly applied: number;
    readonly acknowledged: number;
    readonly fromTails: number;
    /** Of checkpoints, which are saved once a second, and of everything else. */
    readonly checkpointSaves: number;
    readonly otherSaves: number;
  };
  readonly idlePerSiteMinute: {
    readonly written: number;
    readonly heartbeats: number;
    readonly heartbeatBytes: number;
    readonly hellos: number;
    readonly helloBytes: number;
  };
  /** Question and answer. */
  readonly bytesPerHello: number;
  readonly liveMs: number;
  readonly convergeMs: number;
  readonly operationP50Ms: number;
  readonly operationMaxMs: number;
  readonly backConvergeMs: number;
  readonly backProvedMs: number;
  readonly backHellos: number;
  readonly heapKibPerSite: number;
  readonly cpuMsPerApply: number;
  readonly cpuMsPerSiteIdleMinute: number;
  readonly rssMaxMib: number;
}

const of = (counts: Counts, name: string): number => counts[name] ?? 0;
const sumOf = (counts: Counts, wanted: (name: string) => boolean): number =>
  Object.entries(counts).reduce((sum, [name, count]) => (wanted(name) ? sum + count : sum), 0);
const isCheckpoint = (name: string) => name === "saves checkpoint";
const isOtherSave = (name: string) => name.startsWith("saves ") && !isCheckpoint(name);
const isWrite = (name: string) => name.startsWith("saves ") || name.startsWith("sent to ");

export function figuresOf(result: ScaleResult): Figures {
  const { start, write, idle, back } = result;
  const { topology, sites, buckets, keys } = result.of;
  const consumers = sites * (sites - 1) * buckets;
  return {
    ...{ topology, sites, buckets, keys, operations: write.operations },
    ...{ consumers, consumersAtOneServer: topology === "hub" ? consumers : (sites - 1) * buckets },
    perOperation: perOperation(write, write.operations),
    idlePerSiteMinute: perSiteMinute(idle, sites),
    bytesPerHello: of(idle.counts, "bytes hello") / Math.max(1, of(idle.counts, "asked hello")),
    ...{ liveMs: start.liveMs, convergeMs: write.convergeMs, operationP50Ms: write.operationMs.p50, operationMaxMs: write.operationMs.max },
    ...{ backConvergeMs: back.convergeMs, backProvedMs: back.provedMs, backHellos: of(back.counts, "asked hello") },
    heapKibPerSite: result.heapBytes / 1_024 / sites,
    cpuMsPerApply: write.cpuMs / of(write.counts, "applied"),
    cpuMsPerSiteIdleMinute: (idle.cpuMs / sites / idle.virtualMs) * 60_000,
    rssMaxMib: result.rssMaxBytes / 1_024 / 1_024,
  };
}

function perOperation({ counts }: Part, operations: number): Figures["perOperation"] {
  const [logged, applied] = [of(counts, "logged"), of(counts, "applied")];
  return {
    logged: logged / operations,
    fromLogs: of(counts, "from logs") / operations,
    applied: applied / operations,
    // The server answers every append and every apply once.
    acknowledged: (of(counts, "sent to the log") + of(counts, "sent to the bucket")) / operations,
    fromTails: of(counts, "from the tail") / operations,
    checkpointSaves: sumOf(counts, isCheckpoint) / operations,
    otherSaves: sumOf(counts, isOtherSave) / operations,
  };
}

function perSiteMinute({ counts, virtualMs }: Part, sites: number): Figures["idlePerSiteMinute"] {
  const per = (count: number) => (count / sites / virtualMs) * 60_000;
  return {
    written: per(sumOf(counts, isWrite)),
    heartbeats: per(of(counts, "asked pulse")),
    heartbeatBytes: per(of(counts, "bytes pulse")),
    hellos: per(of(counts, "asked hello")),
    helloBytes: per(of(counts, "bytes hello")),
  };
}

/** Where a result is not as the design says: what was wanted and what was found. */
export function broken({ of: { sites }, write, idle, equal }: ScaleResult): readonly string[] {
  const each = perOperation(write, write.operations);
  const { written } = perSiteMinute(idle, sites);
  const laws: readonly (readonly [string, number, number])[] = [
    ["one append per operation", 1, each.logged],
    ["read once at every other site", sites - 1, each.fromLogs],
    ["applied once at every other site", sites - 1, each.applied],
    ["an acknowledgement for every write, and none sent twice", sites, each.acknowledged],
    ["every site's tail shows it once", sites, each.fromTails],
    ["nothing is written at rest", 0, written],
    ["all equal at the end", 1, Number(equal)],
  ];
  return laws.flatMap(([law, wanted, found]) => (wanted === found ? [] : [`${law}: ${wanted} wanted, ${found} found`]));
}
