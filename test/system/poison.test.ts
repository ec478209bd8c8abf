/** The corpus of bad operations on real servers: what a server lets into a log is taken for what it is, and the rest flows on. */
import { Kvm } from "@nats-io/kv";
import type { MsgHdrs } from "@nats-io/transport-node";
import { afterEach, describe, expect, it } from "vitest";
import { logPrefix } from "../../src/nats/subjects.js";
import { kvgw } from "../cli/kvgw.js";
import { siteNamed } from "../core/names.js";
import { eventually } from "../support/eventually.js";
import { startNatsServer } from "../support/nats-server.js";
import { type Poison, poisonFiles, readPoison } from "../support/poison.js";
import { type Site, type Sites, startSites } from "../support/sites.js";

const A = siteNamed("a");
/** Those in JSON name their bucket. */
const BUCKET_OF = { raw: "raw", json: "config" } as const;
const BUCKETS = `  raw: { subject: rep.raw }
  config: { subject: rep.json, format: json }`;

let sites: Sites | undefined;
afterEach(() => sites?.dispose());

/** Whether the server has stored it: some subjects cannot be said, and it looks at headers that rule streams itself. */
async function logged({ client }: Site, { format, key, block, payload }: Poison): Promise<boolean> {
  if (/[\s*>]|\.\.|^\.|\.$/.test(key) || key.length > 1_000) return false;
  const headers = { encode: () => Buffer.from(block, "latin1") } as unknown as MsgHdrs;
  const subject = logPrefix(`rep.${format}`, A) + key;
  const answer = await client.request(subject, payload, block === "" ? { timeout: 5_000 } : { timeout: 5_000, headers });
  return answer.json<{ readonly error?: unknown }>().error === undefined;
}

/** Operations of a that b has set aside in the bucket, by reason. */
async function setAside({ gateway }: Site, bucket: string): Promise<Record<string, number>> {
  const line = new RegExp(`^kvgw_operations_set_aside_total\\{bucket="${bucket}",peer="a",reason="(\\w+)"\\} ([1-9]\\d*)$`, "gm");
  return Object.fromEntries([...(await gateway.metrics()).matchAll(line)].map(([, reason = "", count]) => [reason, Number(count)]));
}

describe.each(["2.15", "2.10", "2.9"] as const)("the corpus of bad operations, on nats-server %s", (version) => {
  it("is set aside or applied as its files say, and what stands around it flows on", { timeout: 120_000 }, async () => {
    const servers = [await startNatsServer({ name: "a", version }), await startNatsServer({ name: "b", version })];
    sites = await startSites({ names: ["a", "b"], servers, buckets: BUCKETS });
    const [a, b] = [sites.site("a"), sites.site("b")];
    const expected: Record<string, Record<string, number>> = { raw: {}, config: {} };
    let stored = 0;
    for (const file of poisonFiles) {
      const poison = readPoison(file);
      if (!(await logged(a, poison))) continue;
      stored++;
      const bucket = BUCKET_OF[poison.format];
      const counts = expected[bucket] ?? {};
      if (poison.expect !== "applied" && poison.expect !== "too_large") counts[poison.expect] = (counts[poison.expect] ?? 0) + 1;
      const [here, there] = await Promise.all([a, b].map(({ client }) => new Kvm(client).open(bucket)));
      await here?.put("after", file);
      await eventually(async () => expect((await there?.get("after"))?.string()).toBe(file), { what: `what stands behind ${file} is at b` });
    }
    expect(stored).toBeGreaterThan(30);
    for (const [bucket, counts] of Object.entries(expected)) expect(await setAside(b, bucket), bucket).toEqual(counts);
    const { buckets } = await b.gateway.status();
    expect(Object.values(buckets).map(({ state }) => state)).toEqual(["live", "live"]);
    expect(await b.gateway.metrics()).toMatch(/^kvgw_pipeline_restarts_total\{bucket="raw"\} 0$/m);
    const listed = await kvgw(["set-aside", "list", "raw", "--json", "--gateway", b.gateway.url]);
    expect(listed).toMatchObject({ code: 0, stdout: expect.stringContaining("malformed") });
  });
});
