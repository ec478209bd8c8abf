import { describe, expect, it } from "vitest";
import type { BucketName, SiteId } from "../../src/core/ids.js";
import type { BucketConfig, GatewayConfig, SiteConfig } from "../../src/config/config.js";
import { bucketsOf, planReload } from "../../src/config/diff.js";
import { entry, parsed, withBuckets } from "./config-rig.js";

const site = (id: string) => id as SiteId;
const bucket = (name: string) => name as BucketName;
const NOTHING = { start: [], stop: [], restart: [], update: [], keep: [], refused: [] };

const BASE = parsed(withBuckets("config:\nother: { sites: [site-a] }"));

function withBucket(change: Partial<BucketConfig>): GatewayConfig {
  const changed = { ...entry(BASE.buckets, "config"), ...change };
  return { ...BASE, buckets: new Map([...BASE.buckets, [changed.name, changed]]) };
}

interface Decision {
  readonly to: Partial<BucketConfig>;
  readonly plan: "restart" | "update" | "another bucket";
  /** As the YAML calls it. */
  readonly setting: string;
}

/** A new field of `BucketConfig` without a decision here does not compile. */
const DECISIONS: Record<keyof BucketConfig, Decision> = {
  name: { to: { name: bucket("renamed") }, plan: "another bucket", setting: "name" },
  subject: { to: { subject: "rep.other" }, plan: "restart", setting: "subject" },
  sites: { to: { sites: new Map([[site("site-a"), { bucket: bucket("local") }]]) }, plan: "restart", setting: "sites" },
  policy: { to: { policy: "fww" as "lww" }, plan: "restart", setting: "policy" },
  tombstoneTtlMs: { to: { tombstoneTtlMs: 1 }, plan: "update", setting: "tombstoneTtl" },
  reconcileIntervalMs: { to: { reconcileIntervalMs: 1 }, plan: "update", setting: "reconcileInterval" },
  maxClockSkewMs: { to: { maxClockSkewMs: 1 }, plan: "update", setting: "maxClockSkew" },
  format: { to: { format: "json" }, plan: "restart", setting: "format" },
  log: { to: { log: site("site-b") }, plan: "restart", setting: "log" },
  keys: { to: { keys: { include: ["a.>"], exclude: [] } }, plan: "restart", setting: "keys" },
  limits: { to: { limits: { inFlight: 1, opsPerSecond: 0 } }, plan: "update", setting: "limits" },
  priority: { to: { priority: 10 }, plan: "update", setting: "priority" },
  create: { to: { create: false }, plan: "restart", setting: "create" },
  paused: { to: { paused: true }, plan: "update", setting: "paused" },
};

describe("a changed field of a bucket", () => {
  it.each(Object.entries(DECISIONS))("asks for what was decided for it: %s", (_field, { to, plan, setting }) => {
    const result = planReload(BASE, withBucket(to));
    const kept = { ...NOTHING, keep: ["other"] };
    if (plan === "update") expect(result).toEqual({ ...kept, update: [{ bucket: "config", fields: [setting] }] });
    if (plan === "restart") expect(result).toEqual({ ...kept, restart: [{ bucket: "config", because: [setting] }] });
    if (plan === "another bucket")
      expect(result).toEqual({ ...NOTHING, keep: ["config", "other"], start: ["renamed"] });
  });

  it("restarts where it must, whatever else could be updated", () => {
    const result = planReload(BASE, withBucket({ paused: true, format: "json", subject: "rep.other" }));
    expect(result.restart).toEqual([{ bucket: "config", because: ["subject", "format"] }]);
    expect(result.update).toEqual([]);
  });

  it("is no change where only the order differs", () => {
    const { sites } = entry(BASE.buckets, "config");
    expect(planReload(BASE, withBucket({ sites: new Map([...sites].reverse()) })).keep).toEqual(["config", "other"]);
  });
});

/** site-a is this one; far lies behind edge, which lies behind site-b; hub takes part in nothing. */
const WAYS = parsed(`
version: 1
site: site-a
sites:
  site-a: { servers: ["nats://a:4222"], via: site-b, domain: a }
  site-b: { servers: ["nats://b:4222"] }
  edge: { via: site-b, domain: edge }
  far: { via: edge, domain: far }
  hub: { servers: ["nats://h:4222"] }
buckets:
  alone: { sites: [site-a] }
  behind: { sites: [site-a, far] }
  hubbed: { sites: [site-a], log: hub }
  theirs: { sites: [site-b] }
  pair: { sites: [site-a, site-b] }
`);

function withSite(id: string, change: Partial<SiteConfig>): GatewayConfig {
  return { ...WAYS, sites: new Map([...WAYS.sites, [site(id), { ...entry(WAYS.sites, id), ...change }]]) };
}

