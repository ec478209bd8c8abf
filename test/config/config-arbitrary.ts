/**
 * Random valid configs, as files and parsed: four sites, one of them behind another, and buckets of all kinds.
 */
import fc from "fast-check";
import type { GatewayConfig } from "../../src/config/config.js";
import { parsed } from "./config-rig.js";

const SITE_NAMES = ["site-a", "site-b", "site-c", "edge"];

const duration = (min: number, max: number) =>
  fc.tuple(fc.integer({ min, max }), fc.constantFrom("s", "m")).map(([count, unit]) => `${count}${unit}`);

const names = fc.uniqueArray(fc.constantFrom(...SITE_NAMES), { minLength: 1 });

const settings = fc.record(
  {
    sites: fc.oneof(
      names,
      names.map((list) => Object.fromEntries(list.map((name) => [name, name === "site-b" ? {} : null]))),
    ),
    tombstoneTtl: duration(100_000, 200_000),
    reconcileInterval: duration(1, 1_000),
    maxClockSkew: duration(1, 1_000),
    format: fc.constantFrom("raw", "json"),
    log: fc.constantFrom("local", "site-c"),
    keys: fc.record(
      { include: fc.constantFrom(["a.>"], ["*", "b.c"]), exclude: fc.constantFrom([], ["a.b"]) },
      { requiredKeys: [] },
    ),
    limits: fc.record({ inFlight: fc.integer({ min: 1, max: 65_536 }), opsPerSecond: fc.nat(9) }, { requiredKeys: [] }),
    create: fc.oneof(
      fc.constant(false),
      fc.record({ history: fc.integer({ min: 1, max: 64 }), replicas: fc.integer({ min: 1, max: 5 }) }),
    ),
    priority: fc.integer({ min: 1, max: 10 }),
    paused: fc.boolean(),
  },
  { requiredKeys: [] },
);

const bucketNames = fc.constantFrom("alpha", "beta", "gamma", "delta_1", "E-5");

const access = fc.constantFrom(
  ...[
    {},
    { credentials: { tokenEnv: "TOKEN" } },
    { user: "u", passwordFile: "/run/pw" },
    { tls: { caFile: "/ca.pem" } },
    { bytesPerSecond: 6_250 },
  ],
);

export const configFile = fc.record({
  version: fc.constant(1),
  site: fc.constantFrom("site-a", "site-b"),
  sites: fc
    .tuple(fc.integer({ min: 1, max: 3 }), access, fc.constantFrom("site-b", "site-c"))
    .map(([port, extra, via]) => ({
      "site-a": { servers: ["nats://a:4222"], gateways: via === "site-b" ? "all" : "one" },
      "site-b": { servers: [`nats://b:${port}`], ...extra },
      "site-c": { servers: ["nats://c:4222"] },
      edge: { via, domain: "edge" },
    })),
  defaults: fc.option(settings.map((all) => ({ ...all, sites: undefined }))),
  buckets: fc.dictionary(bucketNames, fc.option(settings), { maxKeys: 5 }),
  http: fc.constantFrom({ listen: "127.0.0.1:0" }, { listen: "[::1]:9480" }),
});

/** JSON is YAML, too. */
export const config: fc.Arbitrary<GatewayConfig> = configFile.map((file) => parsed(JSON.stringify(file)));
