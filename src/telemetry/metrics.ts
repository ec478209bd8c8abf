/**
 * The table of all metrics and how it is read. Every series is derived from status and counters when someone scrapes:
 * a bucket's series go with the bucket, and no number can differ from what the status says.
 *
 * Labels are never keys: the number of series is bounded by buckets times peers.
 */
import { Registry, collectDefaultMetrics } from "prom-client";
import type { BucketCounters, Histogram, PeerCounters } from "../core/counters.js";
import type { BucketState, GatewayEvent } from "../core/events.js";
import type { BucketReading, EventCounts, PeerReading, Reading, SiteReading, StatusReading } from "./readings.js";
import { countEvent, createEventCounts } from "./readings.js";
import { type Definition, type Row, type Rows, register } from "./series.js";

export interface MetricsSources {
  /** A fresh one when left out; never prom-client's global one. */
  readonly registry?: Registry;
  status(): StatusReading;
  counters(): Reading["counters"];
}

export interface Metrics {
  readonly contentType: string;
  /** The exposition text of this moment. */
  text(): Promise<string>;
  observe(event: GatewayEvent): void;
}

const PREFIX = "kvgw_";
const BUCKET = ["bucket"];
const PEER = ["bucket", "peer"];
const SECOND_MS = 1_000;

const METRICS: Readonly<Record<string, Definition>> = {
  operations_captured_total: counter(BUCKET, "Local writes put on the operation log", perBucket((of) => of.captured)),
  operations_applied_total: counter(PEER, "Operations of a peer written here", perPeer((of) => of.applied)),
  operations_ignored_total: counter(
    [...PEER, "reason"],
    "Operations of a peer that change nothing here",
    perPeerAnd((of) => of.ignored),
  ),
  operations_set_aside_total: counter(
    [...PEER, "reason"],
    "Operations that cannot be applied or, with the own site as peer, logged; someone must look at them",
    (reading) => [...ownSetAside(reading), ...perPeerAnd((of) => of.setAside)(reading)],
  ),
  conflicts_total: counter(
    [...PEER, "result"],
    "Operations that met a local entry of which their writer had not known",
    perPeerAnd((of) => of.conflicts),
  ),
  apply_races_total: counter(BUCKET, "Applies that a local write overtook, decided anew", perBucket((of) => of.races)),
  replication_latency_seconds: {
    type: "histogram",
    labels: PEER,
    help: "From the write at the origin to applied here",
    rows: perPeer((of) => of.latency),
  },
  pipeline_restarts_total: counter(BUCKET, "Starts of the pipeline after its first", perBucket((of) => of.restarts)),
  pipeline_state: gauge([...BUCKET, "state"], "1 for the state that the pipeline is in, 0 for the others", (reading) =>
    bucketsOf(reading).flatMap(([bucket, of]) =>
      STATES.map((state): Row => [[bucket, state], Number(of.state === state)]),
    ),
  ),
  keys: gauge(BUCKET, "Keys that hold a value", perBucketState((of) => of.keys)),
  tombstones: gauge(BUCKET, "Keys kept only to remember their deletion", perBucketState((of) => of.tombstones)),
  tombstones_swept_total: counter(BUCKET, "Tombstones forgotten, since no site needs them any more", perBucket((of) => of.swept)),
  sweep_blocked: gauge(PEER, "Tombstones that could be forgotten, but for this peer", perPeerState((of) => of.sweepBlocked)),
  lag_operations: gauge(PEER, "Operations of a peer not yet applied here", perPeerState((of) => of.lagOperations)),
  lag_seconds: gauge(PEER, "How long a peer's changes have been missing here", perPeerState((of) => of.lagSeconds)),
  peer_live: gauge(
    PEER,
    "1 while the peer's log is read and its gateway tells that it logs this bucket",
    perPeerState((of) => Number(of.state === "live")),
  ),
  peer_heard_timestamp_seconds: gauge(
    PEER,
    "When the peer's gateway last answered for this bucket; absent until then",
    perPeerState((of) => secondsOf(of.lastHeardAt)),
  ),
  reconcile_rounds_total: counter(
    [...PEER, "result"],
    "Rounds of reconcile with a peer, by their result",
    perPeerAnd((of) => of.reconcile.rounds),
  ),
  reconcile_repairs_total: counter(PEER, "Keys taken from a peer by reconcile", perPeer((of) => of.reconcile.repairs)),
  reconcile_duration_seconds: gauge(
    PEER,
    "How long the last round took that came to its end; absent until then",
    perPeer(({ reconcile }) => (reconcile.lastMs === 0 ? null : reconcile.lastDurationS)),
  ),
  last_equal_timestamp_seconds: gauge(
    PEER,
    "When this bucket was last found equal to the peer's; absent until then",
    perPeerState((of) => secondsOf(of.lastEqualAt)),
  ),
  lease_held: gauge(
    [],
    "1 while this gateway holds its site's lease, or is one of those that share its buckets; absent where the lease is switched off",
    ({ status }) => (status.lease === null ? [] : [[[], Number(status.lease.held)]]),
  ),
  bucket_lease_held: gauge(BUCKET, "1 while this gateway works the bucket; absent where a site's gateways do not share", (reading) =>
    allBuckets(reading).flatMap(([bucket, { lease }]): Row[] => (lease === null ? [] : [[[bucket], Number(lease.held)]])),
  ),
  peer_connected: gauge(["peer"], "1 while the peer's NATS is connected", perSite((of) => Number(of.connected))),
  clock_skew_seconds: gauge(
    ["peer"],
    "How far the peer's clock is ahead of ours; absent until measured",
    perSite((of) => (of.clockSkewMs === null ? null : of.clockSkewMs / SECOND_MS)),
  ),
  config_reloads_total: counter(["result"], "Configs read, by what became of them", ({ events }) =>
    Object.entries(events.reloads).map(([result, count]): Row => [[result], count]),
  ),
  config_last_reload_successful: gauge([], "0 while the last config read was refused", ({ status }) => [
    [[], Number(status.config.lastError === null)],
  ]),
  config_last_reload_success_timestamp_seconds: gauge([], "When the running config was loaded", ({ status }) => {
    const seconds = secondsOf(status.config.loadedAt);
    return seconds === null ? [] : [[[], seconds]];
  }),
  config_info: gauge(["hash"], "Always 1; the hash is that of the running config", ({ status }) => [
    [[status.config.hash], 1],
  ]),
  build_info: gauge(["version"], "Always 1; the version of this program", ({ status }) => [[[status.version], 1]]),
  errors_total: counter(["code"], "Events that told of an error; each is a log line with this code", ({ events }) =>
    Object.entries(events.errors).map(([code, count]): Row => [[code], count]),
  ),
};

