/**
 * Connections to the sites whose buckets are compared, made as a gateway of this config would make them: over a site's
 * own servers, or through another site and a domain.
 */
import { randomUUID } from "node:crypto";
import type { BucketConfig, GatewayConfig } from "../../config/config.js";
import { type ErrorCode, GatewayError, toGatewayError } from "../../core/errors.js";
import type { SiteId } from "../../core/ids.js";
import type { Clock } from "../../core/ports.js";
import { reach } from "../../gateway/build.js";
import { createBucketReader } from "../../nats/bucket-reader.js";
import { type Lease, createConnections } from "../../nats/connections.js";
import { createLogReader } from "../../nats/log-reader.js";
import { readSecret } from "../../system.js";
import type { SiteReader } from "./reading.js";

export interface Sites {
  /** A bucket at each site that takes part in it, under its name there, and the site's operation log, wherever it lies. */
  readersOf(bucket: BucketConfig): ReadonlyMap<SiteId, SiteReader>;
  close(): Promise<void>;
}

/** Resolves when every site of these buckets answers, and every hub that has their logs. KVGW_UNREACHABLE or the like,
 *  naming all sites that do not. */
export async function connectSites(config: GatewayConfig, buckets: readonly BucketConfig[], clock: Clock): Promise<Sites> {
  const connections = createConnections({
    ...{ clock, readSecret, clientName: "kvgw verify", onStatus: () => undefined },
    onBug: (error) => {
      throw error;
    },
  });
  const sites = new Set(buckets.flatMap((bucket) => [...bucket.sites.keys()].flatMap((site) => [site, logSite(bucket, site)])));
  const placeBySite = new Map(
    [...sites].map((site) => {
      const { over, domain } = reach(config, site);
      return [site, { lease: connections.lease(over), domain, clock, newToken }];
    }),
  );
  const close = async () => {
    for (const { lease } of placeBySite.values()) lease.release();
    await connections.close();
  };
  try {
    await allReady([...placeBySite].map(([site, { lease }]) => [site, lease]));
  } catch (thrown) {
    await close();
    throw thrown;
  }
  return {
    close,
    readersOf: (bucket) =>
      new Map(
        [...bucket.sites].flatMap(([site, { bucket: localName }]) => {
          const [place, logPlace] = [placeBySite.get(site), placeBySite.get(logSite(bucket, site))];
          if (place === undefined || logPlace === undefined) return [];
          const { name, subject, format } = bucket;
          const log = createLogReader(logPlace, { site, bucket: name, subject, format }, `operation log of ${name} at ${site}`);
          return [[site, { bucket: createBucketReader(place, localName, `bucket ${localName} at ${site}`), log }]];
        }),
      ),
  };
}

const logSite = (bucket: BucketConfig, site: SiteId): SiteId => (bucket.log === "local" ? site : bucket.log);

const newToken = (): string => randomUUID().replaceAll("-", "").slice(0, 12);

async function allReady(leases: readonly (readonly [SiteId, Lease])[]): Promise<void> {
  const failures: { site: SiteId; error: GatewayError }[] = [];
  await Promise.all(
    leases.map(async ([site, lease]) => {
      await lease.ready().catch((thrown: unknown) => failures.push({ site, error: toGatewayError(thrown) }));
    }),
  );
  const [first] = failures;
  if (first === undefined) return;
  const sentences = failures.map(({ site, error: { message } }) =>
    message.startsWith(`site ${site}: `) ? message : `site ${site}: ${message}`,
  );
  // One that an operator must mend is told rather than one that may go away by itself.
  const code: ErrorCode = failures.find(({ error }) => error.remedy === "operator")?.error.code ?? first.error.code;
  throw new GatewayError(code, `nothing was compared; ${sentences.join("; ")}`);
}