const SITE_CHANGES: Record<Exclude<keyof SiteConfig, "id" | "bytesPerSecond" | "gateways">, Partial<SiteConfig>> = {
  servers: { servers: ["nats://elsewhere:4222"] },
  credentials: { credentials: { kind: "token", token: { from: "env", name: "TOKEN" } } },
  tls: { tls: {} },
  via: { via: site("site-a") },
  domain: { domain: "elsewhere" },
};

describe("a changed site", () => {
  it.each(Object.entries(SITE_CHANGES))("restarts, by name, the buckets that use it: %s", (field, change) => {
    const result = planReload(WAYS, withSite("site-b", change));
    const because = [`sites.site-b.${field}`];
    expect(result.restart).toEqual([
      { bucket: "behind", because },
      { bucket: "pair", because },
    ]);
    expect(result.keep).toEqual(["alone", "hubbed"]);
  });

  it("restarts nothing where only its budget is another one, and says which buckets share that", () => {
    const result = planReload(WAYS, withSite("site-b", { bytesPerSecond: 6_250 }));
    const fields = ["sites.site-b.bytesPerSecond"];
    expect(result).toEqual({
      ...NOTHING,
      update: [
        { bucket: "behind", fields },
        { bucket: "pair", fields },
      ],
      keep: ["alone", "hubbed"],
    });
  });

  it("restarts what reaches another site through it, however far", () => {
    const result = planReload(WAYS, withSite("edge", { domain: "moved" }));
    expect(result.restart).toEqual([{ bucket: "behind", because: ["sites.edge.domain"] }]);
  });

  it("restarts what keeps its logs there", () => {
    const result = planReload(WAYS, withSite("hub", { servers: ["nats://h2:4222"], tls: {} }));
    expect(result.restart).toEqual([{ bucket: "hubbed", because: ["sites.hub.servers", "sites.hub.tls"] }]);
  });

  it("restarts everything where it is this one", () => {
    const result = planReload(WAYS, withSite("site-a", { servers: ["nats://a2:4222"] }));
    expect(result.restart.map(({ bucket: name }) => name)).toEqual(["alone", "behind", "hubbed", "pair"]);
  });

  it("restarts everything where other gateways of this site work than before, and nothing where it is another site", () => {
    const because = ["sites.site-a.gateways"];
    const result = planReload(WAYS, withSite("site-a", { gateways: "all" }));
    expect(result.restart).toEqual(["alone", "behind", "hubbed", "pair"].map((name) => ({ bucket: name, because })));
    expect(planReload(WAYS, withSite("site-b", { gateways: "all" })).restart).toEqual([]);
  });

  it("that no bucket of this site uses changes nothing", () => {
    const old = parsed(withBuckets("config: { sites: [site-a] }"));
    const next = parsed(withBuckets("config: { sites: [site-a] }").replace("5222", "6222"));
    expect(planReload(old, next)).toEqual({ ...NOTHING, keep: ["config"] });
  });

  it("restarts a bucket that takes part everywhere when it is new", () => {
    const next = parsed(
      withBuckets("config:\nother: { sites: [site-a] }").replace(
        "sites:\n",
        'sites:\n  site-c: { servers: ["nats://c:4222"] }\n',
      ),
    );
    expect(planReload(BASE, next)).toEqual({
      ...NOTHING,
      restart: [{ bucket: "config", because: ["sites"] }],
      keep: ["other"],
    });
  });
});

describe("which buckets run", () => {
  it("is those in which this site takes part, by name", () => {
    expect(bucketsOf(WAYS).map(({ name }) => name)).toEqual(["alone", "behind", "hubbed", "pair"]);
  });

  it("changes when this site joins or leaves one", () => {
    const without = parsed(withBuckets("config: { sites: [site-b] }\nother: { sites: [site-a] }"));
    expect(planReload(BASE, without)).toEqual({ ...NOTHING, stop: ["config"], keep: ["other"] });
    expect(planReload(without, BASE)).toEqual({ ...NOTHING, start: ["config"], keep: ["other"] });
  });

  it("is all of them at the first start, which refuses nothing", () => {
    expect(planReload(null, BASE)).toEqual({ ...NOTHING, start: ["config", "other"] });
  });
});

describe("what a running process cannot take over", () => {
  it("is another site", () => {
    const result = planReload(BASE, parsed(withBuckets("config:\nother: { sites: [site-a] }"), { site: "site-b" }));
    expect(result.refused).toEqual([
      { path: "site", message: "this process is site-a, not site-b; restart the process to change it" },
    ]);
  });

  it("is another listen address", () => {
    const result = planReload(BASE, { ...BASE, http: { host: "::1", port: 0 } });
    expect(result.refused).toEqual([
      {
        path: "http.listen",
        message: "this process listens on 127.0.0.1:9480, not [::1]:0; restart the process to change it",
      },
    ]);
  });

  it("is not the log level", () => {
    expect(planReload(BASE, { ...BASE, log: { level: "debug" } }).refused).toEqual([]);
  });
});