/** As a record, so that the compiler misses a state that is missing here. */
const STATE_NAMES: Record<BucketState, null> = {
  starting: null,
  live: null,
  degraded: null,
  paused: null,
  parked: null,
  stopped: null,
};
const STATES = Object.keys(STATE_NAMES);

export function createMetrics(sources: MetricsSources): Metrics {
  const registry = sources.registry ?? new Registry();
  const events: EventCounts = createEventCounts();
  let reading: Reading | null = null;
  for (const [name, definition] of Object.entries(METRICS)) {
    register(registry, PREFIX + name, definition, () => reading);
  }
  collectDefaultMetrics({ register: registry, prefix: PREFIX });
  return {
    contentType: registry.contentType,
    async text() {
      // Every metric of one scrape is derived from one reading, taken here.
      reading = { status: sources.status(), counters: sources.counters(), events };
      // prom-client writes "Nan", as for the event loop's mean lag before its first turn; the format knows only "NaN".
      return (await registry.metrics()).replace(/ Nan$/gm, " NaN");
    },
    observe: (event) => countEvent(events, event),
  };
}

function counter(labels: readonly string[], help: string, rows: Rows): Definition {
  return { type: "counter", labels, help, rows };
}

function gauge(labels: readonly string[], help: string, rows: Rows): Definition {
  return { type: "gauge", labels, help, rows };
}

function perBucket(read: (counters: BucketCounters) => number): Rows {
  return ({ counters }) => Array.from(counters, ([bucket, of]): Row => [[bucket], read(of)]);
}

/** Null as below. */
function perPeer(read: (counters: PeerCounters) => number | Histogram | null): Rows {
  return ({ counters }) =>
    Array.from(counters).flatMap(([bucket, { peers }]) =>
      Array.from(peers).flatMap(([peer, of]): Row[] => {
        const value = read(of);
        return value === null ? [] : [[[bucket, peer], value]];
      }),
    );
}

/** One row per peer and name in a record of counts, such as the reasons. */
function perPeerAnd(read: (counters: PeerCounters) => Readonly<Record<string, number>>): Rows {
  return ({ counters }) =>
    Array.from(counters).flatMap(([bucket, { peers }]) =>
      Array.from(peers).flatMap(([peer, of]) =>
        Object.entries(read(of)).map(([name, count]): Row => [[bucket, peer, name], count]),
      ),
    );
}

function ownSetAside({ status, counters }: Reading): readonly Row[] {
  return Array.from(counters).flatMap(([bucket, { setAside }]) =>
    Object.entries(setAside).map(([reason, count]): Row => [[bucket, status.site, reason], count]),
  );
}

function allBuckets(reading: Reading): readonly (readonly [string, BucketReading])[] {
  return Object.entries<BucketReading>(reading.status.buckets);
}

/** Without those that another gateway of the site works: it tells how they are, and sums over gateways count nothing twice. */
function bucketsOf(reading: Reading): readonly (readonly [string, BucketReading])[] {
  return allBuckets(reading).filter(([, { lease }]) => lease === null || lease.held);
}

function perBucketState(read: (bucket: BucketReading) => number): Rows {
  return (reading) => bucketsOf(reading).map(([bucket, of]): Row => [[bucket], read(of)]);
}

/** Null means not known, and no series: an invented zero would look like an answer. */
function perPeerState(read: Read<PeerReading>): Rows {
  return (reading) =>
    bucketsOf(reading).flatMap(([bucket, { peers }]) => known(peers, read, (peer) => [bucket, peer]));
}

function perSite(read: Read<SiteReading>): Rows {
  return ({ status }) => known(status.sites, read, (peer) => [peer]);
}

type Read<Of> = (of: Of) => number | null;

function known<Of>(all: Record<string, Of>, read: Read<Of>, labelsOf: (name: string) => string[]): Row[] {
  return Object.entries(all).flatMap(([name, of]): Row[] => {
    const value = read(of);
    return value === null ? [] : [[labelsOf(name), value]];
  });
}

function secondsOf(time: string | null): number | null {
  const ms = time === null ? NaN : Date.parse(time);
  return Number.isNaN(ms) ? null : ms / SECOND_MS;
}
