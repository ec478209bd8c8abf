/**
 * Whether all sites hold the same, known at every moment: comparing thousands of stores after each event would take longer
 * than all the rest. It hears of every message that a bucket stores, and knows of each value how many sites hold it.
 */

export interface Agreement {
  stored(site: string, bucket: string, key: string, value: string): void;
  /** Whether every key that anybody holds has the same value at every site. */
  holds(): boolean;
  /** Of every value that has come to stand everywhere, milliseconds from its first store to its last. */
  readonly tookMs: number[];
}

interface Value {
  sites: number;
  readonly sinceMs: number;
}

export function createAgreement(sites: number, nowMs: () => number): Agreement {
  const valueAt = new Map<string, Map<string, string>>();
  const valuesByKey = new Map<string, Map<string, Value>>();
  const tookMs: number[] = [];
  let agreed = 0;

  function leave(values: Map<string, Value>, text: string | undefined): void {
    const value = text === undefined ? undefined : values.get(text);
    if (text === undefined || value === undefined) return;
    if (value.sites === sites) agreed--;
    if (--value.sites === 0) values.delete(text);
  }

  function enter(values: Map<string, Value>, text: string): void {
    const value = values.get(text) ?? { sites: 0, sinceMs: nowMs() };
    values.set(text, value);
    if (++value.sites < sites) return;
    agreed++;
    tookMs.push(nowMs() - value.sinceMs);
  }

  return {
    tookMs,
    stored(site, bucket, key, text) {
      const place = `${bucket} ${key}`;
      const values = valuesByKey.get(place) ?? new Map<string, Value>();
      valuesByKey.set(place, values);
      const held = valueAt.get(site) ?? new Map<string, string>();
      valueAt.set(site, held);
      if (held.get(place) === text) return;
      leave(values, held.get(place));
      held.set(place, text);
      enter(values, text);
    },
    holds: () => agreed === valuesByKey.size,
  };
}
