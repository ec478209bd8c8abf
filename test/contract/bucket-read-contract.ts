/** What every bucket store promises of a single read: the words of `BucketStore.read` in src/core/ports.ts. */
import { afterEach, expect, it } from "vitest";
import { NO_BYTES } from "../../src/core/operation.js";
import { operationAt } from "../core/arbitraries.js";
import { keyNamed } from "../core/names.js";
import { eventually } from "../support/eventually.js";
import { applied } from "./bucket-store-contract.js";
import { tailOf } from "./recorder.js";
import { type BucketOptions, type BucketRig, PEER } from "./rigs.js";

const TS = 1_730_542_200_000_000;
const K = keyNamed("k");
const DEL = { "KV-Operation": "DEL" };
const PURGE = { "KV-Operation": "PURGE", "Nats-Rollup": "sub" };
const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const AN_HOUR_NS = 3_600e9;

export function bucketReadContract(make: (options: BucketOptions) => Promise<BucketRig>): void {
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

  it("finds the last entry of the key, with value, time and revision as they stand", async () => {
    const { store, stream } = await opened({ history: 5 });
    const beforeUs = (Date.now() - 1_000) * 1_000;
    for (const value of ["old", EVERY_BYTE]) await stream.publish("k", value);
    await stream.publish("k.k", "another key");
    const entry = await store.read(K);
    expect(entry).toMatchObject({ kind: "put", key: "k", revision: 2, version: null, expiresUs: null });
    expect(Buffer.from(entry?.value ?? NO_BYTES)).toEqual(Buffer.from(EVERY_BYTE));
    expect(entry?.timestampUs).toBeGreaterThan(beforeUs);
    expect(entry?.timestampUs).toBeLessThan((Date.now() + 60_000) * 1_000);
    expect(entry?.timestampNs.slice(0, -3)).toBe(String(entry?.timestampUs));
  });

  it("says of every entry what the tail says of it", async () => {
    const { store, stream } = await opened({ history: 3, maxAgeNs: AN_HOUR_NS });
    await stream.publish("put", "v");
    await stream.publish("empty", "");
    await stream.publish("with-headers", "v", { "X-Own": "y: z", "KV-Operation": "DELETE" });
    await stream.publish("deleted", "", DEL);
    await stream.publish("purged", "", PURGE);
    await stream.publish("ours", "v", { "Kvgw-Version": `${TS} site-b` });
    await stream.publish("ours-deleted", "", { ...DEL, "Kvgw-Version": `${TS} site-b` });
    await stream.publish("forged", "v", { "Kvgw-Version": `${TS} Site_B` });
    await stream.publish("a/b=c_d-e.F9", "v");
    const { entries, story } = await tailOf(store);
    await eventually(() => expect(story).toContain("caught up"), { what: "caught up" });
    expect(entries).toHaveLength(9);
    for (const entry of entries) {
      const read = await store.read(keyNamed(entry.key));
      expect({ ...read, value: Buffer.from(read?.value ?? "?") }).toEqual({ ...entry, value: Buffer.from(entry.value) });
      expect(read?.expiresUs).toBe(entry.timestampUs + AN_HOUR_NS / 1_000);
    }
  });

  it("finds what was applied, with its version, and nothing older", async () => {
    const { store } = await opened({ history: 5 });
    const put = operationAt(TS, PEER, { value: EVERY_BYTE });
    expect(await applied(store, put, 0)).toEqual({ kind: "written", revision: 1 });
    expect(await store.read(K)).toMatchObject({ kind: "put", version: put.version, revision: 1 });
    const deleted = operationAt(TS + 1, PEER, { kind: "delete", value: NO_BYTES });
    expect(await applied(store, deleted, 1)).toEqual({ kind: "written", revision: 2 });
    expect(await store.read(K)).toMatchObject({ kind: "delete", version: deleted.version, revision: 2 });
    expect((await store.read(K))?.value).toHaveLength(0);
  });

  it("finds a value as large as a server takes", async () => {
    const { store, stream } = await opened();
    const large = new Uint8Array(1024 * 1024).map((_, at) => at * 31);
    await stream.publish("k", large);
    expect(Buffer.compare((await store.read(K))?.value ?? NO_BYTES, large)).toBe(0);
  });

  it("finds nothing where there is no message: unknown, or gone without a trace", async () => {
    const { store, stream } = await opened({ history: 5 });
    expect(await store.read(K)).toBeNull();
    for (let n = 0; n < 3; n++) await stream.publish("k", "v");
    await stream.publish("k.k", "v");
    expect((await store.read(K))?.revision).toBe(3);
    await stream.purge("k");
    expect(await store.read(K)).toBeNull();
    expect((await store.read(keyNamed("k.k")))?.revision).toBe(4);
    expect(await store.read(keyNamed("k.k.k"))).toBeNull();
  });

  it("fails where the bucket itself is gone, since that says nothing of the key", async () => {
    const { store, stream } = await opened();
    await stream.publish("k", "v");
    await stream.destroy();
    await expect(store.read(K)).rejects.toMatchObject({ code: "KVGW_UNREACHABLE" });
  });

  it("fails with a code while the server is down", async () => {
    const { store, stream, kill } = await opened();
    await stream.publish("k", "v");
    await kill();
    await expect(store.read(K)).rejects.toMatchObject({ code: "KVGW_UNREACHABLE" });
  });
}

/** For servers that have them: from 2.11 on. */
export function expiryReadContract(make: (options: BucketOptions) => Promise<BucketRig>): void {
  let rig: BucketRig | undefined;
  afterEach(async () => {
    await rig?.dispose();
    rig = undefined;
  });

  it("finds an entry with its own deadline, and after that the mark of its end", async () => {
    rig = await make({ markersMs: 60_000 });
    const { store, stream } = rig;
    await store.open();
    await stream.publish("k", "v", { "Nats-TTL": "1s" });
    const entry = await store.read(K);
    expect((entry?.expiresUs ?? 0) - (entry?.timestampUs ?? 0)).toBe(1_000_000);
    await eventually(async () => expect(await store.read(K)).toMatchObject({ kind: "expired", revision: 2, version: null }), {
      what: "the expiry",
    });
  });
}
