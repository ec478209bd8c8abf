/** A hundred buckets in one YAML, edited while it runs: only what changed is touched (I10). */
import { readFile, rename, writeFile } from "node:fs/promises";
import { Kvm } from "@nats-io/kv";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectionCount } from "../support/clients.js";
import { eventually } from "../support/eventually.js";
import { type Sites, startSites } from "../support/sites.js";

const COUNT = 100;
const name = (index: number) => `bucket-${String(index).padStart(3, "0")}`;
const lines = (indices: readonly number[], settings: (index: number) => string = () => "{}") =>
  indices.map((index) => `  ${name(index)}: ${settings(index)}`).join("\n");
const ALL = Array.from({ length: COUNT }, (_, index) => index);

describe("one YAML with a hundred buckets", () => {
  let sites: Sites;

  beforeAll(async () => {
    sites = await startSites({ buckets: lines(ALL) });
  });
  afterAll(() => sites.dispose());

  const startTimes = async () => {
    const { buckets } = await sites.site("site-a").gateway.status();
    return new Map(Object.entries<{ startedAt: string }>(buckets).map(([bucket, { startedAt }]) => [bucket, startedAt]));
  };

  it("uses one connection per site, however many buckets there are", async () => {
    // Two gateways and the test's own client at each server.
    for (const { server } of sites.all) expect(await connectionCount(server)).toBe(3);
  });

  it("starts, stops and changes one bucket each without touching the other ninety-eight", async () => {
    const before = await startTimes();
    const kept = ALL.slice(2);
    const changed = (index: number) => (index === 1 ? "{ subject: rep.elsewhere }" : "{}");
    await sites.save(lines([1, ...kept, COUNT], changed));
    await eventually(
      async () => {
        for (const { gateway } of sites.all) {
          const { buckets } = await gateway.status();
          expect(Object.keys(buckets)).toHaveLength(COUNT);
          expect((buckets as Record<string, { state: string }>)[name(COUNT)]?.state).toBe("live");
          expect((buckets as Record<string, { state: string }>)[name(1)]?.state).toBe("live");
        }
      },
      { what: "the edit is live at both sites" },
    );
    const after = await startTimes();
    expect(after.has(name(0))).toBe(false);
    for (const index of kept) expect(after.get(name(index))).toBe(before.get(name(index)));
    expect(after.get(name(1))).not.toBe(before.get(name(1)));
    for (const { server } of sites.all) expect(await connectionCount(server)).toBe(3);
  });

  it("replicates through the bucket that was added", async () => {
    const here = await new Kvm(sites.site("site-a").client).open(name(COUNT));
    await here.put("hello", "world");
    expect((await sites.untilEqual(name(COUNT))).size).toBe(1);
  });

  it("changes nothing on an invalid save, and says file, line and column", async () => {
    const before = await startTimes();
    const good = await readFile(sites.configFile, "utf8");
    await sites.save(lines(ALL.slice(5), (index) => (index === 7 ? "{ polcy: lww }" : "{}")));
    await eventually(
      async () => {
        const { config } = await sites.site("site-a").gateway.status();
        expect(config.lastError).toMatch(/gateway\.yaml:[0-9]+:[0-9]+ .*bucket-007\.polcy/);
      },
      { what: "the refusal is shown" },
    );
    expect(await startTimes()).toEqual(before);
    expect(await sites.site("site-a").gateway.metrics()).toContain("kvgw_config_last_reload_successful 0");
    // As editors do it: a new file renamed over the old one.
    await writeFile(`${sites.configFile}.new`, good);
    await rename(`${sites.configFile}.new`, sites.configFile);
    await eventually(
      async () => expect((await sites.site("site-a").gateway.status()).config.lastError).toBeNull(),
      { what: "the good file counts again" },
    );
    expect(await startTimes()).toEqual(before);
  });

  it("reloads on SIGHUP and over HTTP alike", async () => {
    const { gateway } = sites.site("site-a");
    expect(await gateway.post("/api/v1/reload")).toMatchObject({ code: 200, body: { result: "unchanged" } });
    gateway.signal("SIGHUP");
    await eventually(
      async () => expect(await gateway.metrics()).toMatch(/kvgw_config_reloads_total\{result="unchanged"\} [2-9]/),
      { what: "the signal was followed" },
    );
  });

  it("pauses and resumes a bucket by its setting", async () => {
    const { gateway, client } = sites.site("site-a");
    const indices = [1, ...ALL.slice(2)];
    const paused = (index: number) => (index === 2 ? "{ paused: true }" : index === 1 ? "{ subject: rep.elsewhere }" : "{}");
    await sites.save(lines(indices, paused));
    const state = async () => (await gateway.status()).buckets as Record<string, { state: string }>;
    await eventually(async () => expect((await state())[name(2)]?.state).toBe("paused"), { what: "the bucket is paused" });
    await (await new Kvm(client).open(name(2))).put("held", "back");
    await sites.save(lines(indices, (index) => (index === 1 ? "{ subject: rep.elsewhere }" : "{}")));
    expect((await sites.untilEqual(name(2))).size).toBe(1);
  });
});
