/** The metrics by name, and that each says what status, counters and events say, in a text that scrapers can read. */
import { register as globalRegistry } from "prom-client";
import { describe, expect, test } from "vitest";
import { type BucketCounters, LATENCY_BOUNDS_S, createBucketCounters } from "../../src/core/counters.js";
import { observeLatency, peerCounters } from "../../src/core/counters.js";
import type { BucketName } from "../../src/core/ids.js";
import type { GatewayStatus } from "../../src/gateway/status.js";
import { createMetrics } from "../../src/telemetry/metrics.js";
import { type Family, type Sample, parseExposition } from "./exposition.js";
import { ORDERS, SITE_A, SITE_B, sampleBucket, samplePeer, sampleStatus } from "./sample-status.js";

/** The names that dashboards and alerts rely on. */
const CONTRACT: Readonly<Record<string, readonly [type: string, ...labels: string[]]>> = {
  operations_captured_total: ["counter", "bucket"],
  operations_applied_total: ["counter", "bucket", "peer"],
  operations_ignored_total: ["counter", "bucket", "peer", "reason"],
  operations_set_aside_total: ["counter", "bucket", "peer", "reason"],
  conflicts_total: ["counter", "bucket", "peer", "result"],
  apply_races_total: ["counter", "bucket"],
  lag_operations: ["gauge", "bucket", "peer"],
  lag_seconds: ["gauge", "bucket", "peer"],
  replication_latency_seconds: ["histogram", "bucket", "peer"],
  keys: ["gauge", "bucket"],
  tombstones: ["gauge", "bucket"],
  tombstones_swept_total: ["counter", "bucket"],
  sweep_blocked: ["gauge", "bucket", "peer"],
  peer_live: ["gauge", "bucket", "peer"],
  peer_heard_timestamp_seconds: ["gauge", "bucket", "peer"],
  pipeline_state: ["gauge", "bucket", "state"],
  pipeline_restarts_total: ["counter", "bucket"],
  lease_held: ["gauge"],
  bucket_lease_held: ["gauge", "bucket"],
  peer_connected: ["gauge", "peer"],
  clock_skew_seconds: ["gauge", "peer"],
  reconcile_rounds_total: ["counter", "bucket", "peer", "result"],
  reconcile_repairs_total: ["counter", "bucket", "peer"],
  reconcile_duration_seconds: ["gauge", "bucket", "peer"],
  last_equal_timestamp_seconds: ["gauge", "bucket", "peer"],
  config_reloads_total: ["counter", "result"],
  config_last_reload_successful: ["gauge"],
  config_last_reload_success_timestamp_seconds: ["gauge"],
  config_info: ["gauge", "hash"],
  build_info: ["gauge", "version"],
  errors_total: ["counter", "code"],
};

/** Worked here, where the gateways of the site share its buckets. */
const SHARED = { lease: { held: true, due: true, holder: "process 7 on host-a" } };

/** Of a bucket that has had one round with its peer. */
function reconciledCounters(): BucketCounters {
  const counters = createBucketCounters([SITE_B]);
  const { reconcile } = peerCounters(counters, SITE_B);
  reconcile.rounds.equal = 1;
  Object.assign(reconcile, { lastDurationS: 0.5, lastMs: 1_893_456_000_500, lastEqualMs: 1_893_456_000_500 });
  return counters;
}

function rig(status: GatewayStatus = sampleStatus()) {
  const world = { status, counters: new Map<BucketName, BucketCounters>() };
  world.counters.set(ORDERS, reconciledCounters());
  const metrics = createMetrics({ status: () => world.status, counters: () => world.counters });
  const scrape = async () => parseExposition(await metrics.text());
  const ofOrders = () => world.counters.get(ORDERS) ?? expect.fail("the bucket is gone");
  return { world, metrics, scrape, ofOrders, ofPeer: () => peerCounters(ofOrders(), SITE_B) };
}

function samplesOf(families: ReadonlyMap<string, Family>, name: string): readonly Sample[] {
  return families.get(`kvgw_${name}`)?.samples ?? expect.fail(`no metric kvgw_${name}`);
}

/** The only sample of the metric that carries these labels. */
function valueOf(families: ReadonlyMap<string, Family>, name: string, labels: Record<string, string> = {}): number {
  const wanted = Object.entries(labels);
  const fits = (sample: Sample) => wanted.every(([label, value]) => sample.labels[label] === value);
  const found = samplesOf(families, name).filter(fits);
  expect(found, `${name} ${JSON.stringify(labels)}`).toHaveLength(1);
  return found[0]?.value ?? NaN;
}

