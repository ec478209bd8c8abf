/** What removing without a trace promises, in a bucket and in an operation log: the words of src/core/ports.ts. */
import { afterEach, describe, expect, it } from "vitest";
import { operationAt } from "../core/arbitraries.js";
import { keyNamed } from "../core/names.js";
import { eventually } from "../support/eventually.js";
import { applied } from "./bucket-store-contract.js";
import { appended, operationOf } from "./operation-log-contract.js";
import { tailOf } from "./recorder.js";
import { type BucketOptions, type BucketRig, type LogRig, PEER, type PeerRig } from "./rigs.js";

const TS = 1_730_542_200_000_000;
const K = keyNamed("k");
const UNREACHABLE = { code: "KVGW_UNREACHABLE" };

export function bucketForgetContract(make: (options: BucketOptions) => Promise<BucketRig>): void {
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

  describe("a bucket that forgets a key", () => {
    it("has none of its history any more, and all of every other key", async () => {
      const { store, stream } = await opened({ history: 5 });
      for (const key of ["k", "k", "k.k", "k", "K"]) await stream.publish(key, "v");
      await store.forget(K, 4);
      expect(await store.read(K)).toBeNull();
      const { entries, story } = await tailOf(store);
      await eventually(() => expect(story).toContain("caught up"), { what: "caught up" });
      expect(entries.map(({ key }) => key)).toEqual(["k.k", "K"]);
    });

    it("keeps what is newer than the revision", async () => {
      const { store, stream } = await opened({ history: 5 });
      for (let n = 0; n < 4; n++) await stream.publish("k", `${n}`);
      await store.forget(K, 3);
      expect(await store.read(K)).toMatchObject({ revision: 4 });
    });

    it("shows nothing of it on a tail, and takes the key's next write as its first", async () => {
      const { store } = await opened();
      expect(await applied(store, operationAt(TS, PEER, { kind: "delete", value: new Uint8Array(0) }), 0)).toMatchObject({ revision: 1 });
      const { entries, story } = await tailOf(store);
      await eventually(() => expect(story).toContain("caught up"), { what: "caught up" });
      await store.forget(K, 1);
      expect(await applied(store, operationAt(TS + 1, PEER), 1)).toEqual({ kind: "refused", actual: 0 });
      expect(await applied(store, operationAt(TS + 1, PEER), 0)).toEqual({ kind: "written", revision: 2 });
      await eventually(() => expect(entries.map(({ revision }) => revision)).toEqual([1, 2]), { what: "the next write" });
    });

    it("has nothing to do where there is nothing", async () => {
      const { store } = await opened();
      await store.forget(K, 7);
      expect(await store.read(K)).toBeNull();
    });

    it("fails with a code where it cannot", async () => {
      const { store, stream, kill } = await opened();
      await stream.destroy();
      await expect(store.forget(K, 1)).rejects.toMatchObject(UNREACHABLE);
      await kill();
      await expect(store.forget(K, 1)).rejects.toMatchObject(UNREACHABLE);
    });
  });
}

export function logForgetContract(make: () => Promise<LogRig>): void {
  let rig: LogRig | undefined;
  const opened = async (): Promise<LogRig> => {
    rig = await make();
    await rig.log.open(1);
    return rig;
  };
  afterEach(async () => {
    await rig?.dispose();
    rig = undefined;
  });

  describe("a log that forgets a key", () => {
    it("has it no more, has all others, and ends where it ended", async () => {
      const { log } = await opened();
      for (const [n, key] of ["a", "k", "b"].entries()) await appended(log, operationOf(key), n);
      expect((await log.read(K))?.sequence).toBe(2);
      await log.forget(K, 2);
      expect(await log.read(K)).toBeNull();
      const found: string[] = [];
      const { lastSequence } = await log.scan(1, ({ operation }) => found.push(operation.key));
      expect([found, lastSequence]).toEqual([["a", "b"], 3]);
      expect(await appended(log, operationOf("k"), 3)).toEqual({ kind: "appended", sequence: 4 });
    });

    it("keeps an operation that stands behind the sequence", async () => {
      const { log } = await opened();
      for (let n = 0; n < 2; n++) await appended(log, operationOf("k"), n);
      await log.forget(K, 1);
      expect((await log.read(K))?.sequence).toBe(2);
    });

    it("fails with a code where it cannot", async () => {
      const { log, kill } = await opened();
      await kill();
      await expect(log.forget(K, 1)).rejects.toMatchObject(UNREACHABLE);
      await expect(log.read(K)).rejects.toMatchObject(UNREACHABLE);
    });
  });
}

export function lastExistingContract(make: () => Promise<PeerRig>): void {
  let rig: PeerRig | undefined;
  afterEach(async () => {
    await rig?.dispose();
    rig = undefined;
  });

  it("tells the last operation that a log still has, not the last that it ever had", async () => {
    rig = await make();
    const { link, log } = rig;
    await expect(link.lastExisting()).rejects.toMatchObject({ code: "KVGW_LOG_MISSING" });
    const { created } = await log.open(1);
    expect(await link.lastExisting()).toEqual({ created, lastSequence: 0 });
    for (const [n, key] of ["a", "k", "b"].entries()) await appended(log, operationOf(key), n);
    expect(await link.lastExisting()).toEqual({ created, lastSequence: 3 });
    await log.forget(keyNamed("b"), 3);
    expect(await link.lastExisting()).toEqual({ created, lastSequence: 2 });
    for (const [sequence, key] of ["a", "k"].entries()) await log.forget(keyNamed(key), sequence + 1);
    expect(await link.lastExisting()).toEqual({ created, lastSequence: 0 });
  });
}
