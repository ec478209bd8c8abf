/** Every text that a gateway is given as a good one is good, and every broken one is refused. */
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/parse.js";
import { type ConfigChange, INVALID_EDITS, SITES, addressVariable, configText } from "./config-text.js";

const CHANGES: readonly ConfigChange[] = [
  {},
  { without: "visits" },
  { paused: "stock" },
  { limited: { bucket: "config", opsPerSecond: 10, inFlight: 3 } },
];
const addresses = SITES.map((site, index) => [addressVariable(site), `nats://127.0.0.1:${4_222 + index}`]);
const env = { ...Object.fromEntries(addresses), KVGW_HTTP: "127.0.0.1:9480" } as Readonly<Record<string, string>>;
const parse = (text: string) => parseConfig(text, { file: "gateway.yaml", env, site: "site-b" });

describe("the YAML that chaos edits", () => {
  it.each(CHANGES)("is taken with %j", (change) => {
    expect(parse(configText(change))).toMatchObject({ ok: true });
  });

  it("means something else after each change", () => {
    const hashes = CHANGES.map((change) => {
      const parsed = parse(configText(change));
      return parsed.ok ? parsed.value.hash : "";
    });
    expect(new Set(hashes).size).toBe(CHANGES.length);
  });

  it.each(INVALID_EDITS)("is refused when it is %s", (_what, breakIt) => {
    for (const change of CHANGES) expect(parse(breakIt(configText(change)))).toMatchObject({ ok: false });
  });
});