describe("the exposition text", () => {
  test("holds every metric of the contract with its type and labels, each described once", async () => {
    // Those that only some sites have, too.
    const buckets = { [ORDERS]: sampleBucket(SHARED) };
    const families = await rig(sampleStatus({ buckets })).scrape();
    for (const [name, [type, ...labels]] of Object.entries(CONTRACT)) {
      expect(families.get(`kvgw_${name}`)?.type, name).toBe(type);
      const shown = new Set(samplesOf(families, name).flatMap((sample) => Object.keys(sample.labels)));
      shown.delete("le");
      expect([...shown].sort(), name).toEqual([...labels].sort());
    }
  });

  test("prefixes all it tells, the process's own numbers too, and leaves the global registry alone", async () => {
    const families = await rig().scrape();
    expect([...families.keys()].filter((name) => !name.startsWith("kvgw_"))).toEqual([]);
    expect(valueOf(families, "process_resident_memory_bytes")).toBeGreaterThan(0);
    expect(samplesOf(families, "nodejs_eventloop_lag_seconds")).toHaveLength(1);
    expect(globalRegistry.getMetricsAsArray()).toEqual([]);
  });

  test("cannot be broken out of by what stands in a label", async () => {
    const hash = '"} 1\nkvgw_keys{bucket="forged\\"} 9\n';
    const families = await rig(sampleStatus({ config: { ...sampleStatus().config, hash } })).scrape();
    expect(samplesOf(families, "config_info")).toEqual([{ name: "kvgw_config_info", labels: { hash }, value: 1 }]);
    expect(samplesOf(families, "keys").map((sample) => sample.labels["bucket"])).toEqual([ORDERS]);
  });

  test("is made of one status, asked for once per scrape", async () => {
    let asked = 0;
    const metrics = createMetrics({ status: () => (asked++, sampleStatus()), counters: () => new Map() });
    await metrics.text();
    await metrics.text();
    expect(asked).toBe(2);
  });

  test("is refused rather than half told when the status cannot be had", async () => {
    const status = () => expect.fail("no status");
    await expect(createMetrics({ status, counters: () => new Map() }).text()).rejects.toThrow("no status");
  });
});

describe("counters", () => {
  test("show at each scrape what the bucket has counted by then", async () => {
    const { scrape, ofOrders, ofPeer } = rig();
    expect(valueOf(await scrape(), "operations_captured_total", { bucket: ORDERS })).toBe(0);
    Object.assign(ofOrders(), { captured: 7, races: 2, restarts: 1 });
    ofPeer().applied = 5;
    ofPeer().ignored.duplicate = 4;
    ofPeer().conflicts.peer_won = 3;
    const families = await scrape();
    expect(valueOf(families, "operations_captured_total", { bucket: ORDERS })).toBe(7);
    expect(valueOf(families, "apply_races_total", { bucket: ORDERS })).toBe(2);
    expect(valueOf(families, "pipeline_restarts_total", { bucket: ORDERS })).toBe(1);
    expect(valueOf(families, "operations_applied_total", { bucket: ORDERS, peer: SITE_B })).toBe(5);
    expect(valueOf(families, "operations_ignored_total", { peer: SITE_B, reason: "duplicate" })).toBe(4);
    expect(valueOf(families, "operations_ignored_total", { peer: SITE_B, reason: "stale" })).toBe(0);
    expect(valueOf(families, "conflicts_total", { peer: SITE_B, result: "peer_won" })).toBe(3);
    ofOrders().captured++;
    expect(valueOf(await scrape(), "operations_captured_total", { bucket: ORDERS })).toBe(8);
  });

  test("count a local write that was set aside under the own site, a peer's under the peer", async () => {
    const { scrape, ofOrders, ofPeer } = rig();
    ofOrders().setAside.too_large = 2;
    ofPeer().setAside.malformed = 1;
    const families = await scrape();
    const count = (peer: string, reason: string) => valueOf(families, "operations_set_aside_total", { peer, reason });
    expect([count(SITE_A, "too_large"), count(SITE_A, "malformed")]).toEqual([2, 0]);
    expect([count(SITE_B, "too_large"), count(SITE_B, "malformed")]).toEqual([0, 1]);
  });

  test("count rounds of reconcile by their result, the failed ones too, and the keys that they took", async () => {
    const { scrape, ofPeer } = rig();
    const { reconcile } = ofPeer();
    Object.assign(reconcile.rounds, { equal: 3, different: 2, failed: 1 });
    reconcile.repairs = 40;
    const families = await scrape();
    const rounds = samplesOf(families, "reconcile_rounds_total").map(({ labels, value }) => [labels["result"], value]);
    expect(rounds).toEqual([["equal", 3], ["different", 2], ["failed", 1]]);
    expect(valueOf(families, "reconcile_repairs_total", { bucket: ORDERS, peer: SITE_B })).toBe(40);
    expect(valueOf(families, "reconcile_duration_seconds", { bucket: ORDERS, peer: SITE_B })).toBe(0.5);
  });

  test("of events count reloads by result and errors by code, from zero", async () => {
    const { scrape, metrics } = rig();
    const before = await scrape();
    expect(valueOf(before, "config_reloads_total", { result: "rejected" })).toBe(0);
    expect(valueOf(before, "errors_total", { code: "KVGW_TIMEOUT" })).toBe(0);
    metrics.observe({ type: "config-rejected", problems: ["gateway.yaml:1:1 site: missing"] });
    metrics.observe({ type: "config-unchanged", hash: "c0ffee" });
    const reason = { code: "KVGW_TIMEOUT", message: "no answer" } as const;
    metrics.observe({ type: "bucket-retry", bucket: ORDERS, reason, delayMs: 100 });
    metrics.observe({ type: "peer-state", bucket: ORDERS, peer: SITE_B, state: "degraded", reason });
    metrics.observe({ type: "peer-state", bucket: ORDERS, peer: SITE_B, state: "live", reason: null });
    const families = await scrape();
    expect(valueOf(families, "config_reloads_total", { result: "rejected" })).toBe(1);
    expect(valueOf(families, "config_reloads_total", { result: "unchanged" })).toBe(1);
    expect(valueOf(families, "config_reloads_total", { result: "applied" })).toBe(0);
    expect(valueOf(families, "errors_total", { code: "KVGW_TIMEOUT" })).toBe(2);
    expect(valueOf(families, "errors_total", { code: "KVGW_CONFIG_INVALID" })).toBe(1);
    expect(valueOf(families, "errors_total", { code: "KVGW_INTERNAL" })).toBe(0);
  });
});

