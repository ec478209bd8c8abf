/** The page shows the status to people, and nothing in it can become markup. */
import { describe, expect, test } from "vitest";
import type { BucketName, SiteId } from "../../src/core/ids.js";
import type { GatewayStatus, PeerStatus } from "../../src/gateway/status.js";
import { ORDERS, SITE_B, sampleBucket, samplePeer, sampleStatus } from "../telemetry/sample-status.js";
import { serverWith } from "./server-rig.js";

const ATTACK = `<script>alert('"&')</script>`;
const ESCAPED = "&#60;script&#62;alert(&#39;&#34;&#38;&#39;)&#60;/script&#62;";

async function pageOf(changes: Partial<GatewayStatus> = {}): Promise<string> {
  const answer = await serverWith({ status: () => sampleStatus(changes) }).inject({ url: "/" });
  expect(answer.statusCode).toBe(200);
  expect(answer.headers["content-type"]).toBe("text/html; charset=utf-8");
  return answer.body;
}

describe("GET /", () => {
  test("shows site, readiness and a row per bucket with its numbers and peers", async () => {
    const page = await pageOf({ buckets: { [ORDERS]: sampleBucket({ conflicts: 4, setAside: 5 }) } });
    expect(page).toContain("<h1>site-a: ready</h1>");
    const cells = ["orders", "live", "10", "1", "4", "5", "site-b live, lag 3 operations, 1.5 s, last equal 5 min ago"];
    expect(page).toContain(`<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`);
  });

  test("says by the gateway's own time how long ago a peer was proved equal, and why the last round failed", async () => {
    const cellOf = async (changes: Partial<PeerStatus>, now: string) => {
      const page = await pageOf({ now, buckets: { [ORDERS]: sampleBucket({ peers: { [SITE_B]: samplePeer(changes) } }) } });
      return /<td>(site-b [^<]*)<\/td>/.exec(page)?.[1];
    };
    const reason = { code: "KVGW_PEER_UNSUITABLE", message: "its settings differ" } as const;
    const failed = { lastEqualAt: null, reconcile: { ...samplePeer().reconcile, reason } };
    expect(await cellOf({}, "2030-01-01T00:00:12.500Z")).toMatch(/, last equal 12 s ago$/);
    expect(await cellOf(failed, "2030-01-01T00:00:12.500Z")).toMatch(/, last equal never, reconcile failed: its settings differ$/);
  });

  test("says what is wrong: what is missing, the refused config, the reasons", async () => {
    const reason = { code: "KVGW_TIMEOUT", message: "no answer from site-b" } as const;
    const page = await pageOf({
      ready: false,
      notReady: ["the local NATS is not connected"],
      config: { ...sampleStatus().config, lastError: "site: missing" },
      buckets: { [ORDERS]: sampleBucket({ state: "degraded", reason }) },
    });
    expect(page).toContain("<h1>site-a: not ready</h1>");
    expect(page).toContain("<p>the local NATS is not connected</p>");
    expect(page).toContain("<p>The last config was refused: site: missing</p>");
    expect(page).toContain("<td>degraded: no answer from site-b</td>");
  });

  test("says that it is a standby", async () => {
    expect(await pageOf({ ready: false, role: "standby" })).toContain("<h1>site-a: standby, not ready</h1>");
  });

  test("links to pages that exist, reloads itself and runs no script", async () => {
    const page = await pageOf();
    const links = [...page.matchAll(/href="([^"]+)"/g)].map(([, link]) => link ?? "");
    expect(links).toHaveLength(5);
    for (const url of links) expect([url, (await serverWith().inject({ url })).statusCode]).toEqual([url, 200]);
    expect(page).toContain('<meta http-equiv="refresh" content="5">');
    expect(page).not.toContain("<script");
  });

  test("escapes every text of the status", async () => {
    const reason = { code: "KVGW_INTERNAL", message: ATTACK } as const;
    const peers = { [ATTACK as SiteId]: samplePeer({ reason, reconcile: { ...samplePeer().reconcile, reason } }) };
    const page = await pageOf({
      site: ATTACK as SiteId,
      version: ATTACK,
      startedAt: ATTACK,
      notReady: [ATTACK],
      config: { path: ATTACK, hash: ATTACK, loadedAt: ATTACK, lastError: ATTACK },
      buckets: { [ATTACK as BucketName]: sampleBucket({ reason, peers }) },
    });
    expect(page).not.toContain("<script");
    expect(page).not.toMatch(/alert\([^&]/);
    // Site twice, version, start, hash, missing, last error, bucket, its reason, peer, its reason, its round's reason.
    expect(page.split(ESCAPED)).toHaveLength(12 + 1);
  });
});
