/**
 * One metric as a definition, and its way into prom-client's registry. A definition turns a reading into rows; nothing
 * is remembered between scrapes, so a series whose row is gone is gone.
 */
import type { Gauge, Registry } from "prom-client";
import { type Histogram, LATENCY_BOUNDS_S } from "../core/counters.js";
import type { Reading } from "./readings.js";

/** Values of the labels in the order of the definition, then the reading. */
export type Row = readonly [labels: readonly string[], value: number | Histogram];
export type Rows = (reading: Reading) => readonly Row[];

export interface Definition {
  readonly type: "counter" | "gauge" | "histogram";
  readonly labels: readonly string[];
  readonly help: string;
  readonly rows: Rows;
}

/**
 * prom-client's own metrics keep their numbers themselves, which ours must not. Its registry asks of a metric only its
 * name and `get()`, so that is what it is given; it does the formatting and escaping.
 */
export function register(registry: Registry, name: string, of: Definition, current: () => Reading | null): void {
  const { type, help, labels, rows } = of;
  const aggregator = "sum";
  const get = () => {
    const reading = current();
    const values = reading === null ? [] : rows(reading).flatMap((row) => samplesOf(name, labels, row));
    return { name, help, type, aggregator, values };
  };
  const metric: unknown = { name, help, type, aggregator, get, reset: () => undefined };
  registry.registerMetric(metric as Gauge);
}

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  /** One object for all lines of a histogram: prom-client formats it once. */
  readonly sharedLabels?: Readonly<Record<string, string>>;
  readonly metricName?: string;
  readonly value: number;
}

function samplesOf(name: string, names: readonly string[], [values, value]: Row): Sample[] {
  const labels = Object.fromEntries(names.map((label, index) => [label, values[index] ?? ""]));
  return typeof value === "number" ? [{ labels, value }] : histogramSamples(name, labels, value);
}

function histogramSamples(name: string, sharedLabels: Record<string, string>, histogram: Histogram): Sample[] {
  let count = 0;
  const samples = Array.from(histogram.counts, (inBucket, index): Sample => {
    count += inBucket;
    const le = String(LATENCY_BOUNDS_S[index] ?? "+Inf");
    return { labels: { le }, sharedLabels, metricName: `${name}_bucket`, value: count };
  });
  samples.push({ labels: {}, sharedLabels, metricName: `${name}_sum`, value: histogram.sum });
  samples.push({ labels: {}, sharedLabels, metricName: `${name}_count`, value: count });
  return samples;
}