describe("the latency histogram", () => {
  test("is cumulative over its bounds, and its last bucket and count are all that was observed", async () => {
    const { scrape, ofPeer } = rig();
    const seconds = [0.0005, 0.001, 0.002, 0.3, 100_000, -1];
    for (const each of seconds) observeLatency(ofPeer().latency, each);
    const samples = samplesOf(await scrape(), "replication_latency_seconds");
    expect(samples.every(({ labels }) => labels["bucket"] === ORDERS && labels["peer"] === SITE_B)).toBe(true);
    const buckets = samples.filter((sample) => sample.name.endsWith("_bucket"));
    const atMost = (bound: number) => seconds.filter((each) => each <= bound).length;
    const expected = LATENCY_BOUNDS_S.map((bound) => [String(bound), atMost(bound)]);
    expect(buckets.map(({ labels, value }) => [labels["le"], value])).toEqual([...expected, ["+Inf", seconds.length]]);
    const [sum, count] = samples.slice(-2);
    expect(sum?.name).toBe("kvgw_replication_latency_seconds_sum");
    expect(sum?.value).toBeCloseTo(100_000.3035, 6);
    expect([count?.name, count?.value]).toEqual(["kvgw_replication_latency_seconds_count", seconds.length]);
  });

  test("is told as zeros where nothing has come yet", async () => {
    const samples = samplesOf(await rig().scrape(), "replication_latency_seconds");
    expect(samples).toHaveLength(LATENCY_BOUNDS_S.length + 3);
    expect(samples.every((sample) => sample.value === 0)).toBe(true);
  });
});

describe("where the gateways of a site share its buckets", () => {
  const scrapeOf = (held: boolean) => rig(sampleStatus({ buckets: { [ORDERS]: sampleBucket({ lease: { held, due: held, holder: "one" } }) } })).scrape();

  test("a bucket's state is told by the one that works it, and what was counted by each", async () => {
    for (const held of [true, false]) {
      const families = await scrapeOf(held);
      expect(valueOf(families, "bucket_lease_held", { bucket: ORDERS })).toBe(Number(held));
      for (const name of ["pipeline_state", "keys", "tombstones", "lag_seconds", "peer_live", "last_equal_timestamp_seconds"]) {
        expect(samplesOf(families, name).length > 0, name).toBe(held);
      }
      expect(valueOf(families, "operations_captured_total", { bucket: ORDERS })).toBe(0);
    }
  });

  test("and where one works them all there is no series of it", async () => {
    expect(samplesOf(await rig().scrape(), "bucket_lease_held")).toEqual([]);
  });
});

