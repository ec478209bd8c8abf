/** The picture shows what the report says: every fault in its rows and at its time, and nothing from outside. */
import { describe, expect, it } from "vitest";
import type { GatewayStatus } from "../../src/gateway/status.js";
import type { StatusSample } from "./gateways.js";
import type { Report } from "./report.js";
import type { FaultBand } from "./strike.js";
import { renderTimeline } from "./timeline.js";

const END_MS = 100_000;
const band = (kind: string, fromMs: number, toMs: number, ...concerns: string[]): FaultBand => ({ kind, fromMs, toMs, concerns, note: `note of ${kind}` });

const EVENTS = [
  band("gateway killed", 10_000, 20_000, "gateway site-a"),
  band("server suspended", 30_000, 60_000, "server site-b"),
  band("partition of one site from all", 50_000, 100_000, "link site-a → site-b", "link site-b → site-a"),
  band("YAML edit: invalid", 70_000, 70_001, "config"),
];

const REPORT: Report = {
  ...{ seed: 4711, seconds: 120, lengthSeconds: 100, violations: 0, found: [], stories: {} },
  faults: { "gateway killed": 1, "server suspended": 1 },
  ...{ gatewayKills: 1, serverKills: 0, suspensions: 1, partitions: 1, badLinks: 0, rewinds: 0, recreated: 0, invalidSeen: 1 },
  configEdits: { valid: 0, invalid: 1, reloads: 0 },
  operations: { acknowledged: 12_345, refused: 6, failed: 0, unknown: 7 },
  ...{ deletes: 3_000, messagesSeen: 1, messagesUnseen: 0, messagesForgottenByServers: 0, logged: 9, conflicts: 8 },
  ...{ repairedByReconcile: 0, lost: 0, resurrected: 0, diverged: 0, convergedAfterMs: [1_500], longestToConvergeMs: 1_500 },
  memory: { steepestBytesPerMinute: null, flatBelowBytesPerMinute: 1, flat: true },
  lives: [{ site: "site-a", life: 1, fromMs: 0, toMs: 10_000, end: "kill -9", rssFirst: 2 ** 26, rssLast: 2 ** 27, rssHighest: 2 ** 27, rssSlope: null }],
  events: EVENTS,
  marks: [{ ms: END_MS, what: "equal" }],
  memorySamples: { "site-a": [[0, 2 ** 26], [1_000, 2 ** 27], [60_000, 2 ** 26]] },
};

const sample = (ms: number, lagSeconds: number): StatusSample => ({
  ...{ ms, site: "site-b" },
  status: { buckets: { config: { peers: { "site-a": { lagSeconds }, "site-c": { lagSeconds: 0 } } } } } as unknown as GatewayStatus,
});

const html = renderTimeline(REPORT, [sample(1_000, 0), sample(2_000, 17), sample(3_000, 0)]);

interface Band {
  readonly x: number;
  readonly width: number;
  readonly title: string;
}

function bandsIn(text: string): readonly Band[] {
  const rects = text.matchAll(/<rect class="band [^"]*" x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="\d+"><title>([^<]*)</g);
  return [...rects].map(([, x, width, title = ""]) => ({ x: Number(x), width: Number(width), title }));
}

describe("the timeline", () => {
  it("has one band for everything that a fault concerns", () => {
    const titles = bandsIn(html).map(({ title }) => title.split(",")[0]);
    expect(titles.sort()).toEqual(EVENTS.flatMap(({ kind, concerns }) => concerns.map(() => kind)).sort());
  });

  it("puts bands where their time is, and shows the shortest as well", () => {
    const [killed, suspended, cut, invalid] = EVENTS.map(({ kind }) => bandsIn(html).find(({ title }) => title.startsWith(kind)));
    const perMs = (killed?.width ?? 0) / 10_000;
    expect(perMs).toBeGreaterThan(0);
    expect(suspended?.width).toBeCloseTo(30_000 * perMs, 0);
    expect((suspended?.x ?? 0) - (killed?.x ?? 0)).toBeCloseTo(20_000 * perMs, 0);
    expect(cut?.width).toBeCloseTo(50_000 * perMs, 0);
    expect(invalid?.width).toBeGreaterThan(1);
  });

  it("draws the lag of every pair of sites, and tells the highest", () => {
    expect(html.match(/class="label"[^>]*>site-. → site-.</g)).toHaveLength(6);
    expect(html.match(/<polyline class="lag"/g)).toHaveLength(2);
    expect(html).toContain(">17.0 s</text>");
  });

  it("interrupts a line where nothing was told", () => {
    expect(html.match(/<polyline class="memory"/g)).toHaveLength(2);
  });

  it("has the counts, and the moment when all was equal", () => {
    expect(html).toContain("<th>writes acknowledged<td>12,345");
    expect(html).toContain("<title>equal, 100.0 s</title>");
    expect(html).toContain("No violation");
  });

  it("tells what was violated, with everything that happened to the key, as text only", () => {
    const found = [{ property: "convergence", site: null, bucket: "config", key: "<script>", message: 'a: "<b>"' }];
    const bad = renderTimeline({ ...REPORT, violations: 1, found, stories: { "config <script>": ["1.0  a < b"] } }, []);
    expect(bad).toContain("1 violations");
    expect(bad).toContain("<b>convergence</b> config &lt;script&gt;: a: &quot;&lt;b&gt;&quot;");
    expect(bad).toContain("1.0  a &lt; b");
    expect(bad).not.toContain("<script");
  });

  it("stands alone, and suits light, dark and paper", () => {
    expect(html).not.toMatch(/https?:|src=|<link|@import|url\(/);
    expect(html).toContain("prefers-color-scheme: dark");
    expect(html).toContain("@media print");
  });
});
