/** What every bucket store promises about deadlines: when an entry ends, and that an applied one ends when it does at home. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import { TIMESTAMP_US_MAX } from "../../src/core/limits.js";
import { operationAt } from "../core/arbitraries.js";
import { keyNamed } from "../core/names.js";
import { eventually } from "../support/eventually.js";
import { applied } from "./bucket-store-contract.js";
import { tailOf } from "./recorder.js";
import { type BucketOptions, type BucketRig, PEER } from "./rigs.js";

const K = keyNamed("k");
const TS = 1_730_542_200_000_000;
const VERSION = { "Kvgw-Version": `${TS} site-b` };
const AN_HOUR_US = 3_600_000_000;
const inAnHourUs = () => Date.now() * 1_000 + AN_HOUR_US + 123;

export function deadlineContract(make: (options: BucketOptions) => Promise<BucketRig>): void {
  let rig: BucketRig | undefined;
  const opened = async (options: BucketOptions = {}): Promise<BucketRig> => {
    rig = await make(options);
    await rig.store.open();
    return rig;
  };
  afterEach(async () => {
    await rig?.dispose();
    rig = undefined;
  });

  it.each<[string, BucketOptions]>([
    ["in a plain bucket", {}],
    ["in a bucket with an age of its own", { maxAgeNs: 10_000_000_000 }],
  ])("an applied entry keeps its deadline as it is, %s", async (_, options) => {
    const { store } = await opened(options);
    const expiresUs = inAnHourUs();
    await applied(store, operationAt(TS, PEER, { expiresUs }), 0);
    expect(await store.read(K)).toMatchObject({ kind: "put", expiresUs });
    const { entries } = await tailOf(store);
    await eventually(() => expect(entries[0]).toMatchObject({ key: "k", expiresUs }), { what: "the entry on the tail" });
  });

  it("an applied entry without a deadline, and a delete, have none", async () => {
    const { store } = await opened();
    await applied(store, operationAt(TS, PEER), 0);
    expect(await store.read(K)).toMatchObject({ kind: "put", expiresUs: null });
    await applied(store, operationAt(TS + 1, PEER, { kind: "delete", expiresUs: inAnHourUs() }), 1);
    expect(await store.read(K)).toMatchObject({ kind: "delete", expiresUs: null });
  });

  it.each<[string, Record<string, string>]>([
    ["stands beside no version", {}],
    ["stands beside what is no version", { "Kvgw-Version": `${TS} Site_B` }],
    ["is no number", { ...VERSION, "Kvgw-Expires": "soon" }],
    ["is nothing", { ...VERSION, "Kvgw-Expires": "" }],
    ["is no positive number", { ...VERSION, "Kvgw-Expires": "-5" }],
    ["lies beyond all times", { ...VERSION, "Kvgw-Expires": String(TIMESTAMP_US_MAX + 1) }],
  ])("a deadline in a header that %s is none", async (_, headers) => {
    const { store, stream } = await opened();
    await stream.publish("k", "v", { "Kvgw-Expires": String(TS), ...headers });
    expect(await store.read(K)).toMatchObject({ kind: "put", expiresUs: null });
  });

  it("a time to live is no deadline in a bucket that does not let messages have one", async () => {
    const { store, stream } = await opened();
    // Newer servers refuse it, older ones store it as any other header.
    const stored = await stream.publish("k", "v", { "Nats-TTL": "1s" }).catch(() => null);
    const entry = await store.read(K);
    expect(stored === null ? entry : entry?.expiresUs).toBeNull();
  });
}

/** For servers that end single entries: from 2.11 on. */
export function lifetimeContract(make: (options: BucketOptions) => Promise<BucketRig>): void {
  let rig: BucketRig | undefined;
  afterEach(async () => {
    await rig?.dispose();
    rig = undefined;
  });

  it("a longer time to live than the bucket's age is none, but an entry may be meant to stay for ever", async () => {
    rig = await make({ markersMs: 1_000, maxAgeNs: 1_500_000_000 });
    const { store, stream } = rig;
    await store.open();
    const [plain, longer, never, kept] = [keyNamed("plain"), keyNamed("longer"), keyNamed("never"), keyNamed("applied")];
    await stream.publish(longer, "v", { "Nats-TTL": "600s" });
    await stream.publish(never, "v", { "Nats-TTL": "never" });
    await applied(store, operationAt(TS, PEER, { key: kept }), 0);
    await stream.publish(plain, "v");
    const lifeOf = async (key: typeof K) => {
      const entry = await store.read(key);
      if (entry === null) throw new Error(`${key} is not there`);
      return entry.expiresUs === null ? null : entry.expiresUs - entry.timestampUs;
    };
    expect(await Promise.all([plain, longer, never, kept].map(lifeOf))).toEqual([1_500_000, 1_500_000, null, null]);
    for (const key of [plain, longer]) {
      await eventually(async () => expect((await store.read(key))?.kind).not.toBe("put"), { what: `${key} has ended` });
    }
    await sleep(1_000);
    for (const key of [never, kept]) expect(await store.read(key)).toMatchObject({ kind: "put", key });
  });

  it("an applied entry is ended by its server once its deadline has passed, and not before", async () => {
    rig = await make({ markersMs: 1_000 });
    const { store } = rig;
    await store.open();
    const expiresUs = (Date.now() + 1_500) * 1_000;
    await applied(store, operationAt(TS, PEER, { expiresUs }), 0);
    await eventually(async () => expect((await store.read(K))?.kind).not.toBe("put"), { what: "it has ended" });
    expect(Date.now() * 1_000).toBeGreaterThanOrEqual(expiresUs);
  });
}