describe("gauges", () => {
  test("pass on what the status says, times in seconds", async () => {
    const families = await rig().scrape();
    expect(valueOf(families, "keys", { bucket: ORDERS })).toBe(10);
    expect(valueOf(families, "tombstones", { bucket: ORDERS })).toBe(1);
    expect(valueOf(families, "tombstones_swept_total", { bucket: ORDERS })).toBe(0);
    expect(valueOf(families, "sweep_blocked", { bucket: ORDERS, peer: SITE_B })).toBe(5);
    expect(valueOf(families, "peer_live", { bucket: ORDERS, peer: SITE_B })).toBe(1);
    expect(valueOf(families, "peer_heard_timestamp_seconds", { bucket: ORDERS, peer: SITE_B })).toBe(Date.parse("2030-01-01T00:05:00Z") / 1_000);
    expect(valueOf(families, "lag_operations", { bucket: ORDERS, peer: SITE_B })).toBe(3);
    expect(valueOf(families, "lag_seconds", { bucket: ORDERS, peer: SITE_B })).toBe(1.5);
    expect(valueOf(families, "last_equal_timestamp_seconds", { peer: SITE_B })).toBe(1_893_456_000.5);
    expect(valueOf(families, "peer_connected", { peer: SITE_B })).toBe(1);
    expect(valueOf(families, "clock_skew_seconds", { peer: SITE_B })).toBe(0.25);
    expect(valueOf(families, "config_last_reload_successful")).toBe(1);
    expect(valueOf(families, "config_last_reload_success_timestamp_seconds")).toBe(1_893_456_002);
    expect(valueOf(families, "build_info", { version: "1.2.3" })).toBe(1);
  });

  test("show an endless lag as endless", async () => {
    const peers = { [SITE_B]: samplePeer({ lagSeconds: Infinity }) };
    const families = await rig(sampleStatus({ buckets: { [ORDERS]: sampleBucket({ peers }) } })).scrape();
    expect(valueOf(families, "lag_seconds", { peer: SITE_B })).toBe(Infinity);
  });

  test("leave out what is not known instead of inventing a zero", async () => {
    const sites = { [SITE_B]: { connected: false, rttMs: null, clockSkewMs: null } };
    const buckets = { [ORDERS]: sampleBucket({ peers: { [SITE_B]: samplePeer({ lastEqualAt: null }) } }) };
    const { scrape, ofPeer } = rig(sampleStatus({ sites, buckets }));
    Object.assign(ofPeer().reconcile, { lastDurationS: 0, lastMs: 0, lastEqualMs: 0 });
    const families = await scrape();
    expect(samplesOf(families, "reconcile_duration_seconds")).toEqual([]);
    expect(samplesOf(families, "clock_skew_seconds")).toEqual([]);
    expect(samplesOf(families, "last_equal_timestamp_seconds")).toEqual([]);
    expect(valueOf(families, "peer_connected", { peer: SITE_B })).toBe(0);
  });

  test("show a bucket in exactly one of the six states", async () => {
    const families = await rig(sampleStatus({ buckets: { [ORDERS]: sampleBucket({ state: "parked" }) } })).scrape();
    const states = samplesOf(families, "pipeline_state").map(({ labels, value }) => [labels["state"], value]);
    expect(Object.fromEntries(states)).toEqual({ starting: 0, live: 0, degraded: 0, paused: 0, parked: 1, stopped: 0 });
    expect(states).toHaveLength(6);
  });

  test("tell that the last config was refused", async () => {
    const config = { ...sampleStatus().config, lastError: "site: missing" };
    expect(valueOf(await rig(sampleStatus({ config })).scrape(), "config_last_reload_successful")).toBe(0);
  });
});

test("a bucket's series go with the bucket, those of the others stay", async () => {
  const { world, scrape } = rig();
  const stock = "stock" as BucketName;
  world.counters.set(stock, reconciledCounters());
  world.status = sampleStatus({ buckets: { [ORDERS]: sampleBucket(SHARED), [stock]: sampleBucket(SHARED) } });
  const perBucket = Object.keys(CONTRACT).filter((name) => CONTRACT[name]?.includes("bucket"));
  const bucketsOf = (families: ReadonlyMap<string, Family>, name: string) =>
    new Set(samplesOf(families, name).map((sample) => sample.labels["bucket"]));
  const both = await scrape();
  world.counters.delete(ORDERS);
  world.status = sampleStatus({ buckets: { [stock]: sampleBucket(SHARED) } });
  const one = await scrape();
  for (const name of perBucket) {
    expect(bucketsOf(both, name), name).toEqual(new Set([ORDERS, stock]));
    expect(bucketsOf(one, name), name).toEqual(new Set([stock]));
  }
});

test("two gateways in one process do not count for each other", async () => {
  const [first, second] = [rig(), rig()];
  first.metrics.observe({ type: "config-unchanged", hash: "c0ffee" });
  expect(valueOf(await first.scrape(), "config_reloads_total", { result: "unchanged" })).toBe(1);
  expect(valueOf(await second.scrape(), "config_reloads_total", { result: "unchanged" })).toBe(0);
});
