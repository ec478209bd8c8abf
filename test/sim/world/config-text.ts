/**
 * The configuration that a simulated gateway is given, as a text. It is JSON, and read without the YAML parser and its
 * checks, which have tests of their own and would take most of the time.
 */
import { type GatewayConfig } from "../../../src/config/config.js";
import { resolveConfig } from "../../../src/config/resolve.js";
import type { ConfigFile } from "../../../src/config/schema-types.js";
import { type Result, err, ok } from "../../../src/core/result.js";
import type { Mix } from "../plan.js";

/** What a reload may change for one gateway. */
export interface ConfigChange {
  readonly paused?: readonly string[];
  readonly without?: readonly string[];
  readonly inFlight?: number;
  readonly opsPerSecond?: number;
  /** Keys that do not take part for now. */
  readonly exclude?: readonly string[];
  /** A site that takes no part for now. */
  readonly withoutSite?: string;
}

export function configText(mix: Mix, change: ConfigChange = {}): string {
  const gateways = mix.sharing ? "all" : "one";
  const sites = Object.fromEntries(mix.sites.map((site, index) => [site, { servers: [`nats://127.0.0.1:${4_222 + index}`], gateways }]));
  const buckets = mix.buckets
    .filter(({ name }) => change.without?.includes(name) !== true)
    .map((bucket) => [
      bucket.name,
      {
        sites: bucket.sites.filter((site) => site !== change.withoutSite),
        format: bucket.format,
        log: bucket.log,
        // Clocks that are wrong by an hour either way pass the guard; only what is days ahead does not.
        maxClockSkew: "3h",
        keys: { include: [...bucket.include], exclude: [...bucket.exclude, ...(change.exclude ?? [])] },
        limits: {
          inFlight: change.inFlight ?? bucket.inFlight,
          opsPerSecond: change.opsPerSecond ?? bucket.opsPerSecond,
        },
        create: { history: bucket.history },
        tombstoneTtl: bucket.tombstoneTtl,
        reconcileInterval: bucket.reconcileInterval,
        paused: change.paused?.includes(bucket.name) === true,
      },
    ]);
  return JSON.stringify({ version: 1, sites, buckets: Object.fromEntries(buckets) });
}

export function parseConfigText(text: string, site: string): Result<GatewayConfig, readonly string[]> {
  try {
    return ok(resolveConfig(JSON.parse(text) as ConfigFile, site, "gateway.yaml"));
  } catch (thrown) {
    return err([`gateway.yaml:1:1 ${String(thrown)}`]);
  }
}
