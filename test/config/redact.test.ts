import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describeConfig } from "../../src/config/redact.js";
import { config } from "./config-arbitrary.js";
import { entry, parsed, withBuckets } from "./config-rig.js";

const shown = (text: string): string => JSON.stringify(describeConfig(parsed(text)));

const INLINE = `
version: 1
site: site-a
allowInlineSecrets: true
sites:
  site-a: { servers: ["nats://gateway:hunter2@a:4222"] }
  site-b: { servers: ["nats://b:4222"], credentials: { token: hunter2 } }
  site-c: { servers: ["nats://c:4222"], nkeySeed: hunter2 }
  site-d: { servers: ["nats://hunter2@d:4222"] }
  site-e: { servers: ["nats://e:4222"], user: gateway, passwordEnv: PW }
buckets: { config: }
`;

describe("a config that is shown", () => {
  it("says everything that is in effect, and can be read again as the same config", () => {
    fc.assert(
      fc.property(config, (any) => {
        const again = parsed(JSON.stringify(describeConfig(any)));
        expect(again).toEqual(any);
      }),
    );
  });

  it("holds no secret, wherever it stood", () => {
    expect(shown(INLINE)).not.toContain("hunter2");
    expect(describeConfig(parsed(INLINE))).toMatchObject({
      allowInlineSecrets: true,
      sites: {
        "site-a": { servers: ["nats://a:4222"], credentials: { user: "gateway", password: "(not shown)" } },
        "site-b": { credentials: { token: "(not shown)" } },
        "site-c": { credentials: { nkeySeed: "(not shown)" } },
        "site-d": { servers: ["nats://d:4222"], credentials: { token: "(not shown)" } },
        "site-e": { credentials: { user: "gateway", passwordEnv: "PW" } },
      },
    });
  });

  it("holds no login of an address, even of a config that was not parsed here", () => {
    const parsedConfig = parsed(withBuckets("config:"));
    const site = { ...entry(parsedConfig.sites, "site-a"), servers: ["nats://u:hunter2@a:4222"] };
    const described = JSON.stringify(describeConfig({ ...parsedConfig, sites: new Map([[site.id, site]]) }));
    expect(described).toContain("nats://***@a:4222");
    expect(described).not.toContain("hunter2");
  });

  it("names the places that secrets come from", () => {
    const text = withBuckets("config:").replace(
      '5222"]',
      '5222"], credsFile: /run/b.creds, tls: { caFile: ca.pem, serverName: b }',
    );
    expect(describeConfig(parsed(text, { file: "/etc/kvgw/gateway.yaml" }))).toMatchObject({
      sites: {
        "site-b": { credentials: { credsFile: "/run/b.creds" }, tls: { caFile: "/etc/kvgw/ca.pem", serverName: "b" } },
      },
    });
  });
});
